import Files

/// Writes what `torch.save` writes: numbers, texts and tensors, which `torch.load(weights_only=True)` takes.
package enum TorchFile {
    /// What a file says besides its tensors.
    package enum Value: Sendable {
        case integer(Int)
        case text(String)
    }

    /// Writes `{…extras, "state_dict": {name: tensor}}` atomically.
    ///
    /// - Throws: `CheckpointError` when two tensors have one name, or one has over 4 GB.
    package static func write(
        _ tensors: [StoredTensor], extras: [(key: String, value: Value)] = [], to path: String
    ) throws(CheckpointError) {
        var pickle = PickleWriter()
        var names: Set<String> = []
        pickle.beginDictionary()
        for (key, value) in extras {
            pickle.text(key)
            switch value {
            case .integer(let number): pickle.integer(number)
            case .text(let text): pickle.text(text)
            }
        }
        pickle.text("state_dict")
        pickle.beginDictionary()
        for (index, tensor) in tensors.enumerated() {
            guard names.insert(tensor.name).inserted else {
                throw CheckpointError(
                    file: path, kind: .unwritable,
                    message: "two tensors are called \(tensor.name.printable)")
            }
            pickle.text(tensor.name)
            pickle.tensor(tensor, storage: "\(index)")
        }
        pickle.endDictionary()
        pickle.endDictionary()
        pickle.byte(".")

        if let large = tensors.first(where: { $0.byteCount >= Int(UInt32.max) }) {
            throw CheckpointError(
                file: path, kind: .unwritable,
                message: "a tensor has \(large.byteCount) bytes, over 4 GB")
        }
        try CheckpointError.writing(path) { () throws(FileError) in
            var zip = try ZipWriter(path: path)
            for (name, bytes) in [
                ("data.pkl", pickle.bytes), ("byteorder", Array("little".utf8)),
                ("version", Array("3\n".utf8)),
            ] {
                try zip.add(name, bytes)
            }
            for (index, tensor) in tensors.enumerated() {
                try tensor.withBytes { (bytes) throws(FileError) in
                    try zip.add("data/\(index)", bytes)
                }
            }
            try zip.finish()
        }
    }
}

/// A pickle of protocol 2.
private struct PickleWriter {
    private(set) var bytes: [UInt8] = [0x80, 2]

    mutating func byte(_ opcode: Character) { bytes += opcode.utf8 }

    mutating func text(_ text: String) {
        byte("X")
        bytes.append(number: text.utf8.count, 4)
        bytes += text.utf8
    }

    mutating func integer(_ value: Int) {
        if let small = Int32(exactly: value) {
            byte("J")
            bytes.append(number: Int(small), 4)
        } else {
            bytes += [0x8A, 8]
            bytes.append(number: value, 8)
        }
    }

    mutating func beginDictionary() { bytes += "}(".utf8 }

    mutating func endDictionary() { byte("u") }

    private mutating func integers(_ values: [Int]) {
        byte("(")
        for value in values { integer(value) }
        byte("t")
    }

    /// A global is a module and a name in it.
    private mutating func global(_ module: String, _ name: String) {
        bytes += "c\(module)\n\(name)\n".utf8
    }

    /// A tensor over a storage of its own: a call of PyTorch's function, as `torch.save` writes it.
    mutating func tensor(_ tensor: StoredTensor, storage: String) {
        global("torch._utils", "_rebuild_tensor_v2")
        byte("(")
        byte("(")
        text("storage")
        global("torch", Self.storageName(of: tensor.elementType))
        text(storage)
        text("cpu")
        integer(tensor.count)
        byte("t")
        byte("Q")
        integer(0)
        integers(tensor.shape)
        integers(StoredTensor.rowMajorStrides(tensor.shape))
        // It needs no gradient, and has no hooks.
        bytes.append(0x89)
        global("collections", "OrderedDict")
        bytes += ")RtR".utf8
    }

