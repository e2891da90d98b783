extension BackboneConfiguration {
    public static func tiny(patch: Int = 16, _ layout: Layout = .patchConv) -> Self {
        .init(layout: layout, width: 192, depth: 12, headCount: 3, patchSize: patch)
    }

    public static func small(patch: Int = 16, _ layout: Layout = .patchConv) -> Self {
        .init(layout: layout, width: 384, depth: 12, headCount: 6, patchSize: patch)
    }

    public static func base(patch: Int = 16, _ layout: Layout = .patchConv) -> Self {
        .init(layout: layout, width: 768, depth: 12, headCount: 12, patchSize: patch)
    }

    public static func large(patch: Int = 16, _ layout: Layout = .patchConv) -> Self {
        .init(layout: layout, width: 1024, depth: 24, headCount: 16, patchSize: patch)
    }

    public static func huge(patch: Int = 14, _ layout: Layout = .patchConv) -> Self {
        .init(layout: layout, width: 1280, depth: 32, headCount: 16, patchSize: patch)
    }

    /// The configuration of an architecture's name (`model.arch`), by the substrings TAO looks for
    /// (SPEC §4.1; tiny and huge, which fail there, work here).
    ///
    /// - Parameters:
    ///   - arch: such as `vit-mae-base/16` or `vit-dinov2-small/14`.
    ///   - layout: the family when the name does not say, which is known from a checkpoint's keys
    ///     (``layout(of:)``); a name with `dinov2` is that family.
    ///   - embedDim, depth, headCount: override the name's numbers.
    public init(
        arch: String, layout: Layout = .patchConv, embedDim: Int? = nil, depth: Int? = nil,
        headCount: Int? = nil
    ) throws(MaskModelError) {
        if arch.contains("fan") {
            throw .unknownArchitecture(
                arch, reason: "FAN backbones are not there yet; use a ViT such as vit-mae-base/16")
        }
        guard arch.contains("vit") else {
            throw .unknownArchitecture(arch, reason: "expected a name that contains vit")
        }
        guard let patch = [16, 8, 14].first(where: { arch.contains(String($0)) }) else {
            throw .unknownArchitecture(arch, reason: "expected a patch size of 16, 8 or 14 in it")
        }
        let layout = arch.contains("dinov2") ? .dinov2 : layout
        let variants: [(String, (Int, Layout) -> Self)] = [
            ("tiny", Self.tiny), ("small", Self.small), ("base", Self.base),
            ("large", Self.large), ("huge", Self.huge),
        ]
        guard let variant = variants.first(where: { arch.contains($0.0) }) else {
            throw .unknownArchitecture(
                arch, reason: "expected tiny, small, base, large or huge in it")
        }
        if layout == .dinov2 && !["small", "base", "large"].contains(variant.0) {
            throw .unknownArchitecture(arch, reason: "DINOv2 comes as small, base and large")
        }
        self = variant.1(patch, layout)
        width = embedDim ?? width
        self.depth = depth ?? self.depth
        self.headCount = headCount ?? self.headCount
        try validate()
    }

    /// The family whose checkpoints have such keys (without the prefix `backbone.`), or nil when no
    /// key tells.
    public static func layout(of keys: some Sequence<String>) -> Layout? {
        var hasPatchConv = false
        for key in keys {
            if key.hasPrefix("patch_embed.proj.0.0.") { return .convStem }
            if key == "blocks.0.ls1.gamma" { return .dinov2 }
            if key == "patch_embed.proj.weight" { hasPatchConv = true }
        }
        return hasPatchConv ? .patchConv : nil
    }
}
