/// Normalisation over the last dimension.
package struct LayerNorm {
    package let weight: Tensor
    package let bias: Tensor
    package let epsilon: Double

    package init(_ scope: ParameterScope, width: Int, epsilon: Double = 1e-6) {
        weight = scope.parameter("weight", [width], .ones)
        bias = scope.parameter("bias", [width], .zeros)
        self.epsilon = epsilon
    }

    /// - Parameter x: (…, width)
    package func callAsFunction(_ x: Tensor) -> Tensor {
        layerNorm(x, weight: weight, bias: bias, epsilon: epsilon)
    }
}

/// Normalisation of groups of channels over channels and positions.
package struct GroupNorm {
    package let weight: Tensor
    package let bias: Tensor
    package let groups: Int
    package let epsilon: Double

    package init(_ scope: ParameterScope, channels: Int, groups: Int, epsilon: Double = 1e-6) {
        weight = scope.parameter("weight", [channels], .ones)
        bias = scope.parameter("bias", [channels], .zeros)
        self.groups = groups
        self.epsilon = epsilon
    }

    /// - Parameter x: (B, channels, H, W)
    package func callAsFunction(_ x: Tensor) -> Tensor {
        groupNorm(x, groups: groups, weight: weight, bias: bias, epsilon: epsilon)
    }
}
