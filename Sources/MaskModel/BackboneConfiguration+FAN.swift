extension BackboneConfiguration {
    /// The published sizes by the names that TAO gives them. The numbers in a name are not always the
    /// numbers of the network (SPEC §4.4).
    static let fanVariants: [(name: String, configuration: Self)] = [
        ("fan_tiny_12_p16_224", .fan(width: 192, depth: 12, headCount: 4)),
        ("fan_small_12_p16_224", .fan(width: 384, depth: 12, headCount: 8)),
        ("fan_base_18_p16_224", .fan(width: 448, depth: 18, headCount: 8)),
        ("fan_large_24_p16_224", .fan(width: 480, depth: 24, headCount: 10)),
        ("fan_tiny_8_p4_hybrid", .fan(width: 192, depth: 8, headCount: 8, stemDepths: [3, 3])),
        ("fan_small_12_p4_hybrid", .fan(width: 384, depth: 10, headCount: 8, stemDepths: [3, 3])),
        ("fan_base_16_p4_hybrid", .fan(width: 448, depth: 16, headCount: 8, stemDepths: [3, 3])),
        ("fan_large_16_p4_hybrid", .fan(width: 480, depth: 22, headCount: 10, stemDepths: [3, 5])),
    ]

    /// - Parameter stemDepths: of a hybrid's two ConvNeXt stages, of width 128 and 256.
    private static func fan(
        width: Int, depth: Int, headCount: Int, stemDepths: [Int] = []
    ) -> Self {
        .init(
            layout: .fan, width: width, depth: depth, headCount: headCount, patchSize: 16,
            stem: zip([128, 256], stemDepths).map { ConvNeXtStage(width: $0, depth: $1) })
    }

    /// The FAN whose name is in `arch`, with or without the `_224` at its end; what else is in it, such
    /// as the training data, changes no size.
    static func fan(_ arch: String) throws(MaskModelError) -> Self {
        let found = fanVariants.first { name, _ in
            arch.contains(name.hasSuffix("_224") ? String(name.dropLast(4)) : name)
        }
        guard let found else {
            throw .unknownArchitecture(
                arch,
                reason: "expected one of " + fanVariants.map(\.name).joined(separator: ", "))
        }
        return found.configuration
    }
}
