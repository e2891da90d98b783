import Foundation

/// `….safetensors.index.json`: which of several files beside it holds each tensor.
struct ShardIndex {
    private struct Contents: Decodable {
        let files: [String: String]

        enum CodingKeys: String, CodingKey {
            case files = "weight_map"
        }
    }

    private let path: String
    private let files: [String: String]

    private static let byteLimit = 64 << 20

    init(path: String) throws(CheckpointError) {
        self.path = path
        func failure(_ message: String) -> CheckpointError {
            CheckpointError(file: path, kind: .notACheckpoint, message: message)
        }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CheckpointError(file: path, kind: .unreadable, message: "cannot be read")
        }
        guard data.count <= Self.byteLimit,
            let contents = try? JSONDecoder().decode(Contents.self, from: data)
        else {
            throw failure("is no index of shards: expected JSON with a table weight_map of texts")
        }
        let names = Set(contents.files.values)
        if let name = names.first(where: { $0.isEmpty || $0.contains("/") || $0.hasPrefix(".") }) {
            throw failure(
                "names the file \(name.printable): expected files in the same folder")
        }
        files = contents.files
    }

    /// The tensors of all files, in the order of files and of tensors in them.
    func tensors() throws(CheckpointError) -> [StoredTensor] {
        let folder = (path as NSString).deletingLastPathComponent
        var tensors: [StoredTensor] = []
        for name in Set(files.values).sorted() {
            let shard = folder.isEmpty ? name : folder + "/" + name
            tensors += try StoredCheckpoint(path: shard).tensors.filter { files[$0.name] == name }
        }
        let missing = Set(files.keys).subtracting(tensors.map(\.name))
        if let name = missing.min() {
            throw CheckpointError(
                file: path, kind: .notACheckpoint,
                message:
                    "says that \(files[name] ?? "") holds \(name.printable), which is not in it")
        }
        return tensors
    }
}
