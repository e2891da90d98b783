package import Torch

/// The network that makes a feature map of an image.
package enum Backbone {
    case transformer(VisionTransformer)
    case fan(FullyAttentionalNetwork)

    package init(_ scope: ParameterScope, _ configuration: BackboneConfiguration) {
        switch configuration.layout {
        case .patchConv, .convStem, .dinov2:
            self = .transformer(VisionTransformer(scope, configuration))
        case .fan: self = .fan(FullyAttentionalNetwork(scope, configuration))
        }
    }

    /// The feature map (B, C, h, w) of an image (B, 3, H, W), whose sides are multiples of the token
    /// stride. A channels-last view of the tokens.
    package func callAsFunction(_ image: Tensor) -> Tensor {
        switch self {
        case .transformer(let network): network(image)
        case .fan(let network): network(image)
        }
    }

    /// All tokens after the final norm, class token first: (B, 1 + h·w, C).
    package func tokens(_ image: Tensor) -> Tensor {
        switch self {
        case .transformer(let network): network.tokens(image)
        case .fan(let network): network.tokens(image)
        }
    }

    /// The network when it is a ViT.
    package var transformer: VisionTransformer? {
        if case .transformer(let network) = self { network } else { nil }
    }

    /// The network when it is a FAN.
    package var fan: FullyAttentionalNetwork? {
        if case .fan(let network) = self { network } else { nil }
    }
}
