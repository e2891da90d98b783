package import Torch

// B batch, N tokens, C channels, h × w patches.

/// A FAN that gives a feature map (SPEC §4.4; Zhou et al. 2022).
///
/// Keys below its scope: `cls_token`, `patch_embed`, `pos_embed`, `blocks.i`, `cls_attn_blocks.i`, `norm`.
package struct FullyAttentionalNetwork {
    package let configuration: BackboneConfiguration
    let clsToken: Tensor
    package let patchEmbed: FANPatchEmbedding
    package let positions: FourierPositions
    package let blocks: [FANBlock]
    package let classBlocks: [ClassAttentionBlock]
    let norm: LayerNorm

    package init(_ scope: ParameterScope, _ configuration: BackboneConfiguration) {
        self.configuration = configuration
        let width = configuration.width
        clsToken = scope.parameter(
            "cls_token", [1, 1, width], .truncatedNormal(standardDeviation: 0.02))
        patchEmbed = FANPatchEmbedding(scope / "patch_embed", configuration)
        positions = FourierPositions(scope / "pos_embed", width: width)
        blocks = (0..<configuration.depth).map { FANBlock(scope / "blocks" / $0, configuration) }
        classBlocks = (0..<2).map {
            ClassAttentionBlock(scope / "cls_attn_blocks" / $0, configuration)
        }
        norm = LayerNorm(scope / "norm", width: width)
    }

    /// The patches as tokens, with their positions: (B, N, C) float32, and h and w.
    package func embedded(
        _ image: Tensor, _ statistics: BatchStatistics
    ) -> (tokens: Tensor, grid: (height: Int, width: Int)) {
        let patches = patchEmbed(image, statistics)  // (B, C, h, w)
        let grid = (height: patches.size(2), width: patches.size(3))
        // float32 from here on under autocast too, as the residual stream of the ViTs.
        let tokens = patches.to(.float32).flattened(from: 2).transposed(1, 2)
        return (tokens + positions(height: grid.height, width: grid.width), grid)
    }

    /// The tokens before the class attention.
    private func blockOutput(_ image: Tensor) -> (tokens: Tensor, grid: (height: Int, width: Int)) {
        let (tokens, grid) = embedded(image, .running)
        return (blocks.reduce(tokens) { $1(consuming: $0, grid: grid, .running) }, grid)
    }

    /// All tokens after the final norm, as in inference: (B, 1 + N, C), class token first.
    package func tokens(_ image: Tensor) -> Tensor { classified(blockOutput(image).tokens) }

    /// All tokens after the final norm, from what the last block gave.
    package func classified(_ tokens: Tensor) -> Tensor {
        let all = Tensor.concatenated(
            [clsToken.expanded(tokens.size(0), -1, -1), tokens], along: 1)
        return norm(classBlocks.reduce(all) { $1($0) })
    }

    /// The feature map (B, C, h, w) of an image (B, 3, H, W), whose sides are multiples of 16.
    ///
    /// The class token is left out: patch tokens never look at it, and nothing reads it.
    package func callAsFunction(_ image: Tensor) -> Tensor {
        let (tokens, grid) = blockOutput(image)
        return map(norm(classBlocks.reduce(tokens) { $1.patches($0) }), grid)
    }

    /// As the map in inference, from what the last block gave, but through all that is trained: the
    /// class token and its attention get gradients of zero, so that AdamW decays them as in TAO.
    func trainedMap(_ tokens: Tensor, _ grid: (height: Int, width: Int)) -> Tensor {
        map(classified(tokens).narrowed(1, from: 1), grid)
    }

    private func map(_ tokens: Tensor, _ grid: (height: Int, width: Int)) -> Tensor {
        tokens.reshaped(tokens.size(0), grid.height, grid.width, configuration.width)
            .permuted(0, 3, 1, 2)
    }
}

/// Image (B, 3, H, W) to patch features (B, C, H/16, W/16). Keys: `proj.{0,2,4,6}.{0,1}`, or `backbone`
/// and `proj`.
package enum FANPatchEmbedding {
    /// Four 3×3 convolutions of stride 2, each with batch norm, GELU between them.
    case convolutions([(convolution: Conv2d, norm: BatchNorm)])
    /// ConvNeXt, then a 2×2 convolution of stride 2.
    case hybrid(ConvNeXtStem, Conv2d)

    init(_ scope: ParameterScope, _ configuration: BackboneConfiguration) {
        let width = configuration.width
        if let last = configuration.stem.last {
            self = .hybrid(
                ConvNeXtStem(scope / "backbone", configuration.stem),
                Conv2d(
                    scope / "proj", inputs: last.width, outputs: width, kernel: 2, stride: 2))
            return
        }
        let widths = [3, width / 8, width / 4, width / 2, width]
        self = .convolutions(
            (0..<4).map { index in
                let scope = scope / "proj" / (2 * index)
                return (
                    Conv2d(
                        scope / 0, inputs: widths[index], outputs: widths[index + 1], kernel: 3,
                        stride: 2, padding: 1, hasBias: false),
                    BatchNorm(scope / 1, channels: widths[index + 1])
                )
            })
    }

    package func callAsFunction(_ image: Tensor, _ statistics: BatchStatistics) -> Tensor {
        switch self {
        case .convolutions(let stages):
            stages.indices.reduce(image) { x, index in
                let x = stages[index].norm(stages[index].convolution(x), statistics)
                return index == stages.count - 1 ? x : gelu(consuming: x)
            }
        case .hybrid(let stem, let projection): projection(stem(image))
        }
    }
}
