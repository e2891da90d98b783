/// The numbers that make a backbone.
package struct BackboneConfiguration: Equatable, Sendable {
    /// The published families of checkpoints, which share blocks but not their two ends.
    package enum Layout: String, Equatable, Sendable, CaseIterable {
        /// timm's transformer, as in TAO 6.25: one patch convolution (SPEC §4.2).
        case patchConv = "patch-conv"
        /// The four-stage stem of older TAO and the paper's code (SPEC §4.3).
        case convStem = "conv-stem"
        /// DINOv2: patch convolution, layer scale, a 37 × 37 position table.
        case dinov2
        /// Fully attentional networks: attention over channels too, batch norm (SPEC §4.4).
        case fan
    }

    /// Blocks at one resolution of a ConvNeXt.
    package struct ConvNeXtStage: Equatable, Sendable {
        package var width: Int
        package var depth: Int

        package init(width: Int, depth: Int) {
            self.width = width
            self.depth = depth
        }
    }

    package var layout: Layout
    /// Channels of a token (`model.embed_dim`).
    package var width: Int
    /// Blocks (`model.depth`).
    package var depth: Int
    /// Attention heads (`model.num_heads`).
    package var headCount: Int
    /// The patch size in the architecture's name: the side of the patch convolution and, except for
    /// DINOv2, what sets the size of the position table. Of a FAN, 16.
    package var patchSize: Int
    /// A hybrid FAN's two stages before the blocks; empty for all others.
    package var stem: [ConvNeXtStage]

    package init(
        layout: Layout, width: Int, depth: Int, headCount: Int, patchSize: Int,
        stem: [ConvNeXtStage] = []
    ) {
        self.layout = layout
        self.width = width
        self.depth = depth
        self.headCount = headCount
        self.patchSize = patchSize
        self.stem = stem
    }

    /// Pixels between neighbouring tokens. The four-stage stem always has 16, and so have FANs.
    package var tokenStride: Int {
        switch layout {
        case .convStem, .fan: 16
        case .patchConv, .dinov2: patchSize
        }
    }

    /// The side of the position table's grid.
    package var tableSide: Int { layout == .dinov2 ? 37 : 224 / patchSize }

    /// Hidden channels of a block's MLP.
    package var hiddenWidth: Int { 4 * width }

    /// Throws ``MaskModelError/invalidSize(_:_:rule:)`` when the numbers make no network.
    package func validate() throws(MaskModelError) {
        guard (8...8192).contains(width) else {
            throw .invalidSize("embed_dim", width, rule: "from 8 to 8192")
        }
        guard (1...256).contains(depth) else {
            throw .invalidSize("depth", depth, rule: "from 1 to 256")
        }
        guard headCount >= 1, width.isMultiple(of: headCount) else {
            throw .invalidSize("num_heads", headCount, rule: "a divisor of embed_dim \(width)")
        }
        let hasHalvings = layout == .convStem || layout == .fan && stem.isEmpty
        guard !hasHalvings || width.isMultiple(of: 8) else {
            throw .invalidSize("embed_dim", width, rule: "a multiple of 8 for this stem")
        }
        guard stem.isEmpty || layout == .fan && stem.count == 2 else {
            throw .invalidSize("stages of the stem", stem.count, rule: "2, of a FAN")
        }
        for stage in stem {
            guard (2...8192).contains(stage.width) else {
                throw .invalidSize("width of the stem", stage.width, rule: "from 2 to 8192")
            }
            guard (1...256).contains(stage.depth) else {
                throw .invalidSize("depth of the stem", stage.depth, rule: "from 1 to 256")
            }
        }
        guard (1...224).contains(patchSize) else {
            throw .invalidSize("patch size", patchSize, rule: "from 1 to 224")
        }
    }
}
