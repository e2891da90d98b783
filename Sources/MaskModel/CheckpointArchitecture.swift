/// The sizes of a backbone as the shapes in a checkpoint show them.
public struct CheckpointArchitecture: Sendable, Equatable {
    /// How patches become tokens, which tells the generations of checkpoints apart: the layouts of
    /// ``BackboneConfiguration``, by the same names, and FAN, which is only recognised.
    public enum Layout: String, Sendable {
        /// One convolution over each patch (timm, MAE, TAO 6.25).
        case patchConv = "patch-conv"
        /// Four strided convolutions (TAO up to 6.0, NVlabs).
        case convStem = "conv-stem"
        /// One convolution, and a learned scale after each attention and MLP (DINOv2).
        case dinov2
        /// Fully attentional networks.
        case fan
    }

    public let layout: Layout
    public let embedDim: Int
    /// Number of blocks.
    public let depth: Int
    /// Side of a patch in pixels. For a ConvStem, whose stride is always 16, the patch of its name,
    /// which sets only the position table.
    public let patchSize: Int?
    /// Side of the position table in tokens.
    public let positionGrid: Int?
    /// FAN only: whether the stem is a ConvNeXt.
    let isHybrid: Bool

    /// Width, blocks and heads of the published sizes (SPEC §4.1).
    static let variants: [(name: String, embedDim: Int, depth: Int, headCount: Int)] = [
        ("tiny", 192, 12, 3), ("small", 384, 12, 6), ("base", 768, 12, 12),
        ("large", 1024, 24, 16), ("huge", 1280, 32, 16),
    ]
    private static let fanVariants: [(name: String, embedDim: Int, depth: Int, isHybrid: Bool)] = [
        ("fan_tiny_12_p16_224", 192, 12, false), ("fan_small_12_p16_224", 384, 12, false),
        ("fan_base_18_p16_224", 448, 18, false), ("fan_large_24_p16_224", 480, 24, false),
        ("fan_tiny_8_p4_hybrid", 192, 8, true), ("fan_small_12_p4_hybrid", 384, 10, true),
        ("fan_base_16_p4_hybrid", 448, 16, true), ("fan_large_16_p4_hybrid", 480, 22, true),
    ]

    /// Attention heads of the published variant with this width and depth. They leave no trace in
    /// the shapes, so other sizes must say theirs.
    public var headCount: Int? {
        guard layout != .fan else { return nil }
        return variant?.headCount
    }

    private var variant: (name: String, embedDim: Int, depth: Int, headCount: Int)? {
        Self.variants.first { $0.embedDim == embedDim && $0.depth == depth }
    }

    /// The `model.arch` that fits, as TAO writes it where it has one.
    public var archName: String? {
        if layout == .fan {
            return Self.fanVariants.first {
                ($0.embedDim, $0.depth, $0.isHybrid) == (embedDim, depth, isHybrid)
            }?.name
        }
        guard let variant, let patchSize else { return nil }
        return switch (layout, variant.name) {
        case (.dinov2, let name): "vit-dinov2-\(name)/\(patchSize)"
        case (_, "tiny"), (_, "small"): "vit-deit-\(variant.name)/\(patchSize)"
        default: "vit-mae-\(variant.name)/\(patchSize)"
        }
    }

    /// The backbone to build for these parameters; nil for FAN, and where the patch is not known.
    public func configuration(headCount: Int) -> BackboneConfiguration? {
        guard let layout = BackboneConfiguration.Layout(rawValue: layout.rawValue), let patchSize
        else { return nil }
        return BackboneConfiguration(
            layout: layout, width: embedDim, depth: depth, headCount: headCount,
            patchSize: patchSize)
    }

    /// The sizes in a few words.
    public var summary: String {
        let kind =
            switch layout {
            case .patchConv: "ViT"
            case .convStem: "ViT with ConvStem"
            case .dinov2: "DINOv2 ViT"
            case .fan: "FAN"
            }
        let patch = patchSize.map { ", patch \($0)" } ?? ""
        let name = archName.map { "\($0): " } ?? ""
        return "\(name)\(kind), width \(embedDim), \(depth) blocks\(patch)"
    }

    /// Reads the sizes off the shapes of a backbone's parameters (our names, without prefix). Nil
    /// when they are not those of a backbone that is known.
    init?(shapes: [String: [Int]]) {
        let names = shapes.keys
        if names.contains(where: {
            $0.hasPrefix("cls_attn_blocks.") || $0.hasPrefix("patch_embed.backbone.")
                || $0.contains(".mlp.mlp_v.")
        }) {
            layout = .fan
        } else if shapes["patch_embed.proj.0.0.weight"] != nil {
            layout = .convStem
        } else if shapes["patch_embed.proj.weight"] != nil {
            layout = shapes["blocks.0.ls1.gamma"] == nil ? .patchConv : .dinov2
        } else {
            return nil
        }
        guard let embedDim = shapes["cls_token"]?.last ?? shapes["norm.weight"]?.last,
            embedDim > 0
        else { return nil }
        self.embedDim = embedDim
        var depth = 0
        while shapes["blocks.\(depth).norm1.weight"] != nil { depth += 1 }
        self.depth = depth
        isHybrid = names.contains { $0.hasPrefix("patch_embed.backbone.") }
        positionGrid = shapes["pos_embed"].flatMap(Self.grid)
        switch layout {
        case .patchConv, .dinov2:
            let shape = shapes["patch_embed.proj.weight"] ?? []
            patchSize = shape.count == 4 && shape[2] == shape[3] && shape[2] > 0 ? shape[2] : nil
        case .convStem:
            patchSize = [14: 16, 28: 8, 16: 14][positionGrid ?? 0]
        case .fan:
            patchSize = nil
        }
    }

    /// The side of a square position table [1, side² + 1, C].
    private static func grid(_ shape: [Int]) -> Int? {
        guard shape.count == 3, shape[1] > 1 else { return nil }
        let side = Int(Double(shape[1] - 1).squareRoot())
        return side * side == shape[1] - 1 ? side : nil
    }
}
