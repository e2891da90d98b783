/// The JSON header of a safetensors file.
///
/// Its grammar is fixed (names → dtype, shape, data_offsets; one map of texts), so it is read by a
/// parser of exactly that grammar: nothing recurses, and duplicate or unknown keys are errors.
struct SafetensorsHeader {
    struct Entry {
        let name: String
        let elementType: StoredTensor.ElementType
        let shape: [Int]
        /// Bytes from the end of the header.
        let range: Range<Int>
    }

    static let maximumEntryCount = 100_000
    static let maximumRank = 16

    private(set) var metadata: [String: String] = [:]
    private(set) var entries: [Entry] = []

    init(_ bytes: [UInt8], file: String) throws(CheckpointError) {
        var parser = Parser(bytes: bytes, file: file)
        var names: Set<String> = []
        var hasMetadata = false
        try parser.object { (parser, name) throws(CheckpointError) in
            if name == "__metadata__" {
                guard !hasMetadata else { throw parser.failure("__metadata__ occurs twice") }
                hasMetadata = true
                metadata = try Self.metadata(&parser)
                return
            }
            guard names.insert(name).inserted else {
                throw parser.failure("the tensor name \(name.printable) occurs twice")
            }
            guard entries.count < Self.maximumEntryCount else {
                throw parser.failure("more than \(Self.maximumEntryCount) tensors")
            }
            entries.append(try Self.entry(name, &parser))
        }
        try parser.end()
    }

    private static func metadata(
        _ parser: inout Parser
    ) throws(CheckpointError) -> [String: String] {
        var result: [String: String] = [:]
        try parser.object { (parser, key) throws(CheckpointError) in
            guard result.updateValue(try parser.text(), forKey: key) == nil else {
                throw parser.failure("the metadata key \(key.printable) occurs twice")
            }
        }
        return result
    }

    private static func entry(
        _ name: String, _ parser: inout Parser
    ) throws(CheckpointError) -> Entry {
        var type: StoredTensor.ElementType?
        var shape: [Int]?
        var offsets: [Int]?
        let label = name.printable
        try parser.object { (parser, key) throws(CheckpointError) in
            switch key {
            case "dtype" where type == nil:
                let text = try parser.text()
                type = StoredTensor.ElementType(rawValue: text)
                guard type != nil else {
                    let known = StoredTensor.ElementType.allCases.map(\.rawValue)
                    throw CheckpointError(
                        file: parser.file, kind: .unsupported,
                        message: "\(label) has dtype \(text.printable); read are "
                            + known.joined(separator: ", "))
                }
            case "shape" where shape == nil: shape = try parser.integers(limit: maximumRank)
            case "data_offsets" where offsets == nil: offsets = try parser.integers(limit: 2)
            case "dtype", "shape", "data_offsets":
                throw parser.failure("\(label): \(key) occurs twice")
            default: throw parser.failure("\(label): unknown key \(key.printable)")
            }
        }
        guard let type, let shape, let offsets, offsets.count == 2 else {
            throw parser.failure("\(label) must have dtype, shape and two data_offsets")
        }
        guard offsets[0] <= offsets[1] else {
            throw parser.failure("\(label) ends (\(offsets[1])) before it begins (\(offsets[0]))")
        }
        guard let count = StoredTensor.checkedCount(shape) else {
            throw parser.failure("\(label) has the impossible shape \(shape)")
        }
        guard count * type.size == offsets[1] - offsets[0] else {
            throw parser.failure(
                "\(label) has \(offsets[1] - offsets[0]) bytes, shape \(shape) of "
                    + "\(type.rawValue) needs \(count * type.size)")
        }
        return Entry(
            name: name, elementType: type, shape: shape, range: offsets[0]..<offsets[1])
    }
}

/// The JSON values that a safetensors header can hold.
private struct Parser {
    let bytes: [UInt8]
    let file: String
    var position = 0

    func failure(_ message: String) -> CheckpointError {
        CheckpointError(
            file: file, kind: .damaged,
            message: "safetensors header, byte \(position): \(message)")
    }

    /// The next byte that is not white space; 0 at the end.
    private mutating func peek() -> UInt8 {
        while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) {
            position += 1
        }
        return position < bytes.count ? bytes[position] : 0
    }

    private mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard peek() == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(CheckpointError) {
        guard skip(character) else {
            let found =
                position < bytes.count
                ? "'\(String(Character(Unicode.Scalar(bytes[position]))).printable)'"
                : "the end of the header"
            throw failure("expected '\(character)', found \(found)")
        }
    }

    mutating func object(
        _ member: (inout Parser, String) throws(CheckpointError) -> Void
    ) throws(CheckpointError) {
        try expect("{")
        if skip("}") { return }
        repeat {
            let key = try text()
            try expect(":")
            try member(&self, key)
        } while skip(",")
        try expect("}")
    }

    mutating func end() throws(CheckpointError) {
        _ = peek()
        guard position == bytes.count else { throw failure("text after the closing brace") }
    }

    mutating func integers(limit: Int) throws(CheckpointError) -> [Int] {
        var result: [Int] = []
        try expect("[")
        if skip("]") { return result }
        repeat {
            guard result.count < limit else { throw failure("more than \(limit) numbers") }
            result.append(try integer())
        } while skip(",")
        try expect("]")
        return result
    }

    private mutating func integer() throws(CheckpointError) -> Int {
        _ = peek()
        let start = position
        var value = 0
        while position < bytes.count, case let digit = bytes[position] &- 0x30, digit < 10 {
            let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(Int(digit))
            guard !overflow, !carry else { throw failure("a number too large to count with") }
            value = sum
            position += 1
        }
        let isPlain = position == start + 1 || (position > start && bytes[start] != 0x30)
        let follows = position < bytes.count ? bytes[position] : 0
        guard isPlain, ![0x2E, 0x45, 0x65].contains(follows) else {
            throw failure("expected a whole number, 0 or more")
        }
        return value
    }

    mutating func text() throws(CheckpointError) -> String {
        try expect("\"")
        var result: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: result, as: UTF8.self) else {
                    throw failure("text that is not UTF-8")
                }
                return text
            case UInt8(ascii: "\\"): try escape(into: &result)
            case 0..<0x20: throw failure("a control character inside a text")
            default: result.append(byte)
            }
        }
        throw failure("a text without an end")
    }

    private mutating func escape(into result: inout [UInt8]) throws(CheckpointError) {
        guard position < bytes.count else { throw failure("a text without an end") }
        let kind = bytes[position]
        position += 1
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): result.append(kind)
        case UInt8(ascii: "b"): result.append(0x08)
        case UInt8(ascii: "f"): result.append(0x0C)
        case UInt8(ascii: "n"): result.append(0x0A)
        case UInt8(ascii: "r"): result.append(0x0D)
        case UInt8(ascii: "t"): result.append(0x09)
        case UInt8(ascii: "u"):
            var code = try hexadecimal()
            if (0xD800..<0xDC00).contains(code), position + 1 < bytes.count,
                bytes[position] == UInt8(ascii: "\\"), bytes[position + 1] == UInt8(ascii: "u")
            {
                position += 2
                let low = try hexadecimal()
                guard (0xDC00..<0xE000).contains(low) else { throw failure("half a surrogate") }
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw failure("half a surrogate") }
            result.append(contentsOf: String(scalar).utf8)
        default: throw failure("an unknown escape in a text")
        }
    }

    private mutating func hexadecimal() throws(CheckpointError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard position < bytes.count,
                let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue
            else { throw failure("expected four hexadecimal digits") }
            code = code << 4 | UInt32(digit)
            position += 1
        }
        return code
    }
}
