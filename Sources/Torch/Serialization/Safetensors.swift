import Files

/// The safetensors file format: a length, a JSON header, the bytes of the tensors.
package struct Safetensors: Sendable {
    /// The tensors in the order of their bytes.
    package let tensors: [StoredTensor]
    /// The `__metadata__` map.
    package let metadata: [String: String]

    /// The header may take at most this many bytes, as in the reference implementation.
    static let maximumHeaderSize = 100_000_000

    /// Maps a file and checks its header. The tensors' bytes are read when they are used.
    package init(path: String) throws(CheckpointError) {
        try self.init(MappedFile(mapping: path))
    }

    /// Reads a file that is in memory already; errors call it `name`.
    package init(bytes: [UInt8], name: String) throws(CheckpointError) {
        try self.init(MappedFile(bytes, name: name))
    }

    init(_ file: MappedFile) throws(CheckpointError) {
        guard let size = file.integer(UInt64.self, at: 0) else {
            throw file.failure(
                .truncated, "has \(file.count) bytes, fewer than the 8 that every safetensors has")
        }
        guard size <= Self.maximumHeaderSize else {
            throw file.failure(
                .damaged,
                "claims a header of \(size) bytes; at most \(Self.maximumHeaderSize) are read")
        }
        let start = 8 + Int(size)
        guard start <= file.count else {
            throw file.failure(
                .truncated, "ends inside its header: \(file.count) bytes, the header needs \(start)"
            )
        }
        let header = try SafetensorsHeader(file.bytes(8..<start), file: file.name)
        let entries = header.entries.sorted {
            ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
        }
        var end = 0
        for entry in entries {
            guard entry.range.lowerBound == end else {
                let relation = entry.range.lowerBound < end ? "overlaps" : "leaves a gap after"
                throw file.failure(
                    .damaged,
                    "\(entry.name.printable) begins at byte \(entry.range.lowerBound) of the data "
                        + "and \(relation) the tensor before it, which ends at \(end)")
            }
            end = entry.range.upperBound
            guard end <= file.count - start else {
                throw file.failure(
                    .truncated,
                    "\(entry.name.printable) ends at byte \(end) of the data, the file has only "
                        + "\(file.count - start); was the download or copy cut short?")
            }
        }
        guard end == file.count - start else {
            throw file.failure(
                .damaged, "\(file.count - start - end) bytes follow the last tensor")
        }
        metadata = header.metadata
        tensors = entries.map {
            StoredTensor(
                name: $0.name, elementType: $0.elementType, shape: $0.shape,
                strides: StoredTensor.rowMajorStrides($0.shape), storage: file.data,
                byteOffset: start + $0.range.lowerBound)
        }
    }

    /// Writes a file atomically. The order of tensors is wide element types first, then by name,
    /// so the same contents give the same bytes and every tensor is aligned.
    package static func write(
        _ tensors: [StoredTensor], metadata: [String: String] = [:], to path: String
    ) throws(CheckpointError) {
        let tensors = tensors.sorted {
            ($1.elementType.size, $0.name) < ($0.elementType.size, $1.name)
        }
        let header = try header(tensors, metadata, path)
        try CheckpointError.writing(path) { () throws(FileError) in
            var file = try OutputFile(path: path)
            try file.write(header)
            for tensor in tensors {
                try tensor.withBytes { (bytes) throws(FileError) in try file.write(bytes) }
            }
            try file.commit()
        }
    }

    private static func header(
        _ tensors: [StoredTensor], _ metadata: [String: String], _ path: String
    ) throws(CheckpointError) -> [UInt8] {
        var members: [String] = []
        if !metadata.isEmpty {
            let texts = metadata.sorted { $0.key < $1.key }
                .map { jsonText($0.key) + ":" + jsonText($0.value) }
            members.append("\"__metadata__\":{" + texts.joined(separator: ",") + "}")
        }
        var names: Set<String> = ["__metadata__"]
        var offset = 0
        for tensor in tensors {
            guard names.insert(tensor.name).inserted else {
                throw CheckpointError(
                    file: path, kind: .unwritable,
                    message: "two tensors are called \(tensor.name.printable)")
            }
            let end = offset + tensor.byteCount
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            members.append(
                jsonText(tensor.name) + ":{\"dtype\":\"\(tensor.elementType.rawValue)\","
                    + "\"shape\":[\(shape)],\"data_offsets\":[\(offset),\(end)]}")
            offset = end
        }
        var text = Array(("{" + members.joined(separator: ",") + "}").utf8)
        text.append(contentsOf: repeatElement(0x20, count: (8 - text.count % 8) % 8))
        guard text.count <= maximumHeaderSize else {
            throw CheckpointError(
                file: path, kind: .unwritable, message: "the header would be over 100 MB")
        }
        return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text
    }
}

extension StoredTensor {
    /// `withContiguousBytes` for bodies that throw `FileError`.
    func withBytes(
        _ body: (UnsafeRawBufferPointer) throws(FileError) -> Void
    ) throws(FileError) {
        var failure: FileError?
        withContiguousBytes { bytes in
            do throws(FileError) { try body(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}

extension CheckpointError {
    /// Runs `body`, which writes a file, and tells what fails as an error of that checkpoint.
    static func writing(
        _ path: String, _ body: () throws(FileError) -> Void
    ) throws(CheckpointError) {
        func failure(_ message: String) -> CheckpointError {
            CheckpointError(file: path, kind: .unwritable, message: message)
        }
        guard !OutputFile.isStream(path), !FolderListing.isFolder(path) else {
            throw failure("exists and is not a file, so it is not replaced")
        }
        do throws(FileError) { try body() } catch {
            guard case .unwritable(_, let reason) = error else { throw failure("\(error)") }
            throw failure("cannot be written: \(reason)")
        }
    }
}
