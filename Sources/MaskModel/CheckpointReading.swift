package import Torch

/// A checkpoint file under our parameter names, whatever its format and source.
package struct MaskCheckpoint: Sendable {
    package let info: CheckpointInfo
    /// The student's network: `backbone.*`, `roi_head.*`, `mask_head.*`. A pretrained backbone has
    /// only the first of them.
    package let student: [String: StoredTensor]
    /// The teacher's network; empty when the file has none.
    package let teacher: [String: StoredTensor]

    /// Maps and recognises a file; no values are read.
    package init(path: String) throws(CheckpointError) {
        try self.init(StoredCheckpoint(path: path))
    }

    /// Recognises a file that is in memory already; errors call it `name`.
    package init(bytes: [UInt8], name: String) throws(CheckpointError) {
        try self.init(StoredCheckpoint(bytes: bytes, name: name))
    }

    /// Recognises what a file's names belong to.
    package init(_ stored: StoredCheckpoint) throws(CheckpointError) {
        let renamed = try PretrainedWeights.rename(stored)
        student = renamed?.student ?? [:]
        teacher = renamed?.teacher ?? [:]
        let shapes = student.mapValues(\.shape)
        var backbone: [String: [Int]] = [:]
        for (name, shape) in shapes {
            if let name = name.dropping(prefix: "backbone.") { backbone[name] = shape }
        }
        info = CheckpointInfo(
            file: stored.file, format: stored.format, container: stored.container,
            source: renamed?.source.rawValue,
            architecture: CheckpointArchitecture(shapes: backbone),
            hasBackbone: !backbone.isEmpty,
            hasHeads: shapes.keys.contains { $0.hasPrefix("roi_head.") },
            hasTeacher: !teacher.isEmpty,
            maskHead: Self.maskHead(shapes),
            parameters: stored.tensors.map {
                .init(name: $0.name, elementType: $0.elementType, shape: $0.shape)
            },
            parameterCount: Self.parameterCount(stored.tensors),
            studentParameterCount: Self.parameterCount(
                renamed == nil ? stored.tensors : Array(student.values)),
            metadata: stored.metadata, extras: stored.extras,
            ignored: (renamed?.ignored ?? []).sorted() + stored.skipped.map(\.key))
    }

    private static func parameterCount(_ tensors: [StoredTensor]) -> Int {
        tensors.reduce(0) { $0 + ($1.elementType.isFloatingPoint ? $1.count : 0) }
    }

    private static func maskHead(_ shapes: [String: [Int]]) -> CheckpointInfo.MaskHeadSizes? {
        var count = 0
        while shapes["mask_head.convs.\(count).conv.weight"] != nil { count += 1 }
        guard count > 0, let first = shapes["mask_head.convs.0.conv.weight"],
            let last = shapes["mask_head.convs.\(count - 1).conv.weight"],
            first.count == 4, last.count == 4
        else { return nil }
        return .init(
            inChannels: first[1], convolutionCount: count, hiddenChannels: first[0],
            outChannels: last[0])
    }
}

// MARK: - Loading

extension MaskCheckpoint {
    /// One of the two networks in a checkpoint.
    package enum Role: String, Sendable {
        case student, teacher
    }

    /// What a pretrained file gave and what it did not.
    package struct PartialParameters: Sendable {
        package let parameters: [String: StoredTensor]
        /// Parameters of the network that the file does not have; they keep their values.
        package let missing: [String]
        /// What the file has and the network does not, with the file's names for what has no name
        /// of ours.
        package let unused: [String]
    }

    /// A network for inference with the parameters of this file. Loading is strict: the file must
    /// have each parameter of the network in its shape, and no others but a classifier.
    /// - Parameter architecture: what `configuration` is, for the error.
    /// - Throws: `CheckpointError` with all missing, unexpected and mis-shaped parameters, or with those
    ///   that hold values that are not finite.
    package func network(
        _ role: Role, _ configuration: MaskNetworkConfiguration, architecture: String,
        device: Device = .cpu, factors: DType = .float32
    ) throws(CheckpointError) -> MaskNetwork {
        let found = try usable(role)
        do throws(TorchError) {
            return try MaskNetwork(
                configuration, parameters: found.mapValues { $0.tensor() }, device: device,
                factors: factors)
        } catch { throw failure(error, architecture: architecture) }
    }

