package import Torch

/// What a checkpoint file is: the answer of `mal checkpoint info`.
package struct CheckpointInfo: Sendable {
    /// The keys of a safetensors file's metadata that are ours. Values are texts; counts and sizes
    /// are whole numbers in decimal.
    package enum MetadataKey: String, Sendable, CaseIterable {
        case arch, layout, categories
        case cropSize = "crop_size"
        /// One threshold, or three with commas between: small, medium and large boxes.
        case maskThresholds = "mask_thres"
        case embedDim = "embed_dim"
        case depth
        case headCount = "num_heads"
        case patchSize = "patch_size"
        case maskHeadConvolutionCount = "mask_head_num_convs"
        case maskHeadHiddenChannels = "mask_head_hidden_channel"
        case maskHeadOutChannels = "mask_head_out_channel"
        /// The numbers of a fit, as JSON (docs/confidence.md); `confidence` is what older programs
        /// read, and has fewer features.
        case confidence
        case scoreFit = "score_fit"
        case version = "mal_version"
    }

    package struct Parameter: Sendable, Equatable {
        package let name: String
        package let elementType: StoredTensor.ElementType
        package let shape: [Int]
    }

    package let file: String
    package let format: StoredCheckpoint.Format
    /// Where in the file the parameters lie, `state_dict` for example; empty at the top.
    package let container: [String]
    /// Whose names it uses, in words; nil for names of no known source.
    package let source: String?
    /// Nil when there is no backbone, or none that is known.
    package let architecture: CheckpointArchitecture?
    package let hasBackbone: Bool
    package let hasHeads: Bool
    package let hasTeacher: Bool
    /// Convolutions of the mask head and its channels; nil without heads.
    package let maskHead: MaskHeadSizes?
    /// Everything in the file, with its own names, in its own order.
    package let parameters: [Parameter]
    /// Elements of all floating-point tensors in the file.
    package let parameterCount: Int
    /// The same of the student's network, or of the backbone where there is only one.
    package let studentParameterCount: Int
    package let metadata: [String: String]
    /// Other contents, such as `epoch` and `optimizer_states`.
    package let extras: [StoredCheckpoint.Extra]
    /// Names that no network of ours has, and entries that are no tensors.
    package let ignored: [String]

    package struct MaskHeadSizes: Sendable, Equatable {
        package let inChannels: Int
        package let convolutionCount: Int
        package let hiddenChannels: Int
        package let outChannels: Int

        package init(
            inChannels: Int, convolutionCount: Int, hiddenChannels: Int, outChannels: Int
        ) {
            self.inChannels = inChannels
            self.convolutionCount = convolutionCount
            self.hiddenChannels = hiddenChannels
            self.outChannels = outChannels
        }
    }

    /// A number out of the metadata; nil when absent or not a positive whole number.
    package func number(_ key: MetadataKey) -> Int? {
        metadata[key.rawValue].flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil }
    }

    /// The `model.arch` that the file names or its sizes suggest.
    package var arch: String? { metadata[MetadataKey.arch.rawValue] ?? architecture?.archName }

    /// Attention heads: from the metadata, else those of the published variant of this size.
    package var headCount: Int? { number(.headCount) ?? architecture?.headCount }

    /// The attention heads to build with.
    /// - Parameter override: what `model.num_heads` says.
    /// - Throws: `CheckpointError` that asks for `model.num_heads` when nobody says it.
    package func requiredHeadCount(override: Int? = nil) throws(CheckpointError) -> Int {
        let width = architecture?.embedDim ?? 0
        guard let count = override ?? headCount else {
            throw CheckpointError(
                file: file, kind: .mismatch,
                message: "has width \(width) and \(architecture?.depth ?? 0) blocks, which is "
                    + "none of the published sizes, and does not say its number of attention "
                    + "heads; set model.num_heads")
        }
        guard count > 0, width.isMultiple(of: count) else {
            throw CheckpointError(
                file: file, kind: .mismatch,
                message: "has width \(width), which \(count) attention heads do not divide; "
                    + "set model.num_heads")
        }
        return count
    }

    /// The backbone to build for this file.
    /// - Parameter headCount: what `model.num_heads` says.
    /// - Throws: `CheckpointError` for files without a backbone or with one that cannot be used, and
    ///   when the number of heads is not known.
    package func backboneConfiguration(
        headCount: Int? = nil
    ) throws(CheckpointError) -> BackboneConfiguration {
        let heads = try architecture == nil ? 1 : requiredHeadCount(override: headCount)
        guard let configuration = architecture?.configuration(headCount: heads) else {
            throw CheckpointError(
                file: file, kind: .unsupported,
                message: "has no backbone that can be used; it is: \(what)"
                    + (architecture.map { " (\($0.summary))" } ?? ""))
        }
        do throws(MaskModelError) { try configuration.validate() } catch {
            throw CheckpointError(file: file, kind: .unsupported, message: "\(error)")
        }
        return configuration
    }

    /// The mask head to build for this file; nil without heads.
    package var maskHeadConfiguration: MaskHeadConfiguration? {
        maskHead.map {
            MaskHeadConfiguration(
                convolutionCount: $0.convolutionCount, hiddenChannels: $0.hiddenChannels,
                outputChannels: $0.outChannels)
        }
    }
}

