/// The network.
package struct ModelSpec: Sendable, Equatable {
    /// What the numbers of `frozen_stages` are (SPEC §4.5).
    package enum FrozenStagesMeaning: String, Sendable, CaseIterable {
        case ids, range
    }

    /// As in the spec: `vit-mae-base/16`.
    package let arch: String
    package let frozenStages: [Int]
    package let frozenStagesMeaning: FrozenStagesMeaning
    package let freezesTokens: Bool
    package let maskHeadConvCount: Int
    package let maskHeadHiddenChannelCount: Int
    package let maskHeadOutChannelCount: Int
    package let teacherMomentum: Double
    package let skipsScaleAdjustment: Bool
    package let maskScaleRatioPre: Int
    package let maskScaleRatio: Double
    package let dropPathRate: Double
    /// Overrides the width that `arch` stands for.
    package let embedDim: Int?
    /// Overrides the number of blocks that `arch` stands for.
    package let depth: Int?
    /// Overrides the number of attention heads that `arch` stands for.
    package let headCount: Int?

    init(_ reader: SpecReader) {
        arch = reader.parsed(
            "arch", default: "vit-mae-base/16", Architecture.values,
            "Backbone: its family, size and patch.", Architecture.name)
        frozenStages = reader.ints(
            "frozen_stages", default: [-1], in: -1...1024, counts: 0...1024, usedBy: [.train],
            "Stages to keep as they are: 0 the patch embedding, i block i-1; -1 none. Without effect on "
                + "a FAN.")
        frozenStagesMeaning = reader.choice(
            "frozen_stages_meaning", default: .ids, ours: true, usedBy: [.train],
            "ids: the listed stages (TAO 6.25); range: one number k is 0 to k, two are first and "
                + "last (older TAO, NVlabs).")
        freezesTokens = reader.flag(
            "freeze_tokens", default: false, ours: true, usedBy: [.train],
            "Keep the class token and the position table too: with the first stages frozen, the "
                + "backward pass ends there.")
        maskHeadConvCount = reader.int(
            "mask_head_num_convs", default: 4, in: 4...16, "Convolutions of the mask head.")
        maskHeadHiddenChannelCount = reader.int(
            "mask_head_hidden_channel", default: 256, in: 1...8192,
            "Channels between the convolutions of the mask head.")
        maskHeadOutChannelCount = reader.int(
            "mask_head_out_channel", default: 256, in: 1...8192,
            "Output channels of the mask head and of the RoI head.")
        teacherMomentum = reader.number(
            "teacher_momentum", default: 0.996, in: 0.0...1, usedBy: [.train],
            "Share of itself that the teacher keeps in a step.")
        skipsScaleAdjustment = reader.flag(
            "not_adjust_scale", default: false,
            "Leave out the size buckets: every object at one scale.")
        maskScaleRatioPre = reader.int(
            "mask_scale_ratio_pre", default: 1, in: 1...8,
            "Enlargement before the mask head. Other than 1 only with not_adjust_scale.")
        maskScaleRatio = reader.number(
            "mask_scale_ratio", default: 2, in: .above(0, through: 8),
            "Enlargement inside the mask head. Other than 2 only with not_adjust_scale.")
        dropPathRate = reader.number(
            "vit_dpr", default: 0, in: 0.0..<1, usedBy: [.train],
            "Drop-path rate of the last block of a ViT.")
        embedDim = reader.optionalInt(
            "embed_dim", in: 1...8192, ours: true, "Width of the backbone instead of arch's.")
        depth = reader.optionalInt(
            "depth", in: 1...256, ours: true, "Number of blocks instead of arch's.")
        headCount = reader.optionalInt(
            "num_heads", in: 1...256, ours: true, "Number of attention heads instead of arch's.")
        if !skipsScaleAdjustment {
            let reason = "unless model.not_adjust_scale is true"
            reader.check(
                maskScaleRatioPre == 1, "mask_scale_ratio_pre", "must be 1 \(reason)",
                found: "\(maskScaleRatioPre)")
            reader.check(
                maskScaleRatio == 2, "mask_scale_ratio", "must be 2 \(reason)",
                found: "\(maskScaleRatio)")
        }
        if let embedDim, let headCount {
            reader.check(
                embedDim % headCount == 0, "embed_dim", "must be a multiple of model.num_heads",
                found: "\(embedDim) with \(headCount) heads", others: ["model.num_heads"])
        }
    }
}

/// The form of an `arch`. Which ones exist, and with which sizes, is the network's knowledge.
private enum Architecture {
    static let values =
        "vit-…-tiny, -small, -base, -large or -huge with /8, /14 or /16, or a fan_… name"

    /// TAO looks for parts of the name, in any order; so do we.
    static func name(_ text: String) -> String? {
        guard text.utf8.count <= 100 else { return nil }
        let sizes = ["tiny", "small", "base", "large", "huge"]
        let hasSize = sizes.contains { text.contains($0) }
        let hasPatch = ["16", "8", "14"].contains { text.contains($0) }
        let isKnown = text.contains("vit") ? hasSize && hasPatch : text.contains("fan") && hasSize
        return isKnown ? text : nil
    }
}
