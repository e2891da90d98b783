import CKernels
import CTorch

// B batch, H × W pixels, C input channels, K output channels.

/// 3 × 3 convolutions with a border of one zero, in host memory, by Winograd's F(4 × 4, 3 × 3): a quarter
/// of the multiplications, results that differ from ``conv2d(_:weight:bias:stride:padding:)`` by a few
/// units of float32's precision (Lavin & Gray 2016).
///
/// Maps are channels last: (B, H, W, C), contiguous. No gradient is recorded. Autocast changes nothing:
/// the transforms lose too much in half precision.
package enum Winograd {
    /// Tiles whose matrices are in memory at the same time: 36 · tiles · channels · 4 bytes.
    private static let tilesAtOnce: Int64 = 256

    /// Whether a convolution with that weight can be done so.
    package static func applies(to weight: Tensor, _ dtype: DType, on device: Device) -> Bool {
        device == .cpu && dtype == .float32 && weight.dtype == .float32
            && weight.shape.suffix(2) == [3, 3] && weight.size(0) % 16 == 0
            && weight.size(1) % 16 == 0
    }

    /// The convolution of x (B, H, W, C), then bias, then ReLU if asked for: (B, H, W, K).
    ///
    /// - Parameters:
    ///   - weight: (K, C, 3, 3); with `isGradient` (C, K, 3, 3) of the convolution whose result's gradient
    ///     `x` is, and the result is the gradient of its input.
    ///   - matrices: those of the weight, where they are there already.
    package static func convolve(
        _ x: Tensor, weight: Tensor, matrices: Tensor? = nil, bias: Tensor? = nil,
        isReLU: Bool = false, isGradient: Bool = false
    ) -> Tensor {
        let outputs = weight.size(isGradient ? 1 : 0)
        precondition(x.size(3) == weight.size(isGradient ? 0 : 1), "\(x.shape), \(weight.shape)")
        let input = MapShape(x.shape)
        var outputShape = x.shape
        outputShape[3] = outputs
        let output = MapShape(outputShape)
        let matrices = matrices ?? Self.matrices(of: weight, isTransposed: isGradient)
        return withFloats(x, bias) { values, bias in
            Tensor(outputShape, .float32) { memory in
                guard let values, let made = memory.bindMemory(to: Float.self).baseAddress else {
                    return
                }
                let result = Shared(made)
                for tiles in input.strips {
                    let products = input.matrices(tiles, of: values, cwg_input).multiplied(matrices)
                    withFloats(products) { products in
                        guard let products else { return }
                        let (matrices, map) = (Shared(products), output.map(tiles))
                        let shift = bias.map { Shared($0) }
                        inParallel(tiles) {
                            cwg_output(
                                map, matrices.start, shift?.start, isReLU ? 1 : 0, $0.lowerBound,
                                $0.upperBound, result.start)
                        }
                    }
                }
            }
        }
    }

    /// The gradient of the weight, (K, C, 3, 3), from the input (B, H, W, C) and the gradient of the
    /// result (B, H, W, K).
    package static func weightGradient(_ x: Tensor, _ gradient: Tensor) -> Tensor {
        let (input, output) = (MapShape(x.shape), MapShape(gradient.shape))
        let (inputs, outputs) = (x.size(3), gradient.size(3))
        let sum = Tensor.zeros([36, inputs, outputs])
        withFloats(x, gradient) { values, gradient in
            guard let values, let gradient else { return }
            for tiles in input.strips {
                let left = input.matrices(tiles, of: values, cwg_input)
                let right = output.matrices(tiles, of: gradient, cwg_output_gradient)
                autocast(.float32, on: .cpu) {
                    _ = call(
                        ops.baddbmmInPlace, .tensor(sum), .tensor(left.transposed(1, 2)),
                        .tensor(right), .double(1), .double(1))
                }
            }
        }
        return Tensor.transformed(sum, to: [3, 3, inputs, outputs]) { sum, range, taps in
            cwg_weights_gradient(
                sum, Int64(inputs * outputs), range.lowerBound, range.upperBound, taps)
        }.permuted(3, 2, 0, 1).contiguous()
    }

    /// What a weight (K, C, 3, 3) becomes for the products: (36, C, K), or (36, K, C) of the turned weights.
    package static func matrices(of weight: Tensor, isTransposed: Bool = false) -> Tensor {
        let taps = (isTransposed ? weight.permuted(2, 3, 0, 1) : weight.permuted(2, 3, 1, 0))
            .contiguous()
        let (rows, columns) = (taps.size(2), taps.size(3))
        return .transformed(taps, to: [36, rows, columns]) { taps, range, matrices in
            cwg_weights(
                taps, Int64(rows * columns), isTransposed ? 1 : 0, range.lowerBound,
                range.upperBound, matrices)
        }
    }

    /// A map's shape, and its tiles.
    private struct MapShape {
        private let batch, height, width, channels: Int

        init(_ shape: [Int]) {
            (batch, height, width, channels) = (shape[0], shape[1], shape[2], shape[3])
        }

        /// The tiles of all images, in parts.
        var strips: [Range<Int64>] {
            let count = Int64(batch * ((height + 3) / 4) * ((width + 3) / 4))
            return stride(from: 0, to: count, by: Int(tilesAtOnce)).map {
                $0..<min($0 + tilesAtOnce, count)
            }
        }

        func map(_ tiles: Range<Int64>) -> cwg_map {
            cwg_map(
                height: Int32(height), width: Int32(width), channels: Int32(channels),
                first: tiles.lowerBound, count: Int64(tiles.count))
        }

        /// (36, tiles, channels)
        func matrices(
            _ tiles: Range<Int64>, of values: UnsafePointer<Float>,
            _ transform:
                @convention(c) (
                    cwg_map, UnsafePointer<Float>, Int64, Int64, UnsafeMutablePointer<Float>
                ) -> Void
        ) -> Tensor {
            Tensor([36, tiles.count, channels], .float32) { memory in
                guard let made = memory.bindMemory(to: Float.self).baseAddress else { return }
                let (from, to, map) = (Shared(values), Shared(made), map(tiles))
                inParallel(tiles) {
                    transform(map, from.start, $0.lowerBound, $0.upperBound, to.start)
                }
            }
        }
    }
}

extension Tensor {
    /// Planes of rows × columns to other planes of that size by `body`, which threads call for ranges of
    /// places.
    fileprivate static func transformed(
        _ planes: Tensor, to shape: [Int],
        _ body: @Sendable (UnsafePointer<Float>, Range<Int64>, UnsafeMutablePointer<Float>) -> Void
    ) -> Tensor {
        withFloats(planes) { values in
            Tensor(shape, .float32) { memory in
                guard let values, let made = memory.bindMemory(to: Float.self).baseAddress else {
                    return
                }
                let (from, to) = (Shared(values), Shared(made))
                inParallel(0..<Int64(shape[shape.count - 2] * shape[shape.count - 1] / 16)) {
                    body(from.start, $0.lowerBound * 16..<$0.upperBound * 16, to.start)
                }
            }
        }
    }

    /// The products of two rows of matrices, (n, i, j) and (n, j, k).
    fileprivate func multiplied(_ other: Tensor) -> Tensor {
        autocast(.float32, on: .cpu) { call(ops.bmm, .tensor(self), .tensor(other)) }
    }
}
