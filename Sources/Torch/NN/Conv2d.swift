/// A convolution of (B, C, H, W) with a square kernel.
package struct Conv2d {
    /// (outputs, inputs / groups, kernel, kernel)
    package var weight: Tensor { isHalved ? stored.to(.float32) : stored }
    package let bias: Tensor?
    package let stride: Int
    package let padding: Int
    package let groups: Int
    private let stored: Tensor
    /// Whether the weight is kept in float16 and used in float32.
    private let isHalved: Bool

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
    }

    /// - Parameter x: (B, inputs, H, W)
    package func callAsFunction(_ x: Tensor) -> Tensor {
        conv2d(
            x, weight: weight, bias: bias, stride: stride, padding: padding, groups: groups)
    }
}
