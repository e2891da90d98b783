package import Torch

// B crops, C channels, h × h tokens, N = h².

/// Where in its box an object is, guessed from the features alone: tokens inside the box that are alike
/// to each other and unlike those outside it. It needs no trained head, so that a run can begin from
/// it instead of from noise. Ours, not in the paper; the idea of telling objects from their background
/// by the similarity of self-supervised tokens is from LOST (Siméoni et al. 2021) and TokenCut (Wang et
/// al. 2022).
///
/// With f the features minus their mean over the crop, at length 1, o what is outside the box and m
/// what is inside:
///
///     similarity to the background   s_i = Σ_j o_j e^(τ f_i·f_j) f_i·f_j / Σ_j o_j e^(τ f_i·f_j)
///     object's direction             d   = Σ_i g_i f_i / ‖…‖
///     evidence                       z_i = f_i·d − s_i + λ (0.6 − r_i²)
///     guess                          g_i = m_i σ(κ (z_i − mean of z inside))
///
/// where r is the distance from the box's centre in half sides; d and g are found in turns.
package struct FeaturePrior: Sendable, Equatable {
    /// τ: how much the most alike tokens outside count more.
    package var sharpness = 5.0
    /// λ: how much the middle of the box counts more than its corners.
    package var centrality = 0.6
    /// κ.
    package var gain = 4.0
    /// Added to the evidence in the end: the object is a little more than the tokens above the mean.
    package var offset = 0.4
    package var roundCount = 8

    package init() {}

    /// The guess: (B, h, h) float32 in 0…1, 0 outside the box.
    ///
    /// - Parameters:
    ///   - features: (B, C, h, h).
    ///   - mask: (B, 1, S, S), 1 inside the box.
    package func callAsFunction(features: Tensor, mask: Tensor) -> Tensor {
        withoutGradients {
            let (batch, side) = (features.size(0), features.size(2))
            let inside = resized(mask, height: side, width: side).to(.float32)  // (B, 1, h, h)
            let inBox = inside.flattened(from: 2)  // (B, 1, N)
            let size = inBox.sum(2, keeping: true) + 1e-6
            // Never nothing: without any token outside all are equally alike to it.
            let outside = (1 - inBox).clamped(1e-4...1).transposed(1, 2)  // (B, N, 1)

            let tokens = features.to(.float32).flattened(from: 2)  // (B, C, N)
            let centered = tokens - tokens.mean(2, keeping: true)
            let f = centered / ((centered.squared().sum(1, keeping: true) + 1e-12).sqrt())
            let alike = f.transposed(1, 2).matmul(f)  // (B, N, N)
            let weights = (alike * sharpness).exp()
            let background = (weights * alike).matmul(outside) / weights.matmul(outside)

            let distance = squaredDistance(inside, size: size)  // (B, 1, N)
            let fixed = centrality * (0.6 - distance) - background.transposed(1, 2)
            var guess = inBox * (1 - distance / 2).clamped(0.05...1)
            for round in 1...roundCount {
                let sum = f.matmul(guess.transposed(1, 2))  // (B, C, 1)
                let direction = sum / ((sum.squared().sum(1, keeping: true) + 1e-12).sqrt())
                let evidence = direction.transposed(1, 2).matmul(f) + fixed  // (B, 1, N)
                let mean = (evidence * inBox).sum(2, keeping: true) / size
                let shift = round == roundCount ? offset : 0
                guess = ((evidence - mean) * gain + shift).sigmoid() * inBox
            }
            return guess.reshaped(batch, side, side)
        }
    }

    /// r² of each token: (B, 1, N). The box's half sides are those of an even distribution with the
    /// same deviations.
    private func squaredDistance(_ inside: Tensor, size: Tensor) -> Tensor {
        let side = inside.size(2)
        func along(_ shape: [Int], _ other: Int) -> Tensor {
            let places = Tensor((0..<side).map { Float($0) + 0.5 }, shape, device: inside.device)
            let weights = inside.sum(other, keeping: true)  // (B, 1, h, 1) or (B, 1, 1, h)
            let total = size.unsqueezed(3)
            let center = (weights * places).sum(5 - other, keeping: true) / total
            let offsets = (places - center).squared()
            let variance = (weights * offsets).sum(5 - other, keeping: true) / total
            return offsets / (3 * variance + 1e-6)
        }
        return (along([1, 1, side, 1], 3) + along([1, 1, 1, side], 2)).flattened(from: 2)
    }
}
