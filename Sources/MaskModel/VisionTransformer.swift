package import Torch

// B batch, N tokens, C channels, D width of an attention head, h × w patches.

/// Multi-head self-attention. Keys: `qkv`, `proj`; rows of `qkv` are q of all heads, k, v.
package struct Attention {
    let qkv: Linear
    let proj: Linear
    let headCount: Int

    init(_ scope: ParameterScope, width: Int, headCount: Int) {
        qkv = Linear(scope / "qkv", inputs: width, outputs: 3 * width)
        proj = Linear(scope / "proj", inputs: width, outputs: width)
        self.headCount = headCount
    }

    /// - Parameter x: (B, N, C)
    func callAsFunction(_ x: Tensor) -> Tensor { proj(Self.heads(qkv(x), headCount)) }

    /// What the heads read, side by side, (B, N, C) from qkv (B, N, 3C).
    static func heads(_ qkv: Tensor, _ headCount: Int) -> Tensor {
        // Unbound at once, whose backward pass is one copy; three selections would fill and add three.
        let parts = qkv.reshaped(qkv.size(0), qkv.size(1), 3, headCount, -1)
            .permuted(2, 0, 3, 1, 4)  // (3, B, heads, N, D)
            .unbound(0)
        return joinedHeads(attention(parts[0], parts[1], parts[2]))
    }
}

/// Keys: `fc1`, `fc2`.
struct MLP {
    let fc1: Linear
    let fc2: Linear

    init(_ scope: ParameterScope, width: Int, hidden: Int) {
        fc1 = Linear(scope / "fc1", inputs: width, outputs: hidden)
        fc2 = Linear(scope / "fc2", inputs: hidden, outputs: width)
    }

    /// - Parameter x: (B, N, C)
    func callAsFunction(_ x: Tensor) -> Tensor { fc2(gelu(consuming: fc1(x))) }
}

/// A learned factor per channel on a residual branch (Touvron et al. 2021). Key: `gamma`.
struct LayerScale {
    let gamma: Tensor

    init(_ scope: ParameterScope, width: Int) {
        gamma = scope.parameter("gamma", [width], .constant(1e-5))
    }

    func callAsFunction(_ x: Tensor) -> Tensor { product(consuming: x, gamma) }
}

/// Pre-norm transformer block. Keys: `norm1`, `attn`, `ls1`, `norm2`, `mlp`, `ls2`; the layer scales
/// exist in DINOv2 only.
package struct TransformerBlock {
    let norm1: LayerNorm
    let attn: Attention
    let ls1: LayerScale?
    let norm2: LayerNorm
    let mlp: MLP
    let ls2: LayerScale?

    init(_ scope: ParameterScope, _ configuration: BackboneConfiguration) {
        let width = configuration.width
        let hasScale = configuration.layout == .dinov2
        norm1 = LayerNorm(scope / "norm1", width: width)
        attn = Attention(scope / "attn", width: width, headCount: configuration.headCount)
        ls1 = hasScale ? LayerScale(scope / "ls1", width: width) : nil
        norm2 = LayerNorm(scope / "norm2", width: width)
        mlp = MLP(scope / "mlp", width: width, hidden: configuration.hiddenWidth)
        ls2 = hasScale ? LayerScale(scope / "ls2", width: width) : nil
    }

    /// - Parameter x: (B, N, C); overwritten when no gradient is recorded.
    package func callAsFunction(consuming x: Tensor) -> Tensor {
        int8(consuming: x) ?? fused(consuming: x)
            ?? self(consuming: x, BranchFactors(attention: nil, mlp: nil))
    }

    /// By libtorch's operators, with a gradient or without: the same bits.
    ///
    /// - Parameter factors: what drop path multiplies each branch by.
    func callAsFunction(consuming x: Tensor, _ factors: BranchFactors) -> Tensor {
        var attended = attn(norm1(x))
        attended = ls1?(attended) ?? attended
        if let factor = factors.attention { attended = attended * factor }
        let x = sum(consuming: x, attended)
        var changed = mlp(norm2(x))
        changed = ls2?(changed) ?? changed
        if let factor = factors.mlp { changed = changed * factor }
        return sum(consuming: x, changed)
    }

    /// The block in one piece; nil where libtorch has to do it.
    private func fused(consuming x: Tensor) -> Tensor? {
        FusedBlock(
            norm1: norm1, qkv: attn.qkv, headCount: attn.headCount, proj: attn.proj,
            scale1: ls1?.gamma, norm2: norm2, fc1: mlp.fc1, fc2: mlp.fc2, scale2: ls2?.gamma
        )(consuming: x)
    }

    /// The block of a network in int8, whose norms, GELU and sums are one with what is before and after its
    /// products; nil for any other.
    private func int8(consuming x: Tensor) -> Tensor? {
        guard let qkv = attn.qkv.int8, let proj = attn.proj.int8, let fc1 = mlp.fc1.int8,
            let fc2 = mlp.fc2.int8
        else { return nil }
        let read = qkv(ByteRows(x, normalizedBy: norm1))
        let mixed =
            FusedBlock.heads(read, attn.headCount) ?? Attention.heads(read, attn.headCount)
        let x = proj.add(ByteRows(mixed), times: ls1?.gamma, consuming: x)
        return fc2.add(
            fc1.gelu(ByteRows(x, normalizedBy: norm2)), times: ls2?.gamma, consuming: x)
    }
}

