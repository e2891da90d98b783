/// A checkpoint file of any format that is read: named tensors and what else the file says.
///
/// The format is told by content, never by the file's extension.
package struct StoredCheckpoint: Sendable {
    package enum Format: String, Sendable {
        case safetensors
        case torch = "PyTorch zip (torch.save)"
        case onnx = "ONNX (mal export)"
    }

    /// Something in the file besides the tensors: `epoch`, `optimizer_states`, …
    package struct Extra: Sendable, Equatable {
        package let key: String
        /// The value, or for containers what it is, in a few words.
        package let summary: String
    }

    /// The path, or what the caller calls the buffer.
    package let file: String
    package let format: Format
    /// The tensors of the state dict, in its order, with the names that the file gives them.
    package let tensors: [StoredTensor]
    /// The keys under which the state dict lies, outermost first: `["state_dict"]`, `["model"]`.
    package let container: [String]
    /// The metadata map of a safetensors or ONNX file.
    package let metadata: [String: String]
    package let extras: [Extra]
    /// Entries of the state dict that are no tensors, which loading leaves out.
    package let skipped: [Extra]

    /// Maps a file, or all files that an index of shards (`….safetensors.index.json`) names.
    package init(path: String) throws(CheckpointError) {
        guard path.hasSuffix(".index.json") else {
            try self.init(MappedFile(mapping: path))
            return
        }
        self.init(shards: path, tensors: try ShardIndex(path: path).tensors())
    }

    private init(shards index: String, tensors: [StoredTensor]) {
        file = index
        format = .safetensors
        self.tensors = tensors
        (container, metadata, extras, skipped) = ([], [:], [], [])
    }

    /// Reads a file that is in memory already; errors call it `name`.
    package init(bytes: [UInt8], name: String) throws(CheckpointError) {
        guard !bytes.isEmpty else {
            throw CheckpointError(file: name, kind: .unreadable, message: "is empty (0 bytes)")
        }
        try self.init(MappedFile(bytes, name: name))
    }

    private init(_ bytes: MappedFile) throws(CheckpointError) {
        file = bytes.name
        switch try FileKind.recognise(bytes) {
        case .safetensors:
            let contents = try Safetensors(bytes)
            format = .safetensors
            tensors = contents.tensors
            container = []
            metadata = contents.metadata
            extras = []
            skipped = []
        case .onnx:
            let contents = try ONNXCheckpoint(bytes)
            format = .onnx
            tensors = contents.tensors
            container = []
            metadata = contents.metadata
            extras = []
            skipped = []
        case .zip:
            let archive = try TorchArchive(bytes)
            let contents = try StateDict(archive, file: bytes)
            format = .torch
            tensors = contents.tensors
            container = contents.container
            metadata = [:]
            extras = contents.extras
            skipped = contents.skipped
        }
    }
}

/// The state dict inside a PyTorch file.
private struct StateDict {
    var tensors: [StoredTensor] = []
    var container: [String] = []
    var extras: [StoredCheckpoint.Extra] = []
    var skipped: [StoredCheckpoint.Extra] = []

    static let maximumTensorCount = 100_000
    static let maximumExtraCount = 100
    static let maximumSharing = 4
    /// At each level the first of these keys that holds a dictionary is entered, as the reference
    /// does with the first two.
    static let containers = [
        "state_dict", "model", "model_state_dict", "model_state", "net", "module", "model_ema",
        "ema", "ema_state_dict", "state_dict_ema", "params_ema", "weights",
    ]

    init(_ archive: TorchArchive, file: MappedFile) throws(CheckpointError) {
        let graph = archive.graph
        guard var members = graph.members(of: graph.root) else {
            throw Self.noDictionary(graph, file)
        }
        if let mark = members.first(where: { $0.key == "state_dict_encrypted" }),
            !mark.value.isFalse
        {
            throw file.failure(
                .encrypted,
                "is an encrypted TAO checkpoint (state_dict_encrypted); decrypt it with "
                    + "NVIDIA's TAO tools and its encryption key first")
        }
        while container.count < 4, let (key, inner) = Self.inner(members, graph) {
            for member in members.prefix(Self.maximumExtraCount) where member.key != key {
                extras.append(Self.extra(member, graph))
            }
            container.append(key)
            members = inner
        }
        var byteCount = 0
        for member in members {
            guard case .tensor(let index) = member.value else {
                if skipped.count < Self.maximumExtraCount {
                    skipped.append(Self.extra(member, graph))
                }
                continue
            }
            guard tensors.count < Self.maximumTensorCount else {
                throw file.failure(.unsupported, "has over \(Self.maximumTensorCount) tensors")
            }
            do throws(CheckpointError) {
                let tensor = try archive.tensor(index, name: member.key)
                byteCount += tensor.byteCount
                tensors.append(tensor)
            } catch  where error.kind == .unsupported {
                skipped.append(.init(key: member.key.printable, summary: error.message))
            }
            // Tied weights share a storage; a small file that stands for endless memory does too.
            guard byteCount <= Self.maximumSharing * file.count else {
                throw file.failure(
                    .unsupported,
                    "its tensors stand for over \(Self.maximumSharing) times the file's size")
            }
        }
        guard !tensors.isEmpty else {
            let keys = skipped.prefix(8).map { "\($0.key) (\($0.summary))" }
            let place = container.isEmpty ? "its top level" : container.joined(separator: ".")
            throw file.failure(
                .notACheckpoint,
                "holds no tensors in \(place)"
                    + (keys.isEmpty ? "" : ", only " + keys.joined(separator: ", ")))
        }
    }

    private static func inner(
        _ members: [(key: String, value: PickleValue)], _ graph: PickleGraph
    ) -> (String, [(key: String, value: PickleValue)])? {
        for name in containers {
            if let member = members.first(where: { $0.key == name }),
                let inner = graph.members(of: member.value)
            {
                return (name, inner)
            }
        }
        return nil
    }

    private static func extra(
        _ member: (key: String, value: PickleValue), _ graph: PickleGraph
    ) -> StoredCheckpoint.Extra {
        .init(key: member.key.printable, summary: graph.summary(of: member.value))
    }

    private static func noDictionary(_ graph: PickleGraph, _ file: MappedFile) -> CheckpointError {
        if case .object = graph.root {
            return file.failure(
                .unsupported,
                "is a whole pickled model (\(graph.summary(of: graph.root))), which only its own "
                    + "program can open; save model.state_dict() instead")
        }
        return file.failure(
            .notACheckpoint,
            "holds \(graph.summary(of: graph.root)) where a dictionary of tensors was expected")
    }
}

extension PickleValue {
    fileprivate var isFalse: Bool {
        if case .bool(false) = self { true } else { false }
    }
}
