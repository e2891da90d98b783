public import Torch

/// The value head: a vector per pixel from 3×3 convolutions, each with ReLU (SPEC §5). The map is
/// enlarged before the fourth. Keys: `convs.i.conv`.
public struct MaskHead {
    /// The convolution before which the map is enlarged.
    static let enlargedBefore = 3

    let convs: [Conv2d]
    let scaleRatio: Double

    public init(_ scope: ParameterScope, inputs: Int, _ configuration: MaskHeadConfiguration) {
        let count = configuration.convolutionCount
        convs = (0..<count).map { index in
            Conv2d(
                scope / "convs" / index / "conv",
                inputs: index == 0 ? inputs : configuration.hiddenChannels,
                outputs: index == count - 1
                    ? configuration.outputChannels : configuration.hiddenChannels,
                kernel: 3, padding: 1, .kaiming)
        }
        scaleRatio = configuration.scaleRatio
    }

    /// - Parameter features: (B, C, h, w); gives (B, outputs, ratio · h, ratio · w).
    public func callAsFunction(_ features: Tensor) -> Tensor {
        var x = features
        for (index, conv) in convs.enumerated() {
            if index == Self.enlargedBefore { x = resized(x, by: scaleRatio) }
            x = relu(consuming: conv(x))
        }
        return x
    }
}

/// Bilinear resampling of x (B, C, h, w) by a factor; itself when the size stays.
func resized(_ x: Tensor, by factor: Double) -> Tensor {
    resized(x, height: Int(Double(x.size(2)) * factor), width: Int(Double(x.size(3)) * factor))
}

func resized(_ x: Tensor, height: Int, width: Int) -> Tensor {
    x.size(2) == height && x.size(3) == width
        ? x : interpolate(x, height: height, width: width, .bilinear)
}
