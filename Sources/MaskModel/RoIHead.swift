package import Torch

/// The key head: a vector per object from its mean feature (SPEC §5). Keys: `mlp1`, `mlp2`.
package struct RoIHead {
    let mlp1: Linear
    let mlp2: Linear

    package init(_ scope: ParameterScope, inputs: Int, outputs: Int) {
        mlp1 = Linear(scope / "mlp1", inputs: inputs, outputs: outputs, .uniform)
        mlp2 = Linear(scope / "mlp2", inputs: outputs, outputs: outputs, .uniform)
    }

    /// - Parameter features: (B, C, h, w); gives (B, outputs).
    package func callAsFunction(_ features: Tensor) -> Tensor {
        mlp2(relu(mlp1(features.mean(2, 3))))
    }
}