extension CheckpointInfo {
    /// The spec keys with which `mal train` makes a network of this file's sizes.
    package var modelOverrides: [String] {
        // Of sizes that have no name: those follow.
        let family = architecture?.layout == .dinov2 ? "vit-dinov2-base" : "vit-mae-base"
        let numbers: [(String, Int?)] = [
            ("model.embed_dim", architecture?.embedDim), ("model.depth", architecture?.depth),
            ("model.num_heads", headCount),
            ("model.mask_head_num_convs", maskHead?.convolutionCount),
            ("model.mask_head_hidden_channel", maskHead?.hiddenChannels),
            ("model.mask_head_out_channel", maskHead?.outChannels),
            ("dataset.crop_size", number(.cropSize)),
        ]
        return ["model.arch=\(arch ?? "\(family)/\(architecture?.patchSize ?? 16)")"]
            + numbers.compactMap { name, number in number.map { "\(name)=\($0)" } }
    }
}

extension CheckpointInfo: CustomStringConvertible {
    /// Several lines of `name: value`, without the list of parameters.
    package var description: String {
        var lines = ["file: \(file)"]
        let place = container.isEmpty ? "" : " (in \(container.joined(separator: ".")))"
        lines.append("format: \(format.rawValue)\(place)")
        lines.append("what: \(what)")
        if let architecture { lines.append("architecture: \(architecture.summary)") }
        if let headCount { lines.append("attention heads: \(headCount)") }
        if let grid = architecture?.positionGrid {
            lines.append("position table: \(grid) × \(grid)")
        }
        if let maskHead {
            lines.append(
                "mask head: \(maskHead.convolutionCount) convolutions, \(maskHead.hiddenChannels) "
                    + "channels, \(maskHead.outChannels) out")
        }
        let types = Set(parameters.map(\.elementType.rawValue)).sorted()
        lines.append(
            "tensors: \(parameters.count) (\(types.joined(separator: ", "))), \(parameterCount) "
                + "parameters, \(studentParameterCount) in one network")
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            lines.append("metadata \(key.printable): \(value.printable)")
        }
        for extra in extras { lines.append("also \(extra.key): \(extra.summary)") }
        if !ignored.isEmpty {
            let names = ignored.prefix(8).map(\.printable).joined(separator: ", ")
            let more = ignored.count > 8 ? ", … (\(ignored.count))" : ""
            lines.append("not used: \(names)\(more)")
        }
        return lines.joined(separator: "\n")
    }

    /// What the file holds, in one line.
    package var what: String {
        guard let source else { return "tensors with names of no known model" }
        guard hasHeads, hasBackbone else { return source }
        let generation =
            switch architecture?.layout {
            case .convStem: " (TAO up to 6.0 or NVlabs)"
            case .patchConv: " (TAO 6.25 or later, or this program)"
            case .fan: " with a FAN backbone"
            default: ""
            }
        return source + generation + (hasTeacher ? ", student and teacher" : ", student only")
    }
}
