/// The sizes of a backbone as the shapes in a checkpoint show them.
package struct CheckpointArchitecture: Sendable, Equatable {
    /// Which tells the generations of checkpoints apart.
    package let layout: BackboneConfiguration.Layout
    package let embedDim: Int
    /// Number of blocks.
    package let depth: Int
    /// Side of a patch in pixels. For a ConvStem, whose stride is always 16, the patch of its name,
    /// which sets only the position table. Of a FAN, 16.
    package let patchSize: Int?
    /// Side of the position table in tokens.
    package let positionGrid: Int?
    /// A hybrid FAN's ConvNeXt stages; empty for all others.
    package let stem: [BackboneConfiguration.ConvNeXtStage]
    /// Attention heads where a parameter has their number, which only FANs have.
    private let countedHeads: Int?

    /// Width, blocks and heads of the published sizes (SPEC §4.1).
    static let variants: [(name: String, embedDim: Int, depth: Int, headCount: Int)] = [
        ("tiny", 192, 12, 3), ("small", 384, 12, 6), ("base", 768, 12, 12),
        ("large", 1024, 24, 16), ("huge", 1280, 32, 16),
    ]

    /// Attention heads: a FAN's own, else those of the published variant with this width and depth. In a
    /// ViT's shapes they leave no trace, so other sizes must say theirs.
    package var headCount: Int? { layout == .fan ? countedHeads : variant?.headCount }

    private var variant: (name: String, embedDim: Int, depth: Int, headCount: Int)? {
        Self.variants.first { $0.embedDim == embedDim && $0.depth == depth }
    }

    /// The `model.arch` that fits, as TAO writes it where it has one.
    package var archName: String? {
        if layout == .fan {
            let found = configuration(headCount: countedHeads ?? 0)
            return BackboneConfiguration.fanVariants.first { $0.configuration == found }?.name
        }
        guard let variant, let patchSize,
            layout != .dinov2 || BackboneConfiguration.dinov2Sizes.contains(variant.name)
        else { return nil }
        return switch (layout, variant.name) {
        case (.dinov2, let name): "vit-dinov2-\(name)/\(patchSize)"
        case (_, "tiny"), (_, "small"): "vit-deit-\(variant.name)/\(patchSize)"
        default: "vit-mae-\(variant.name)/\(patchSize)"
        }
    }

    /// The backbone to build for these parameters; nil where the patch is not known.
    package func configuration(headCount: Int) -> BackboneConfiguration? {
        patchSize.map {
            BackboneConfiguration(
                layout: layout, width: embedDim, depth: depth, headCount: headCount,
                patchSize: $0, stem: stem)
        }
    }

    /// The sizes in a few words.
    package var summary: String {
        let kind =
            switch layout {
            case .patchConv: "ViT"
            case .convStem: "ViT with ConvStem"
            case .dinov2: "DINOv2 ViT"
            case .fan: stem.isEmpty ? "FAN" : "FAN with ConvNeXt stem"
            }
        let patch = layout == .fan ? "" : patchSize.map { ", patch \($0)" } ?? ""
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
        stem = layout == .fan ? Self.stem(shapes) : []
        countedHeads = layout == .fan ? shapes["blocks.0.mlp.temperature"]?.first : nil
        positionGrid = shapes["pos_embed"].flatMap(Self.grid)
        switch layout {
        case .patchConv, .dinov2:
            let shape = shapes["patch_embed.proj.weight"] ?? []
            patchSize = shape.count == 4 && shape[2] == shape[3] && shape[2] > 0 ? shape[2] : nil
        case .convStem:
            patchSize = [14: 16, 28: 8, 16: 14][positionGrid ?? 0]
        case .fan: patchSize = 16
        }
    }

    /// A FAN's ConvNeXt stages: as many as have a block, and of each as many blocks.
    private static func stem(
        _ shapes: [String: [Int]]
    ) -> [BackboneConfiguration.ConvNeXtStage] {
        var stages: [BackboneConfiguration.ConvNeXtStage] = []
        while true {
            let blocks = "patch_embed.backbone.stages.\(stages.count).blocks."
            guard let width = shapes[blocks + "0.gamma"]?.first else { return stages }
            var depth = 1
            while shapes[blocks + "\(depth).gamma"] != nil { depth += 1 }
            stages.append(.init(width: width, depth: depth))
        }
    }

    /// The side of a square position table [1, side² + 1, C].
    private static func grid(_ shape: [Int]) -> Int? {
        guard shape.count == 3, shape[1] > 1 else { return nil }
        let side = Int(Double(shape[1] - 1).squareRoot())
        return side * side == shape[1] - 1 ? side : nil
    }
}
