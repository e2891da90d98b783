/// A convolution of (B, C, H, W) with a square kernel.
package struct Conv2d {
    /// (outputs, inputs / groups, kernel, kernel)
    package var weight: Tensor { isHalved ? stored.to(.float32) : stored }
    package let bias: Tensor?
    package let stride: Int
    package let padding: Int
    package let groups: Int
    private var stored: Tensor
    /// Whether the weight is kept in float16 and used in float32.
    private var isHalved: Bool
    /// Of the weight, for ``Winograd``.
    private var matrices: Tensor?
    private let recorded: RecordedPlace?

    /// How a fresh layer is filled.
    package enum Initialization: Sendable {
        /// Even in ±1/√inputs (PyTorch's default).
        case uniform
        /// Kaiming normal by outputs, zero bias.
        case kaiming
    }

    package init(
        _ scope: ParameterScope, inputs: Int, outputs: Int, kernel: Int, stride: Int = 1,
        padding: Int = 0, groups: Int = 1, hasBias: Bool = true,
        _ initialization: Initialization = .uniform
    ) {
        precondition(
            inputs.isMultiple(of: groups) && outputs.isMultiple(of: groups),
            "\(groups) groups of \(inputs) and \(outputs) channels")
        let area = kernel * kernel
        let (inputs, sharedOutputs) = (inputs / groups, outputs / groups)
        let (forWeight, forBias): (Initializer, Initializer) =
            switch initialization {
            case .uniform: (.uniform(inputs: inputs * area), .uniform(inputs: inputs * area))
            case .kaiming: (.kaimingNormal(outputs: sharedOutputs * area), .zeros)
            }
        let weight = scope.parameter(
            "weight", [outputs, inputs, kernel, kernel], forWeight, isFactor: true)
        isHalved =
            scope.store.roundsFactors && !weight.isPlaceholder
            && weight.abs().amax().item() <= 65504
        stored = isHalved ? weight.to(.float16) : weight
        bias = hasBias ? scope.parameter("bias", [outputs], forBias, isFactor: true) : nil
        self.stride = stride
        self.padding = padding
        self.groups = groups
        recorded = RecordedPlace(scope)
    }

    /// - Parameter x: (B, inputs, H, W)
    package func callAsFunction(_ x: Tensor) -> Tensor {
        recorded?.record(x.permuted(0, 2, 3, 1))
        return conv2d(
            x, weight: weight, bias: bias, stride: stride, padding: padding, groups: groups)
    }

    /// The same with its weight as it is used, for several calls.
    ///
    /// - Parameter byWinograd: whether these are calls of ``winograd(_:)``.
    package func unpacked(byWinograd: Bool) -> Conv2d {
        var result = self
        (result.stored, result.isHalved) = (weight, false)
        if byWinograd { result.matrices = Winograd.matrices(of: result.stored) }
        return result
    }

    /// By ``Winograd``, with ReLU.
    ///
    /// - Parameter x: (B, H, W, inputs)
    package func winograd(_ x: Tensor) -> Tensor {
        recorded?.record(x)
        return Winograd.convolve(x, weight: weight, matrices: matrices, bias: bias, isReLU: true)
    }
}
