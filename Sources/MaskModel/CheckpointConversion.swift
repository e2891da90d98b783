package import Torch

/// Turning checkpoints of any kind that is read into safetensors files of ours, or into TAO's .pth: `mal
/// checkpoint convert IN OUT [--heads FILE] [--dtype fp16|fp32] [--metadata KEY=VALUE]`.
package enum CheckpointConversion {
    /// Writes a checkpoint under our names.
    ///
    /// - A MAL checkpoint becomes `student.*` and, where it has one, `teacher.*`.
    /// - A backbone with `heads`, a file of `roi_head.*` and `mask_head.*`, becomes the `student.*`
    ///   of a MAL checkpoint.
    /// - A backbone alone is written with timm's names, without a prefix.
    ///
    /// What the shapes say (width, blocks, …) is added to the metadata; texts that the inputs carry
    /// are kept, and `metadata` wins over both.
    ///
    /// An output that ends in .pth becomes TAO's (``TAOCheckpoint``), which holds no metadata.
    ///
    /// - Parameters:
    ///   - teacher: a file with the teacher's network, where it has one of its own.
    ///   - elementType: `.float16` or `.float32`; nil keeps what the file has.
    ///   - version: of this program, for the metadata.
    /// - Returns: what was written.
    @discardableResult
    package static func convert(
        _ input: String, teacher: String? = nil, to output: String, heads: String? = nil,
        elementType: StoredTensor.ElementType? = nil, metadata: [String: String] = [:],
        version: String
    ) throws(CheckpointError) -> CheckpointInfo {
        let isForTAO = output.lowercased().hasSuffix(".pth")
        guard isForTAO || output.lowercased().hasSuffix(".safetensors") else {
            throw CheckpointError(
                file: output, kind: .unwritable,
                message: "must end in .safetensors, or in .pth for TAO")
        }
        let source = try MaskCheckpoint(path: input)
        try source.requireKnownBackbone()
        guard source.info.hasBackbone, let architecture = source.info.architecture else {
            throw CheckpointError(
                file: input, kind: .mismatch,
                message: "has no backbone (\(source.info.what)); name the backbone's file first "
                    + "and this one as the heads")
        }
        let added = try heads.map { (path) throws(CheckpointError) in
            try Self.heads(path, for: source)
        }
        let own = try teacher.map { (path) throws(CheckpointError) in
            try MaskCheckpoint(path: path).student
        }
        var tensors = parameters(source, teacher: own ?? source.teacher, heads: added)
        try tensors.requireFinite(file: input)
        if let elementType {
            for index in tensors.indices {
                tensors[index] = try tensors[index].converted(to: elementType, file: input)
            }
        }
        if isForTAO {
            guard added != nil || source.info.hasHeads else {
                throw CheckpointError(
                    file: input, kind: .mismatch,
                    message: "has no heads, which TAO's .pth has; give them with --heads")
            }
            try TAOCheckpoint.write(
                tensors, layout: architecture.layout, width: architecture.embedDim, to: output)
            return try MaskCheckpoint(path: output).info
        }
        var texts = (added?.info.metadata ?? [:]).merging(source.info.metadata) { $1 }
        texts.merge(described(architecture, added?.info ?? source.info, version)) { $1 }
        if let count = source.info.headCount { texts[key: .headCount] = String(count) }
        if let arch = source.info.arch { texts[key: .arch] = arch }
        texts.merge(metadata) { $1 }
        try check(
            texts, given: metadata, architecture, (added ?? source).info.maskHead, file: output)
        try Safetensors.write(tensors, metadata: texts, to: output)
        return try MaskCheckpoint(path: output).info
    }

    private static func heads(
        _ path: String, for backbone: MaskCheckpoint
    ) throws(CheckpointError) -> MaskCheckpoint {
        guard !backbone.info.hasHeads else {
            throw CheckpointError(
                file: backbone.info.file, kind: .mismatch,
                message: "has heads of its own, so none are added from \(path)")
        }
        let heads = try MaskCheckpoint(path: path)
        guard heads.info.hasHeads, let sizes = heads.info.maskHead else {
            throw CheckpointError(
                file: path, kind: .mismatch,
                message: "has no roi_head and mask_head; it is: \(heads.info.what)")
        }
        let width = backbone.info.architecture?.embedDim ?? 0
        guard sizes.inChannels == width else {
            throw CheckpointError(
                file: path, kind: .mismatch,
                message: "its heads take \(sizes.inChannels) channels, the backbone "
                    + "\(backbone.info.file) gives \(width)")
        }
        return heads
    }

    private static func parameters(
        _ source: MaskCheckpoint, teacher: [String: StoredTensor], heads: MaskCheckpoint?
    ) -> [StoredTensor] {
        func isNeeded(_ name: String) -> Bool { !MaskNetwork.isIgnored(name) }
        let student = source.student.filter { isNeeded($0.key) }
        guard heads != nil || source.info.hasHeads else {
            return student.map { $1.renamed($0.dropping(prefix: "backbone.") ?? $0) }
        }
        let added = (heads?.student ?? [:]).filter { !$0.key.hasPrefix("backbone.") }
        return student.map { $1.renamed("student." + $0) }
            + added.map { $1.renamed("student." + $0) }
            + teacher.filter { isNeeded($0.key) }.map { $1.renamed("teacher." + $0) }
    }

    /// The metadata that follows from the shapes.
    private static func described(
        _ architecture: CheckpointArchitecture, _ heads: CheckpointInfo, _ version: String
    ) -> [String: String] {
        var texts: [String: String] = [:]
        texts[key: .layout] = architecture.layout.rawValue
        texts[key: .embedDim] = String(architecture.embedDim)
        texts[key: .depth] = String(architecture.depth)
        texts[key: .patchSize] = architecture.patchSize.map { String($0) }
        texts[key: .maskHeadConvolutionCount] = heads.maskHead.map { String($0.convolutionCount) }
        texts[key: .maskHeadHiddenChannels] = heads.maskHead.map { String($0.hiddenChannels) }
        texts[key: .maskHeadOutChannels] = heads.maskHead.map { String($0.outChannels) }
        texts[key: .version] = version
        return texts
    }

    /// Refuses metadata of ours that cannot be, or contradicts the parameters.
    private static func check(
        _ texts: [String: String], given: [String: String],
        _ architecture: CheckpointArchitecture, _ maskHead: CheckpointInfo.MaskHeadSizes?,
        file: String
    ) throws(CheckpointError) {
        typealias Key = CheckpointInfo.MetadataKey
        func failure(_ key: Key, _ rule: String) -> CheckpointError {
            CheckpointError(
                file: file, kind: given[key: key] == nil ? .unwritable : .metadata,
                message: "metadata \(key.rawValue) \(rule), is \(texts[key: key]?.printable ?? "")")
        }
        let stored: [(key: Key, found: Int?)] = [
            (.cropSize, nil), (.headCount, nil), (.embedDim, architecture.embedDim),
            (.depth, architecture.depth), (.patchSize, architecture.patchSize),
            (.maskHeadConvolutionCount, maskHead?.convolutionCount),
            (.maskHeadHiddenChannels, maskHead?.hiddenChannels),
            (.maskHeadOutChannels, maskHead?.outChannels),
        ]
        for (key, found) in stored {
            guard let text = texts[key: key] else { continue }
            guard let number = Int(text), number > 0 else {
                throw failure(key, "must be a whole number, 1 or more")
            }
            if let found, number != found { throw failure(key, "must be \(found) as stored") }
            if key == .headCount, !architecture.embedDim.isMultiple(of: number) {
                throw failure(key, "must divide the width \(architecture.embedDim)")
            }
            let step = architecture.layout == .convStem ? 16 : architecture.patchSize ?? 1
            if key == .cropSize, !number.isMultiple(of: step) {
                throw failure(key, "must be a multiple of \(step)")
            }
        }
        if given[key: .maskThresholds] != nil, texts.maskThresholds == nil {
            throw failure(.maskThresholds, "must be one or three numbers above 0 and below 1")
        }
    }
}

extension [String: String] {
    fileprivate subscript(key key: CheckpointInfo.MetadataKey) -> String? {
        get { self[key.rawValue] }
        set { self[key.rawValue] = newValue }
    }

    /// Of a model file's metadata: the thresholds for small, medium and large boxes.
    package var maskThresholds: [Float]? {
        guard
            let texts = self[key: .maskThresholds]?.split(
                separator: ",", omittingEmptySubsequences: false)
        else { return nil }
        let values = texts.compactMap { Float($0) }.filter { $0 > 0 && $0 < 1 }
        guard values.count == texts.count, [1, 3].contains(values.count) else { return nil }
        return values.count == 3 ? values : Array(repeating: values[0], count: 3)
    }
}
