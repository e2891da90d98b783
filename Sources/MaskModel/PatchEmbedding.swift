import Torch

/// Image (B, 3, H, W) to patch features (B, C, h, w).
///
/// Keys: `proj.{weight,bias}`, or `proj.0…3` for the four-stage stem.
enum PatchEmbedding {
    case convolution(Conv2d)
    case stem(ConvStem)

    init(_ scope: ParameterScope, _ configuration: BackboneConfiguration) {
        switch configuration.layout {
        case .patchConv, .dinov2:
            let patch = configuration.patchSize
            self = .convolution(
                Conv2d(
                    scope / "proj", inputs: 3, outputs: configuration.width, kernel: patch,
                    stride: patch))
        case .convStem:
            self = .stem(ConvStem(scope / "proj", width: configuration.width))
        case .fan: preconditionFailure("a FAN has patch embeddings of its own")
        }
    }

    func callAsFunction(_ image: Tensor) -> Tensor {
        switch self {
        case .convolution(let convolution): convolution(image)
        case .stem(let stem): stem(image)
        }
    }
}

/// Four 3×3 convolutions of stride 2, each with group norm and GELU, then a 1×1 convolution
/// (SPEC §4.3). The stride is 16 whatever the patch size.
struct ConvStem {
    struct Stage {
        let convolution: Conv2d
        let norm: GroupNorm
    }

    let stages: [Stage]
    let projection: Conv2d

    init(_ scope: ParameterScope, width: Int) {
        let widths = [3, width / 8, width / 4, width / 2, width]
        stages = (0..<4).map { index in
            Stage(
                convolution: Conv2d(
                    scope / index / 0, inputs: widths[index], outputs: widths[index + 1],
                    kernel: 3, stride: 2, padding: 1, hasBias: false),
                norm: GroupNorm(scope / index / 1, channels: widths[index + 1], groups: 1))
        }
        projection = Conv2d(scope / 3 / 3, inputs: width, outputs: width, kernel: 1)
    }

    /// - Parameter x: (B, 3, H, W), gives (B, C, H/16, W/16)
    func callAsFunction(_ x: Tensor) -> Tensor {
        projection(stages.reduce(x) { gelu($1.norm($1.convolution($0))) })
    }
}
