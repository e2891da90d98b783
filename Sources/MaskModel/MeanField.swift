package import Torch

// B batch, H × W pixels, k side of the window.

/// A binary mask from soft masks and the colours around each pixel: mean-field inference in a
/// conditional random field whose pairs are a pixel and its k × k neighbours (Krähenbühl & Koltun
/// 2011, with a window instead of the full graph; SPEC §6).
package struct MeanField: Sendable, Equatable {
    /// Side of the window, odd (`train.crf_kernel_size`).
    package var kernelSize: Int
    /// Colour distance that counts as an edge, in units of the normalised image (`train.crf_zeta`).
    package var zeta: Double
    /// Updates (`train.crf_num_iter`).
    package var iterationCount: Int
    /// What probabilities are kept between (`train.crf_value_low_thres`, `…_high_thres`).
    package var bounds: ClosedRange<Double>

    package init(
        kernelSize: Int = 3, zeta: Double = 0.1, iterationCount: Int = 100,
        bounds: ClosedRange<Double> = 0.1...0.9
    ) {
        precondition(kernelSize > 0 && !kernelSize.isMultiple(of: 2), "a window of \(kernelSize)")
        self.kernelSize = kernelSize
        self.zeta = zeta
        self.iterationCount = iterationCount
        self.bounds = bounds
    }

    /// The mask, 0 or 1: (B, H, W) float32, without gradient.
    ///
    /// - Parameters:
    ///   - image: (B, 3, H, W) float32, normalised.
    ///   - probabilities: (B, H, W) float32, of being foreground.
    ///   - mask: (B, H, W) float32 from 0 to 1 that multiplies the foreground each time; nil is 1.
    package func callAsFunction(
        image: Tensor, probabilities: Tensor, mask: Tensor? = nil
    ) -> Tensor {
        let refined = refine(image: image, probabilities: probabilities, mask: mask)
        return withoutGradients { (refined .> 0.5).to(.float32) }
    }

    /// The probabilities after all updates: (B, H, W).
    package func refine(image: Tensor, probabilities: Tensor, mask: Tensor?) -> Tensor {
        withoutGradients {
            isVectorized(for: image)
                ? refineVectorized(image: image, probabilities: probabilities, mask: mask)
                : refineByTensors(image: image, probabilities: probabilities, mask: mask)
        }
    }

    /// The same by libtorch's operators, for any window and device; what the faster versions are held
    /// against.
    package func refineByTensors(image: Tensor, probabilities: Tensor, mask: Tensor?) -> Tensor {
        withoutGradients {
            let neighbours = neighbours(of: image)
            let (batch, height, width) = (image.size(0), image.size(2), image.size(3))
            let margin = kernelSize / 2
            // The logarithms of background and foreground inside a border of zeros, so that a
            // neighbour outside the image costs nothing.
            let padded = Tensor.zeros(
                [2, batch, height + 2 * margin, width + 2 * margin], device: image.device)
            func shifted(_ row: Int, _ column: Int) -> Tensor {
                padded.narrowed(2, row..<row + height).narrowed(3, column..<column + width)
            }
            let inside = shifted(margin, margin)
            let background = inside.selecting(0, 0)
            let foreground = inside.selecting(0, 1)
            let windows = neighbours.map { ($0.affinity, shifted($0.row, $0.column)) }
            let weights = Tensor.zeros([2, batch, height, width], device: image.device)
            let product = Tensor.zeros([2, batch, height, width], device: image.device)
            let backgroundWeight = weights.selecting(0, 0)
            let foregroundWeight = weights.selecting(0, 1)

            let x = (mask.map { probabilities * $0 } ?? probabilities.cloned()).clamp(bounds)
            for _ in 0..<iterationCount {
                background.copy(from: 1 - x)
                foreground.copy(from: x)
                inside.takeLog()
                // In the order of the window and rounded after each product, because the updates
                // amplify what is rounded differently.
                weights.zero()
                for (affinity, window) in windows {
                    weights.add(affinity.map { product.setToProduct(window, $0) } ?? window)
                }
                weights.takeExp()
                if let mask { foregroundWeight.multiply(by: mask) }
                x.copy(from: foregroundWeight)
                x.divide(by: backgroundWeight.add(foregroundWeight).add(1e-6)).clamp(bounds)
            }
            return x
        }
    }

    /// How much a pixel and its neighbour at (`row`, `column`) of the window belong together.
    private struct Neighbour {
        let row: Int
        let column: Int
        /// exp(−‖colour difference‖² / 2ζ²): (B, H, W). Nil, which is 1, for the pixel itself.
        let affinity: Tensor?
    }

    /// All places of the window, row by row.
    private func neighbours(of image: Tensor) -> [Neighbour] {
        let (height, width) = (image.size(2), image.size(3))
        let margin = kernelSize / 2
        // Far from the zeros outside, so that those have affinity 0.
        let colours = image.to(.float32) + 10
        let padded = Tensor.zeros(
            [image.size(0), image.size(1), height + 2 * margin, width + 2 * margin],
            device: image.device)
        padded.narrowed(2, margin..<margin + height).narrowed(3, margin..<margin + width)
            .copy(from: colours)
        return (0..<kernelSize * kernelSize).map { place in
            let (row, column) = (place / kernelSize, place % kernelSize)
            if row == margin && column == margin {
                return Neighbour(row: row, column: column, affinity: nil)
            }
            let there = padded.narrowed(2, row..<row + height)
                .narrowed(3, column..<column + width)
            let distance = ((there - colours).squared() / (2 * zeta * zeta)).sum(1)
            return Neighbour(row: row, column: column, affinity: (-distance).takeExp())
        }
    }

    /// The affinities of every window, row by row: (B, k², H·W).
    package func affinities(of image: Tensor) -> Tensor {
        let one = Tensor.ones([image.size(0), image.size(2), image.size(3)])
        return Tensor.stacked(neighbours(of: image).map { $0.affinity ?? one }, along: 1)
            .flattened(from: 2)
    }
}
