/// y = x·wᵀ + b over the last dimension.
package struct Linear {
    package let weight: Tensor
    package let bias: Tensor?

    /// How a fresh layer is filled.
    package enum Initialization: Sendable {
        /// Truncated normal with deviation 0.02, zero bias (timm's transformers).
        case transformer
        /// Even in ±1/√inputs (PyTorch's default).
        case uniform
    }

    package init(
        _ scope: ParameterScope, inputs: Int, outputs: Int, hasBias: Bool = true,
        _ initialization: Initialization = .transformer
    ) {
        let (forWeight, forBias): (Initializer, Initializer) =
            switch initialization {
            case .transformer: (.truncatedNormal(standardDeviation: 0.02), .zeros)
            case .uniform: (.uniform(inputs: inputs), .uniform(inputs: inputs))
            }
        weight = scope.parameter("weight", [outputs, inputs], forWeight, isFactor: true)
        bias = hasBias ? scope.parameter("bias", [outputs], forBias, isFactor: true) : nil
    }

    /// - Parameter x: (…, inputs)
    package func callAsFunction(_ x: Tensor) -> Tensor { linear(x, weight: weight, bias: bias) }
}
