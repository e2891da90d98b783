extension BackboneConfiguration {
    package static func tiny(patch: Int = 16, _ layout: Layout = .patchConv) -> Self {
        .init(layout: layout, width: 192, depth: 12, headCount: 3, patchSize: patch)
    }

    package static func small(patch: Int = 16, _ layout: Layout = .patchConv) -> Self {
        .init(layout: layout, width: 384, depth: 12, headCount: 6, patchSize: patch)
    }

    package static func base(patch: Int = 16, _ layout: Layout = .patchConv) -> Self {
        .init(layout: layout, width: 768, depth: 12, headCount: 12, patchSize: patch)
    }

    package static func large(patch: Int = 16, _ layout: Layout = .patchConv) -> Self {
        .init(layout: layout, width: 1024, depth: 24, headCount: 16, patchSize: patch)
    }

    package static func huge(patch: Int = 14, _ layout: Layout = .patchConv) -> Self {
        .init(layout: layout, width: 1280, depth: 32, headCount: 16, patchSize: patch)
    }

    /// The configuration of an architecture's name (`model.arch`), by the substrings TAO looks for
    /// (SPEC §4.1; tiny, huge and FAN, which fail there, work here).
    ///
    /// - Parameters:
    ///   - arch: such as `vit-mae-base/16`, `vit-dinov2-small/14` or `fan_small_12_p4_hybrid`.
    ///   - layout: the family of a ViT when the name does not say, which is known from a checkpoint's
    ///     keys (``CheckpointArchitecture``); a name with `dinov2` is that family.
    ///   - embedDim, depth, headCount: override the name's numbers.
    package init(
        arch: String, layout: Layout = .patchConv, embedDim: Int? = nil, depth: Int? = nil,
        headCount: Int? = nil
    ) throws(MaskModelError) {
        self =
            try arch.contains("fan")
            ? Self.fan(arch) : Self.transformer(arch, layout: layout)
        width = embedDim ?? width
        self.depth = depth ?? self.depth
        self.headCount = headCount ?? self.headCount
        try validate()
    }

    /// The sizes that DINOv2 comes in.
    static let dinov2Sizes = ["small", "base", "large"]

    private static func transformer(
        _ arch: String, layout: Layout
    ) throws(MaskModelError) -> Self {
        guard arch.contains("vit") else {
            throw .unknownArchitecture(arch, reason: "expected a name that contains vit or fan")
        }
        guard let patch = [16, 8, 14].first(where: { arch.contains(String($0)) }) else {
            throw .unknownArchitecture(arch, reason: "expected a patch size of 16, 8 or 14 in it")
        }
        // Weights of a FAN beside the name of a ViT are refused where both are known.
        let layout = arch.contains("dinov2") ? .dinov2 : layout == .fan ? .patchConv : layout
        let variants: [(String, (Int, Layout) -> Self)] = [
            ("tiny", Self.tiny), ("small", Self.small), ("base", Self.base),
            ("large", Self.large), ("huge", Self.huge),
        ]
        guard let variant = variants.first(where: { arch.contains($0.0) }) else {
            throw .unknownArchitecture(
                arch, reason: "expected tiny, small, base, large or huge in it")
        }
        if layout == .dinov2 && !dinov2Sizes.contains(variant.0) {
            throw .unknownArchitecture(
                arch,
                reason: "the weights are those of a DINOv2, which model.arch calls "
                    + dinov2Sizes.map { "vit-dinov2-\($0)/14" }.joined(separator: ", "))
        }
        return variant.1(patch, layout)
    }
}
