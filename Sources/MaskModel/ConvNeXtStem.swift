package import Torch

// B batch, C channels, h × w positions. Maps are (B, h, w, C) here.

/// The two ConvNeXt stages before a hybrid FAN's blocks (SPEC §4.4; Liu et al. 2022). Keys: `stem.{0,1}`,
/// `stages.i.downsample.{0,1}`, `stages.i.blocks.j`.
package struct ConvNeXtStem {
    private struct Stage {
        let downsample: (norm: ChannelNorm, convolution: Conv2d)?
        let blocks: [ConvNeXtBlock]
    }

    private let convolution: Conv2d
    private let norm: ChannelNorm
    private let stages: [Stage]

    init(_ scope: ParameterScope, _ configuration: [BackboneConfiguration.ConvNeXtStage]) {
        let width = configuration[0].width
        convolution = Conv2d(scope / "stem" / 0, inputs: 3, outputs: width, kernel: 4, stride: 4)
        norm = ChannelNorm(scope / "stem" / 1, channels: width, .biased)
        stages = configuration.indices.map { index in
            let (scope, stage) = (scope / "stages" / index, configuration[index])
            let inputs = index == 0 ? nil : configuration[index - 1].width
            return Stage(
                downsample: inputs.map { inputs in
                    (
                        ChannelNorm(scope / "downsample" / 0, channels: inputs, .unbiased),
                        Conv2d(
                            scope / "downsample" / 1, inputs: inputs, outputs: stage.width,
                            kernel: 2, stride: 2)
                    )
                },
                blocks: (0..<stage.depth).map {
                    ConvNeXtBlock(scope / "blocks" / $0, width: stage.width)
                })
        }
    }

    /// - Parameter image: (B, 3, H, W), gives (B, C, H/8, W/8)
    package func callAsFunction(_ image: Tensor) -> Tensor {
        var x = norm(convolution(image).permuted(0, 2, 3, 1))
        for stage in stages {
            if let (norm, convolution) = stage.downsample {
                x = convolution(norm(x).permuted(0, 3, 1, 2)).permuted(0, 2, 3, 1)
            }
            for block in stage.blocks { x = block(x) }
        }
        return x.permuted(0, 3, 1, 2)
    }
}

/// Depthwise convolution, norm and MLP on a residual branch. Keys: `conv_dw`, `norm`, `mlp.{fc1,fc2}`,
/// `gamma`.
private struct ConvNeXtBlock {
    let convolution: Conv2d
    let norm: ChannelNorm
    let fc1: Conv2d
    let fc2: Conv2d
    let gamma: Tensor

    init(_ scope: ParameterScope, width: Int) {
        gamma = scope.parameter("gamma", [width], .constant(1e-6))
        convolution = Conv2d(
            scope / "conv_dw", inputs: width, outputs: width, kernel: 7, padding: 3, groups: width)
        norm = ChannelNorm(scope / "norm", channels: width, .unbiased)
        fc1 = Conv2d(scope / "mlp" / "fc1", inputs: width, outputs: 4 * width, kernel: 1)
        fc2 = Conv2d(scope / "mlp" / "fc2", inputs: 4 * width, outputs: width, kernel: 1)
    }

    /// - Parameter x: (B, h, w, C)
    func callAsFunction(_ x: Tensor) -> Tensor {
        let mixed = norm(convolution(x.permuted(0, 3, 1, 2)).permuted(0, 2, 3, 1))
        let changed = pointwise(gelu(consuming: pointwise(mixed, fc1)), fc2)
        return x + product(consuming: changed, gamma)
    }

    /// A 1×1 convolution, whose positions are rows of one matrix here.
    private func pointwise(_ x: Tensor, _ convolution: Conv2d) -> Tensor {
        linear(x, weight: convolution.weight.flattened(from: 1), bias: convolution.bias)
    }
}

/// Layer norm over channels, in float32.
private struct ChannelNorm {
    /// Published FANs were trained with two: the norm after the first convolution divides by the
    /// biased variance, all others by the unbiased one (SPEC §4.4).
    enum Variance {
        case biased, unbiased
    }

    let weight: Tensor
    let bias: Tensor
    let variance: Variance

    init(_ scope: ParameterScope, channels: Int, _ variance: Variance) {
        weight = scope.parameter("weight", [channels], .ones)
        bias = scope.parameter("bias", [channels], .zeros)
        self.variance = variance
    }

    /// - Parameter x: (…, C)
    func callAsFunction(_ x: Tensor) -> Tensor {
        let x = x.to(.float32)
        switch variance {
        case .biased: return layerNorm(x, weight: weight, bias: bias, epsilon: 1e-6)
        case .unbiased:
            // v·C/(C − 1) + ε = (v + ε·s)/s with s = (C − 1)/C: the fused kernel serves.
            let share = Double(weight.size(0) - 1) / Double(weight.size(0))
            return layerNorm(
                x, weight: weight * share.squareRoot(), bias: bias, epsilon: 1e-6 * share)
        }
    }
}