/// A plain vision transformer that gives a feature map (SPEC §4.2, §4.3; Dosovitskiy et al. 2021).
///
/// Keys below its scope: `cls_token`, `pos_embed`, `patch_embed`, `blocks.i`, `norm`.
package struct VisionTransformer {
    package let configuration: BackboneConfiguration
    let clsToken: Tensor
    package let positions: PositionEmbedding
    let patchEmbed: PatchEmbedding
    package let blocks: [TransformerBlock]
    let norm: LayerNorm

    package init(_ scope: ParameterScope, _ configuration: BackboneConfiguration) {
        self.configuration = configuration
        let width = configuration.width
        clsToken = scope.parameter("cls_token", [1, 1, width], .normal(standardDeviation: 1e-6))
        positions = PositionEmbedding(scope, configuration)
        patchEmbed = PatchEmbedding(scope / "patch_embed", configuration)
        blocks = (0..<configuration.depth).map {
            TransformerBlock(scope / "blocks" / $0, configuration)
        }
        norm = LayerNorm(scope / "norm", width: width)
    }

    /// Patch features before tokens are made of them: (B, C, h, w).
    package func patches(_ image: Tensor) -> Tensor { patchEmbed(image) }

    /// The tokens the first block sees, class token first: (B, 1 + h·w, C).
    package func embedded(_ patches: Tensor) -> Tensor {
        let (height, width) = (patches.size(2), patches.size(3))
        // Under autocast the patches are half precision; joining promotes them, so that the
        // residual stream stays float32.
        let tokens = Tensor.concatenated(
            [
                clsToken.expanded(patches.size(0), -1, -1),
                patches.flattened(from: 2).transposed(1, 2),  // (B, h·w, C)
            ], along: 1)
        return sum(consuming: tokens, positions(height: height, width: width))
    }

    /// All tokens after the final norm: (B, 1 + h·w, C).
    package func tokens(_ image: Tensor) -> Tensor {
        norm(blockOutput(image))
    }

    private func blockOutput(_ image: Tensor) -> Tensor {
        blocks.reduce(embedded(patches(image))) { $1(consuming: $0) }
    }

    /// As ``Backbone/callAsFunction(_:)``.
    package func callAsFunction(_ image: Tensor) -> Tensor {
        featureMap(blockOutput(image), of: image)
    }

    /// The feature map of what the last block gave for `image`.
    func featureMap(_ tokens: Tensor, of image: Tensor) -> Tensor {
        let stride = configuration.tokenStride
        let (height, width) = (image.size(2) / stride, image.size(3) / stride)
        precondition(
            height * stride == image.size(2) && width * stride == image.size(3),
            "an image of \(image.shape) for tokens every \(stride) pixels")
        return norm(tokens).narrowed(1, from: 1)  // (B, h·w, C)
            .reshaped(image.size(0), height, width, configuration.width)
            .permuted(0, 3, 1, 2)
    }
}