    private static func storageName(of type: StoredTensor.ElementType) -> String {
        switch type {
        case .float64: "DoubleStorage"
        case .float32: "FloatStorage"
        case .float16: "HalfStorage"
        case .bfloat16: "BFloat16Storage"
        case .int64: "LongStorage"
        case .int32: "IntStorage"
        case .int16: "ShortStorage"
        case .int8: "CharStorage"
        case .uint8: "ByteStorage"
        case .bool: "BoolStorage"
        }
    }
}

/// A zip file of stored entries, each beginning at a multiple of 64 bytes.
private struct ZipWriter: ~Copyable {
    private var file: OutputFile
    private var offset = 0
    private var directory: [UInt8] = []
    private var entryCount = 0

    init(path: String) throws(FileError) { file = try OutputFile(path: path) }

    /// Adds `archive/name`, of fewer than 4 GB.
    mutating func add(
        _ name: String, _ bytes: some Collection<UInt8>
    ) throws(FileError) {
        let name = "archive/" + name
        // No flags, stored, 1 January 1980.
        var fields: [UInt8] = []
        fields.append(numbers: (45, 2), (0, 4), (0, 2), (0x21, 2), (Int(crc32(bytes)), 4))
        fields.append(numbers: (bytes.count, 4), (bytes.count, 4), (name.utf8.count, 2))
        let begin = offset + 30 + name.utf8.count + 4
        let padding = (64 - begin % 64) % 64
        var header: [UInt8] = [0x50, 0x4B, 3, 4]
        header += fields
        header.append(number: 4 + padding, 2)
        header += name.utf8
        header += "FB".utf8
        header.append(number: padding, 2)
        header += [UInt8](repeating: 0, count: padding)
        let isFar = offset >= Int(UInt32.max)
        directory += [0x50, 0x4B, 1, 2, 45, 0]
        directory += fields
        directory.append(numbers: (isFar ? 12 : 0, 2), (0, 10))
        directory.append(number: isFar ? Int(UInt32.max) : offset, 4)
        directory += name.utf8
        if isFar { directory.append(numbers: (1, 2), (8, 2), (offset, 8)) }
        entryCount += 1
        try write(header)
        try write(bytes)
    }

    /// Writes the directory and gives the file its name.
    mutating func finish() throws(FileError) {
        let (start, size) = (offset, directory.count)
        var end: [UInt8] = [0x50, 0x4B, 6, 6]
        end.append(numbers: (44, 8), (45, 2), (45, 2), (0, 8), (entryCount, 8), (entryCount, 8))
        end.append(numbers: (size, 8), (start, 8))
        end += [0x50, 0x4B, 6, 7]
        end.append(numbers: (0, 4), (start + size, 8), (1, 4))
        end += [0x50, 0x4B, 5, 6]
        let count = min(entryCount, 0xFFFF)
        end.append(numbers: (0, 4), (count, 2), (count, 2), (min(size, Int(UInt32.max)), 4))
        end.append(numbers: (min(start, Int(UInt32.max)), 4), (0, 2))
        try write(directory)
        try write(end)
        try file.commit()
    }

    private mutating func write(_ bytes: some Collection<UInt8>) throws(FileError) {
        offset += bytes.count
        try file.write(bytes)
    }
}

extension [UInt8] {
    /// The lowest `count` bytes, little-endian; zeros beyond the eighth.
    fileprivate mutating func append(number value: Int, _ count: Int) {
        for place in 0..<count { append(UInt8(truncatingIfNeeded: value >> (place * 8))) }
    }

    fileprivate mutating func append(numbers: (value: Int, count: Int)...) {
        for number in numbers { append(number: number.value, number.count) }
    }
}

private let crcTable: [UInt32] = (0..<256).map { start in
    (0..<8).reduce(UInt32(start)) { crc, _ in crc & 1 == 0 ? crc >> 1 : crc >> 1 ^ 0xEDB8_8320 }
}

/// The checksum of zip files.
private func crc32(_ bytes: some Collection<UInt8>) -> UInt32 {
    crcTable.withUnsafeBufferPointer { table in
        ~bytes.reduce(~0) { crc, byte in crc >> 8 ^ table[Int((crc ^ UInt32(byte)) & 0xFF)] }
    }
}