    /// Parameters and buffers of ``network(_:_:architecture:device:factors:)`` by name, in float32, as strictly.
    package func parameters(
        _ role: Role, _ configuration: MaskNetworkConfiguration, architecture: String
    ) throws(CheckpointError) -> [(name: String, tensor: Tensor)] {
        let found = try usable(role).filter { !MaskNetwork.isIgnored($0.key) }
        let store = ParameterStore(loading: found.mapValues { $0.tensor() })
        _ = MaskNetwork(store.root, configuration)
        do throws(TorchError) { try store.finishLoading() } catch {
            throw failure(error, architecture: architecture)
        }
        return store.tensors
    }

    private func usable(_ role: Role) throws(CheckpointError) -> [String: StoredTensor] {
        try requireKnownBackbone()
        let found = role == .student ? student : teacher
        guard !found.isEmpty else {
            throw CheckpointError(
                file: info.file, kind: .mismatch,
                message: "has no \(role.rawValue); it is: \(info.what)")
        }
        try found.values.requireFinite(file: info.file)
        return found
    }

    private func failure(_ error: TorchError, architecture: String) -> CheckpointError {
        guard case .parameterMismatch(let mismatch) = error else {
            return CheckpointError(file: info.file, kind: .mismatch, message: error.description)
        }
        return failure(mismatch, architecture: architecture)
    }

    /// What a pretrained file has of a network, for `pretrained_model_path` (SPEC §10): the
    /// student's parameters of a MAL checkpoint, or a backbone's. They go into the student and the
    /// teacher alike.
    /// - Throws: `CheckpointError` for parameters of another shape or with values that are not finite, and when
    ///   nothing fits.
    package func pretrainedParameters(
        expected: [String: [Int]], architecture: String
    ) throws(CheckpointError) -> PartialParameters {
        try requireKnownBackbone()
        let mismatch = Self.mismatch(expected, student)
        let parameters = student.filter { expected[$0.key] != nil }
        guard mismatch.misshaped.isEmpty, !parameters.isEmpty else {
            let listed = ParameterMismatch(
                missing: parameters.isEmpty ? mismatch.missing : [],
                misshaped: mismatch.misshaped)
            throw failure(listed, architecture: architecture)
        }
        try parameters.values.requireFinite(file: info.file)
        return PartialParameters(
            parameters: parameters, missing: mismatch.missing,
            unused: (mismatch.unexpected + info.ignored).sorted())
    }

    private static func mismatch(
        _ expected: [String: [Int]], _ found: [String: StoredTensor]
    ) -> ParameterMismatch {
        ParameterMismatch(
            missing: expected.keys.filter { found[$0] == nil }.sorted(),
            unexpected: found.keys.filter { expected[$0] == nil }.map(\.printable).sorted(),
            misshaped: expected.sorted { $0.key < $1.key }.compactMap { name, shape in
                guard let tensor = found[name], tensor.shape != shape else { return nil }
                return .init(name: name, expected: shape, found: tensor.shape)
            })
    }

    /// The error for parameters that do not fit, with what was expected, what the file is, and the
    /// spec keys that would fit it.
    /// - Parameter architecture: what the network is.
    package func failure(
        _ mismatch: ParameterMismatch, architecture: String
    ) -> CheckpointError {
        let lists = mismatch.description.split(separator: "\n").dropFirst().map { "\n" + $0 }
        return CheckpointError(
            file: info.file, kind: .mismatch,
            message: "does not fit the network.\n  expected: \(architecture)\n"
                + "  found: \(info.architecture?.summary ?? info.what)"
                + lists.joined() + settings)
    }

    /// The spec keys with which a network would have this file's sizes, as a line of an error.
    private var settings: String {
        guard let architecture = info.architecture else { return "" }
        if let arch = info.arch { return "\n  the file fits model.arch=\(arch.printable)" }
        let heads = info.headCount.map { "\($0)" } ?? "… (which the file does not say)"
        return "\n  the file fits model.embed_dim=\(architecture.embedDim) "
            + "model.depth=\(architecture.depth) model.num_heads=\(heads)"
    }

    /// Refuses names of no known source, and register tokens.
    func requireKnownBackbone() throws(CheckpointError) {
        guard info.source != nil else {
            let names = info.parameters.prefix(4).map(\.name.printable)
            throw CheckpointError(
                file: info.file, kind: .unsupported,
                message: "its parameters have the names of no known model: "
                    + names.joined(separator: ", ") + (info.parameters.count > 4 ? ", …" : ""))
        }
        for name in ["backbone.reg_token", "backbone.register_tokens"] where student[name] != nil {
            throw CheckpointError(
                file: info.file, kind: .unsupported,
                message: "has register tokens, which cannot be used; take the model without them")
        }
    }
}
