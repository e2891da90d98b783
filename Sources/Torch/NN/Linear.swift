/// y = x·wᵀ + b over the last dimension.
package struct Linear {
    /// (outputs, inputs); where there is ``int8``, only the shape.
    package let weight: Tensor
    package let bias: Tensor?
    /// What stands for the weight in a store that keeps factors as int8.
    package let int8: Int8Weight?
    private let recorded: RecordedPlace?

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
        let weight = scope.parameter("weight", [outputs, inputs], forWeight, isFactor: true)
        let bias = hasBias ? scope.parameter("bias", [outputs], forBias, isFactor: true) : nil
        int8 = scope.store.roundsFactors ? Int8Weight(weight, bias: bias) : nil
        self.weight = int8 == nil ? weight : .placeholder(weight.shape)
        self.bias = bias
        recorded = RecordedPlace(scope)
    }

    /// Whether the layer is its weight and bias in float32 in host memory, and nobody records what goes in.
    var isPlain: Bool {
        int8 == nil && recorded == nil && weight.dtype == .float32 && weight.device == .cpu
            && !weight.isPlaceholder
    }

    /// - Parameter x: (…, inputs)
    package func callAsFunction(_ x: Tensor) -> Tensor {
        recorded?.record(x)
        return int8.map { $0(ByteRows(x)) } ?? linear(x, weight: weight, bias: bias)
    }
}
