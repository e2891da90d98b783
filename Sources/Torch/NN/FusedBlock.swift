import CKernels

// B batch, N tokens, C channels.

/// A block of a vision transformer in float32 in host memory, for inference (CKernels' `transformer.h`):
/// norms, biases, GELU, layer scales and sums are one with the products beside them.
///
/// What comes out differs from what libtorch's operators give by float32's rounding. A token's result
/// depends neither on the number of threads nor on the other images of the batch.
package struct FusedBlock {
    private let norm1, norm2: LayerNorm
    private let qkv, proj, fc1, fc2: Linear
    private let headCount: Int
    private let scale1, scale2: Tensor?

    /// x + scale1 · proj(attention(qkv(norm1(x)))), then + scale2 · fc2(gelu(fc1(norm2(x)))).
    ///
    /// - Parameter qkv: gives q of all heads, k, v.
    package init(
        norm1: LayerNorm, qkv: Linear, headCount: Int, proj: Linear, scale1: Tensor?,
        norm2: LayerNorm, fc1: Linear, fc2: Linear, scale2: Tensor?
    ) {
        (self.norm1, self.qkv, self.headCount, self.proj) = (norm1, qkv, headCount, proj)
        (self.scale1, self.norm2, self.fc1, self.fc2) = (scale1, norm2, fc1, fc2)
        self.scale2 = scale2
    }

    /// What the heads read, side by side, (B, N, C) from qkv (B, N, 3C); nil where libtorch has to do it.
    package static func heads(_ qkv: Tensor, _ headCount: Int) -> Tensor? {
        guard applies(to: qkv), (qkv.size(2) / 3 / headCount).isMultiple(of: 16) else { return nil }
        let qkv = qkv.contiguous()
        let mixed = Tensor.empty([qkv.size(0), qkv.size(1), qkv.size(2) / 3])
        withFloats(qkv) { values in
            guard let values, let mixed = mixed.start(of: Float.self) else { return }
            let shape = Shared(
                ctf_qkv(
                    values: values, batch: Int64(qkv.size(0)), tokens: Int64(qkv.size(1)),
                    heads: Int64(headCount), width: Int64(qkv.size(2) / 3 / headCount)))
            inParallel(
                0..<ctf_attend_places(shape.start), scratch: ctf_attend_scratch(shape.start)
            ) {
                ctf_attend(shape.start, $0.lowerBound, $0.upperBound, mixed.start, $1)
            }
        }
        return mixed
    }

    /// - Parameter x: (B, N, C), overwritten.
    /// - Returns: Nil where libtorch has to do it: gradients are recorded, on a GPU, in half precision, and for
    ///   widths that are no multiples of 16.
    package func callAsFunction(consuming x: Tensor) -> Tensor? {
        guard Self.applies(to: x), x.size(2).isMultiple(of: 16 * headCount),
            [qkv, proj, fc1, fc2].allSatisfy({ $0.isPlain && $0.weight.size(0) % 16 == 0 })
        else { return nil }
        let x = x.contiguous()
        guard let mixed = Self.heads(projected(x), headCount) else { return nil }
        finish(mixed, x)
        return x
    }

    private static func applies(to x: Tensor) -> Bool {
        !gradientsAreRecorded && x.device == .cpu && x.dtype == .float32
            && !autocastIsOn(for: .cpu)
    }

    /// qkv(norm1(x)), (B, N, 3C).
    private func projected(_ x: Tensor) -> Tensor {
        let result = Tensor.empty([x.size(0), x.size(1), qkv.weight.size(0)])
        withNorm(norm1) { norm in
            withPanels(qkv) { linear in
                guard let values = x.start(of: Float.self), let to = result.start(of: Float.self)
                else { return }
                inParallel(
                    0..<Int64(x.size(0) * x.size(1)),
                    scratch: ctf_row_scratch(linear.start.inputs, 0)
                ) {
                    ctf_project(
                        norm.start, linear.start, values.start, $0.lowerBound, $0.upperBound,
                        to.start, $1)
                }
            }
        }
        return result
    }

    /// Adds what follows from what the heads read to x.
    private func finish(_ mixed: Tensor, _ x: Tensor) {
        withPanels(proj) { proj in
            withPanels(fc1) { fc1 in
                withPanels(fc2) { fc2 in
                    withNorm(norm2) { norm in
                        withFloats(scale1, scale2) { scale1, scale2 in
                            guard let mixed = mixed.start(of: Float.self),
                                let to = x.start(of: Float.self)
                            else { return }
                            let rest = Shared(
                                ctf_rest(
                                    proj: proj.start, scale: scale1, norm: norm.start,
                                    fc1: fc1.start, fc2: fc2.start, scale2: scale2))
                            let width = Int64(x.size(2))
                            inParallel(
                                0..<Int64(x.size(0) * x.size(1)),
                                scratch: ctf_row_scratch(width, fc1.start.outputs)
                            ) {
                                ctf_finish(
                                    rest.start, mixed.start, $0.lowerBound, $0.upperBound,
                                    to.start, $1)
                            }
                        }
                    }
                }
            }
        }
    }
}

private func withNorm(_ norm: LayerNorm, _ body: (Shared<ctf_norm>) -> Void) {
    withFloats(norm.weight, norm.bias) { weight, bias in
        guard let weight, let bias else { return }
        body(Shared(ctf_norm(weight: weight, bias: bias, epsilon: norm.epsilon)))
    }
}

/// The layer with its weight in panels, which takes a hundredth of a product's time.
private func withPanels(_ linear: Linear, _ body: (Shared<ctf_linear>) -> Void) {
    let (outputs, inputs) = (linear.weight.size(0), linear.weight.size(1))
    let panels = Tensor.empty([outputs, inputs])
    let weight = linear.weight.contiguous()
    withFloats(weight, linear.bias) { weight, bias in
        guard let weight, let to = panels.start(of: Float.self) else { return }
        let from = Shared(weight)
        inParallel(0..<Int64(outputs / 16)) {
            ctf_pack(from.start, Int64(inputs), $0.lowerBound, $0.upperBound, to.start)
        }
        body(
            Shared(
                ctf_linear(
                    panels: UnsafePointer(to.start), bias: bias, inputs: Int64(inputs),
                    outputs: Int64(outputs))))
    }
    withExtendedLifetime(panels) {}
}
