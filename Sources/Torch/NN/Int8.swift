import CKernels
import CTorch

// N rows, C inputs, K outputs. CKernels' `int8.h` has the arithmetic.

/// Rows of float32 as bytes, each row with a range of its own: what a row becomes depends on no other.
package struct ByteRows {
    /// (…, C)
    fileprivate let bytes: Tensor
    /// (N, 2): step and lowest number.
    fileprivate let ranges: Tensor

    /// - Parameters:
    ///   - x: (…, C), C a multiple of 16.
    ///   - norm: what is done to the rows first.
    package init(_ x: Tensor, normalizedBy norm: LayerNorm? = nil) {
        self.init(shape: x.shape)
        let width = Int64(x.size(-1))
        let (source, epsilon) = (x.contiguous(), norm?.epsilon ?? 0)
        withFloats(norm?.weight, norm?.bias) { weight, bias in
            guard let values = source.start(of: Float.self),
                let bytes = bytes.start(of: UInt8.self), let ranges = ranges.start(of: Float.self)
            else { return }
            let (weight, bias) = (weight.map(Shared.init), bias.map(Shared.init))
            inParallel(0..<count) {
                ci8_rows(
                    values.start, weight?.start, bias?.start, epsilon, width, $0.lowerBound,
                    $0.upperBound, bytes.start, ranges.start)
            }
        }
        withExtendedLifetime(source) {}
    }

    /// N
    fileprivate var count: Int64 { Int64(ranges.size(0)) }

    fileprivate init(shape: [Int]) {
        bytes = .empty(shape, .uint8)
        ranges = .empty([shape.dropLast().reduce(1, *), 2])
    }
}

/// The weight of a linear layer in int8 with a step for each output, packed once for oneDNN, and its bias.
///
/// In host memory, for inference. A product's sums are whole numbers: they are the same in whatever order.
package struct Int8Weight {
    private let packed: Tensor
    /// (K), float32
    private let steps: Tensor
    /// (K), float32: the sum of each output's weights.
    private let totals: Tensor
    /// (K), int32
    private let zeros: Tensor
    private let bias: Tensor?

    /// Whether this libtorch has oneDNN's int8 products.
    package static var isThere: Bool {
        ops.packInt8.handle != nil && ops.multiplyInt8.handle != nil
    }

    /// Nil for a layer that stays in float32: its numbers of inputs and outputs are no multiples of 16, or it
    /// could not be loaded.
    ///
    /// - Parameter weight: (K, C) float32 in host memory.
    init?(_ weight: Tensor, bias: Tensor?) {
        guard !weight.isPlaceholder, weight.shape.allSatisfy({ $0 % 16 == 0 }) else { return nil }
        let (outputs, inputs) = (weight.size(0), weight.size(1))
        let rounded = Tensor.empty([outputs, inputs], .int8)
        let (steps, totals) = (Tensor.empty([outputs]), Tensor.empty([outputs]))
        let weight = weight.contiguous()
        if let values = weight.start(of: Float.self), let results = rounded.start(of: Int8.self),
            let steps = steps.start(of: Float.self), let totals = totals.start(of: Float.self)
        {
            ci8_weights(
                values.start, Int64(inputs), 0, Int64(outputs), results.start, steps.start,
                totals.start)
        }
        withExtendedLifetime(weight) {}
        packed = call(ops.packInt8, .tensor(rounded), .none)
        (self.steps, self.totals) = (steps, totals)
        zeros = .zeros([outputs], .int32)
        self.bias = bias
    }

    /// The layer: (…, C) → (…, K).
    package func callAsFunction(_ x: ByteRows) -> Tensor {
        let result = sums(x)
        withProduct(x) { product in
            guard let values = result.start(of: Float.self) else { return }
            inParallel(0..<x.count) {
                ci8_finish(product.start, $0.lowerBound, $0.upperBound, values.start)
            }
        }
        return result
    }

    /// The layer and GELU, for the next layer.
    package func gelu(_ x: ByteRows) -> ByteRows {
        let sums = sums(x)
        let result = ByteRows(shape: sums.shape)
        withProduct(x) { product in
            guard let values = sums.start(of: Float.self),
                let bytes = result.bytes.start(of: UInt8.self),
                let ranges = result.ranges.start(of: Float.self)
            else { return }
            inParallel(0..<x.count) {
                ci8_gelu_rows(
                    product.start, $0.lowerBound, $0.upperBound, values.start, bytes.start,
                    ranges.start)
            }
        }
        withExtendedLifetime(sums) {}
        return result
    }

    /// `x` plus the layer of `rows`, times a factor for each output; `x` is overwritten.
    package func add(_ rows: ByteRows, times factors: Tensor?, consuming x: Tensor) -> Tensor {
        let result = x.contiguous()
        let sums = sums(rows)
        withProduct(rows) { product in
            withFloats(factors, nil) { factors, _ in
                guard let values = result.start(of: Float.self),
                    let sums = sums.start(of: Float.self)
                else { return }
                let factors = factors.map(Shared.init)
                inParallel(0..<rows.count) {
                    ci8_add(
                        product.start, factors?.start, $0.lowerBound, $0.upperBound, sums.start,
                        values.start)
                }
            }
        }
        withExtendedLifetime(sums) {}
        return result
    }

    /// What the products with the bytes add up to, (…, K) float32, times the outputs' steps.
    private func sums(_ x: ByteRows) -> Tensor {
        call(
            ops.multiplyInt8, .tensor(x.bytes), .double(1), .int(0), .tensor(packed),
            .tensor(steps), .tensor(zeros), .none, .double(1), .int(0), .dtype(.float32),
            .text("none"), .noItems, .text("")
        ) { x.bytes.shape.dropLast() + [steps.count] }
    }

    private func withProduct(_ x: ByteRows, _ body: (Shared<ci8_product>) -> Void) {
        withFloats(totals, bias) { totals, bias in
            withFloats(x.ranges) { ranges in
                guard let totals, let ranges else { return }
                let width = Int64(steps.count)
                body(Shared(ci8_product(ranges: ranges, totals: totals, bias: bias, width: width)))
            }
        }
    }
}
