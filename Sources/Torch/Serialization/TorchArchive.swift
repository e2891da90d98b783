/// What `torch.save` writes: a zip file with one pickle (`data.pkl`) and the elements of each
/// storage in an entry of its own.
///
/// The pickle is read as data, never executed. A tensor's size, strides and offset are compared
/// with its storage when the tensor is asked for.
struct TorchArchive: Sendable {
    let graph: PickleGraph
    private let zip: ZipArchive
    /// The folder inside the zip file that holds everything, with its slash.
    private let prefix: String

    init(_ file: MappedFile) throws(CheckpointError) {
        zip = try ZipArchive(file)
        let pickles = zip.entries.keys.filter {
            $0.hasSuffix("/data.pkl") && $0.split(separator: "/").count == 2
        }
        guard let name = pickles.first, pickles.count == 1 else {
            throw Self.otherArchive(zip)
        }
        prefix = String(name.dropLast("data.pkl".count))
        guard zip.entries[prefix + "constants.pkl"] == nil else {
            throw file.failure(
                .unsupported,
                "is a TorchScript program, not a checkpoint; save its state_dict() instead")
        }
        if let compressed = zip.compressedName {
            throw file.failure(
                .unsupported,
                "the zip entry \(compressed.printable) is compressed; torch.save never "
                    + "compresses, so unpack it and zip it again with zip -0, or load it in "
                    + "PyTorch and save it again")
        }
        if let order = zip.entries[prefix + "byteorder"] {
            let text = String(decoding: file.bytes(order.prefix(16)), as: UTF8.self)
            guard text == "little" else {
                throw file.failure(
                    .unsupported,
                    "its numbers are in \(text.printable)-endian order; only little-endian is read"
                )
            }
        }
        guard let range = zip.entries[name], range.count <= Unpickler.maximumSize else {
            throw file.failure(
                .unsupported, "its pickle is larger than \(Unpickler.maximumSize >> 20) MiB")
        }
        graph = try Unpickler.read(file.bytes(range), file: file.name)
    }

    private static func otherArchive(_ zip: ZipArchive) -> CheckpointError {
        let names = zip.entries.keys.sorted()
        let reason =
            if names.contains(where: { $0.hasSuffix(".npy") }) {
                "is a NumPy .npz archive"
            } else if names.contains(where: { $0.hasSuffix("/data.pkl") || $0 == "data.pkl" }) {
                "is a zip file with more than one data.pkl, or one in an unusual place"
            } else if names.contains(where: {
                $0.hasSuffix(".pth") || $0.hasSuffix(".ckpt") || $0.hasSuffix(".safetensors")
            }) {
                "is a zip file around a checkpoint; unpack it first"
            } else {
                "is a zip file without the data.pkl that torch.save writes"
            }
        let listed = names.prefix(3).map(\.printable).joined(separator: ", ")
        return zip.file.failure(
            .notACheckpoint, reason + (listed.isEmpty ? " (it is empty)" : " (it holds \(listed))"))
    }

    /// The tensor after comparing its size, strides and offset with its storage.
    func tensor(_ index: Int, name: String) throws(CheckpointError) -> StoredTensor {
        let view = graph.tensors[index]
        let storage = graph.storages[view.storage]
        let label = name.printable
        func damaged(_ message: String) -> CheckpointError {
            zip.file.failure(.damaged, "\(label): \(message)")
        }
        guard let type = storage.elementType else {
            throw zip.file.failure(
                .unsupported,
                "\(label) has elements of \(storage.typeName.printable); read are "
                    + StoredTensor.ElementType.allCases.map(\.rawValue).joined(separator: ", "))
        }
        guard let range = zip.entries[prefix + "data/" + storage.key] else {
            throw damaged("its storage \(storage.key.printable) is not in the file")
        }
        guard storage.count >= 0, storage.count <= range.count / type.size else {
            throw damaged(
                "its storage should have \(storage.count) elements of \(type.rawValue), the "
                    + "file has \(range.count) bytes")
        }
        guard view.shape.count == view.strides.count,
            let count = StoredTensor.checkedCount(view.shape)
        else {
            throw damaged("impossible shape \(view.shape) with strides \(view.strides)")
        }
        guard let last = Self.lastIndex(of: view), count == 0 || last < storage.count else {
            throw damaged(
                "shape \(view.shape), strides \(view.strides), offset \(view.offset) reach "
                    + "outside its storage of \(storage.count) elements")
        }
        // An expanded tensor repeats elements; a small file could stand for any amount of memory.
        guard count <= storage.count else {
            throw zip.file.failure(
                .unsupported,
                "\(label) repeats \(storage.count) stored elements to \(count); save a copy of it")
        }
        return StoredTensor(
            name: name, elementType: type, shape: view.shape, strides: view.strides,
            storage: zip.file.data,
            byteOffset: count == 0 ? 0 : range.lowerBound + view.offset * type.size)
    }

    /// The largest storage index that a view touches; nil for negative or uncountable ones.
    private static func lastIndex(of view: PickleGraph.TensorView) -> Int? {
        guard view.offset >= 0 else { return nil }
        var last = view.offset
        for (size, stride) in Swift.zip(view.shape, view.strides) where size > 0 {
            guard stride >= 0 else { return nil }
            let (distance, overflow) = (size - 1).multipliedReportingOverflow(by: stride)
            let (sum, carry) = last.addingReportingOverflow(distance)
            guard !overflow, !carry else { return nil }
            last = sum
        }
        return last
    }
}
