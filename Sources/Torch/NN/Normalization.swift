/// Normalisation over the last dimension.
public struct LayerNorm {
    public let weight: Tensor
    public let bias: Tensor
    public let epsilon: Double

    public init(_ scope: ParameterScope, width: Int, epsilon: Double = 1e-6) {
        weight = scope.parameter("weight", [width], .ones)
        bias = scope.parameter("bias", [width], .zeros)
        self.epsilon = epsilon
    }

    /// - Parameter x: (…, width)
    public func callAsFunction(_ x: Tensor) -> Tensor {
        layerNorm(x, weight: weight, bias: bias, epsilon: epsilon)
    }
}

/// Normalisation of groups of channels over channels and positions.
public struct GroupNorm {
    public let weight: Tensor
    public let bias: Tensor
    public let groups: Int
    public let epsilon: Double

    public init(_ scope: ParameterScope, channels: Int, groups: Int, epsilon: Double = 1e-6) {
        weight = scope.parameter("weight", [channels], .ones)
        bias = scope.parameter("bias", [channels], .zeros)
        self.groups = groups
        self.epsilon = epsilon
    }

    /// - Parameter x: (B, channels, H, W)
    public func callAsFunction(_ x: Tensor) -> Tensor {
        groupNorm(x, groups: groups, weight: weight, bias: bias, epsilon: epsilon)
    }
}
