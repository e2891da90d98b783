package import Torch

// B crops, C channels, h × h tokens, N = h · h, S side of a crop, R regions.

/// How the backbone's tokens differ between a mask, the rest of its box, what is around the box, and
/// the border of the mask: a wrong mask often parts what the backbone finds alike. Ours, not in the paper.
package enum TokenContrast {
    /// The regions in order: each token belongs to them by its mean probability.
    private static let regions = ["mask", "rest", "around", "border"]
    private static let pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]

    /// The name of each number, in order.
    package static let names =
        pairs.map { "cosine_\(regions[$0])_\(regions[$1])" } + regions.map { "alike_\($0)" }
        + ["like_mask_inside", "like_mask_rest"]

    /// - Parameters:
    ///   - features: the backbone's (B, C, h, h).
    ///   - probabilities: (B, 1, S, S), 0 outside the box; S a multiple of h.
    ///   - box: (B, 1, S, S), 0 or 1.
    /// - Returns: (B, `names.count` + C) float32: last the direction of the mask's mean token, from which
    ///   a fit may tell what kind of object it is.
    package static func values(
        of features: Tensor, probabilities: Tensor, box: Tensor
    ) -> Tensor {
        let side = features.size(2)
        let tokens = features.to(.float32).flattened(from: 2)  // (B, C, N)
        let inside = pooled(probabilities, side)  // (B, 1, N)
        let rest = pooled(box, side) - inside
        let border = pooled(probabilities * (1 - probabilities), side) * 4
        let shares = Tensor.concatenated(
            [inside, rest, 1 - inside - rest, border], along: 1)  // (B, R, N)
        let weights = shares / (shares.sum(2, keeping: true) + 1e-3)

        let directions = unit(tokens, along: 1)
        let means = unit(weights.matmul(tokens.transposed(1, 2)), along: 2)  // (B, R, C)
        let cosines = means.matmul(means.transposed(1, 2))  // (B, R, R)
        let alike = length(weights.matmul(directions.transposed(1, 2)), along: 2)  // (B, R, 1)

        // A second opinion on each token: is it more like the mask or more like the rest of the box?
        let nearness = means.narrowed(1, 0..<2).matmul(directions)  // (B, 2, N)
        let isLikeMask =
            ((nearness.narrowed(1, 0..<1) - nearness.narrowed(1, 1..<2)) * 10).sigmoid()
        let agreed = (isLikeMask * weights.narrowed(1, 0..<2)).sum(2)  // (B, 2)

        let columns = pairs.map { cosines.selecting(1, $0.0).narrowed(1, $0.1..<$0.1 + 1) }
        return .concatenated(
            columns + [alike.selecting(2, 0), agreed, means.selecting(1, 0)], along: 1)
    }

    /// The mean over each token's pixels: (B, 1, N).
    private static func pooled(_ map: Tensor, _ side: Int) -> Tensor {
        let scale = map.size(2) / side
        return map.reshaped(map.size(0), side, scale, side, scale).mean(2, 4)
            .flattened(from: 1).unsqueezed(1)
    }

    private static func length(_ x: Tensor, along dimension: Int) -> Tensor {
        x.squared().sum(dimension, keeping: true).sqrt()
    }

    /// Nearly 0 for what is nearly 0: a region without tokens is like none.
    private static func unit(_ x: Tensor, along dimension: Int) -> Tensor {
        x / (length(x, along: dimension) + 1e-3)
    }
}
