/// The weights in an ONNX file of `mal export`, under the names of a student's parameters.
package struct ONNXCheckpoint {
    /// What `mal export` calls itself in its files.
    package static let producer = "mal"
    /// The end of the name of a weight that lies transposed, as products in the graph want it.
    package static let transposedSuffix = ".T"
    /// The beginning of the names of what is no parameter.
    package static let constantPrefix = "const/"

    let tensors: [StoredTensor]
    let metadata: [String: String]

    private static let maximumTensorCount = 100_000

    /// Whether a file begins as those of ONNX's exporters do: with a version, and then the exporter's name
    /// or, of those who give none, the whole graph.
    static func recognises(_ file: MappedFile) -> Bool {
        guard file.count > 4, file.matches([0x08]) else { return false }
        let start = file.bytes(0..<min(file.count, 64))
        guard (1..<0x20).contains(start[1]) else { return false }
        if start[2] == 0x3A {
            var fields = WireFields(file, 2..<file.count)
            return (try? fields.next()?.message()) != nil
        }
        let name = start.dropFirst(4).prefix(Int(start[3]))
        return start[2] == 0x12 && name.count == Int(start[3])
            && name.allSatisfy { (0x20..<0x7F).contains($0) }
    }

    init(_ file: MappedFile) throws(CheckpointError) {
        var (producer, texts, graphs): (String, [String: String], [Range<Int>]) = ("", [:], [])
        var model = WireFields(file, 0..<file.count)
        while let field = try model.next() {
            switch field.number {
            case 2: producer = try field.text()
            case 7: graphs.append(try field.message())
            case 14:
                var (key, value) = ("", "")
                var entry = WireFields(file, try field.message())
                while let field = try entry.next() {
                    if field.number == 1 { key = try field.text() }
                    if field.number == 2 { value = try field.text() }
                }
                texts[key] = value
            case 20:
                var training = WireFields(file, try field.message())
                while let field = try training.next() {
                    if field.number == 2 { graphs.append(try field.message()) }
                }
            default: break
            }
        }
        guard producer == Self.producer else {
            throw file.failure(
                .unsupported,
                "is an ONNX file of another program\(producer.isEmpty ? "" : " (\(producer.printable))"); "
                    + "of ONNX only what `mal export` wrote is read")
        }
        guard texts["precision"] != "int8" else {
            throw file.failure(
                .unsupported,
                "is a model in int8, whose weights were rounded; take the one that it was exported from"
            )
        }
        var tensors: [StoredTensor] = []
        for range in graphs {
            var graph = WireFields(file, range)
            while let field = try graph.next() {
                guard field.number == 5,
                    let tensor = try Self.parameter(file, try field.message())
                else { continue }
                tensors.append(tensor)
                guard tensors.count <= Self.maximumTensorCount else {
                    throw file.failure(.unsupported, "has over \(Self.maximumTensorCount) tensors")
                }
            }
        }
        guard !tensors.isEmpty else { throw file.failure(.notACheckpoint, "holds no weights") }
        (self.tensors, metadata) = (tensors, texts)
    }

    /// Nil for a constant.
    private static func parameter(
        _ file: MappedFile, _ range: Range<Int>
    ) throws(CheckpointError) -> StoredTensor? {
        var (name, type, shape): (String, UInt64, [Int]) = ("", 0, [])
        var data = range.lowerBound..<range.lowerBound
        var tensor = WireFields(file, range)
        while let field = try tensor.next() {
            switch field.number {
            case 1: shape += try field.numbers().map { Int(clamping: Int64(bitPattern: $0)) }
            case 2: type = try field.numbers().last ?? 0
            case 8: name = try field.text()
            case 9: data = try field.message()
            default: break
            }
        }
        guard !name.hasPrefix(constantPrefix) else { return nil }
        guard let element = elementTypes[type] else {
            throw file.failure(
                .unsupported, "\(name.printable) has the element type \(type), which is not read")
        }
        guard let count = StoredTensor.checkedCount(shape), count * element.size == data.count
        else {
            throw file.failure(
                .damaged,
                "\(name.printable) has \(data.count) bytes, its shape \(shape) of "
                    + "\(element.rawValue) needs another number")
        }
        var strides = StoredTensor.rowMajorStrides(shape)
        if shape.count == 2, name.hasSuffix(transposedSuffix) {
            name.removeLast(transposedSuffix.count)
            shape.reverse()
            strides.reverse()
        }
        return StoredTensor(
            name: "student." + name, elementType: element, shape: shape, strides: strides,
            storage: file.data, byteOffset: data.lowerBound)
    }

    /// By the numbers of ONNX's types.
    private static let elementTypes: [UInt64: StoredTensor.ElementType] = [
        1: .float32, 7: .int64, 10: .float16,
    ]
}

/// The fields of one message of protocol buffers, in order.
private struct WireFields {
    struct Field {
        enum Value {
            case number(UInt64)
            case bytes(Range<Int>)
            /// 4 or 8 bytes, of which none is used.
            case fixed
        }

        let number: UInt64
        let value: Value
        let file: MappedFile

        /// Where the message's own fields lie.
        func message() throws(CheckpointError) -> Range<Int> {
            guard case .bytes(let range) = value else {
                throw file.failure(.damaged, "field \(number) is a number, not bytes")
            }
            return range
        }

        func text() throws(CheckpointError) -> String {
            String(decoding: file.bytes(try message()), as: UTF8.self)
        }

        /// One number, or several in a row.
        func numbers() throws(CheckpointError) -> [UInt64] {
            if case .number(let number) = value { return [number] }
            var row = WireFields(file, try message())
            var numbers: [UInt64] = []
            while row.place < row.end { numbers.append(try row.number()) }
            return numbers
        }
    }

    private let file: MappedFile
    private(set) var place: Int
    let end: Int

    init(_ file: MappedFile, _ range: Range<Int>) {
        self.file = file
        (place, end) = (range.lowerBound, range.upperBound)
    }

    /// Nil at the end.
    mutating func next() throws(CheckpointError) -> Field? {
        guard place < end else { return nil }
        let tag = try number()
        let value: Field.Value
        switch tag & 7 {
        case 0: value = .number(try number())
        case 1:
            _ = try range(of: 8)
            value = .fixed
        case 2: value = .bytes(try range(of: try number()))
        case 5:
            _ = try range(of: 4)
            value = .fixed
        default: throw file.failure(.damaged, "byte \(place) begins no field of an ONNX file")
        }
        return Field(number: tag >> 3, value: value, file: file)
    }

    private mutating func range(of count: UInt64) throws(CheckpointError) -> Range<Int> {
        guard count <= UInt64(end - place) else {
            throw file.failure(
                .truncated,
                "ends inside its contents: byte \(place) begins \(count) bytes, and \(end - place) "
                    + "are there; was the download or copy cut short?")
        }
        defer { place += Int(count) }
        return place..<place + Int(count)
    }

    /// Seven bits a byte, the lowest first.
    mutating func number() throws(CheckpointError) -> UInt64 {
        var result: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard place < end, let byte = file.integer(UInt8.self, at: place) else {
                throw file.failure(.truncated, "ends inside a number at byte \(place)")
            }
            place += 1
            result |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return result }
        }
        throw file.failure(.damaged, "the number before byte \(place) has over 10 bytes")
    }
}
