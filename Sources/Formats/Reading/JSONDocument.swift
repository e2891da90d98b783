import Annotations
import Files

/// A JSON file that was checked from its first byte to its last, for formats whose records lie
/// inside each other.
struct JSONDocument {
    let root: JSONValue

    /// - Throws: ``AnnotationError/syntax(path:line:column:message:)``, `FileError`.
    init(path: String) throws {
        try self.init(FileBytes(path: path), path: path)
    }

    /// JSON within another file.
    init(text: String, path: String) throws {
        try self.init(FileBytes(Array(text.utf8), path: path), path: path)
    }

    private init(_ bytes: FileBytes, path: String) throws {
        try bytes.checkJSON(path: path)
        root = JSONValue(bytes, 0..<bytes.count)
    }
}

/// A value of a checked document.
struct JSONValue {
    private let bytes: FileBytes
    let range: Range<Int>
    /// What it begins with.
    private let first: UInt8

    init(_ bytes: FileBytes, _ range: Range<Int>) {
        let (first, start) = bytes.withBytes { content in
            var scanner = JSONScanner(content, range)
            let first = scanner.peek()
            return (first, scanner.position)
        }
        self.bytes = bytes
        self.range = start..<max(start, range.upperBound)
        self.first = first
    }

    private init(_ bytes: FileBytes, range: Range<Int>, first: UInt8) {
        self.bytes = bytes
        self.range = range
        self.first = first
    }

    var isObject: Bool { first == UInt8(ascii: "{") }
    var isArray: Bool { first == UInt8(ascii: "[") }

    /// The text of a string.
    var text: String? {
        guard first == UInt8(ascii: "\"") else { return nil }
        return bytes.withBytes { JSONScanner($0, range).text(range) }
    }

    /// A finite number.
    var number: Double? {
        guard first == UInt8(ascii: "-") || (0x30...0x39).contains(first) else { return nil }
        return bytes.withBytes { JSONScanner($0, range).number(range) }
            .flatMap { $0.isFinite ? $0 : nil }
    }

    /// A whole number, every digit of it; also one that is written as 17.0 or 1e3.
    var integer: Int? {
        guard let number else { return nil }
        return Int(bytes.text(range)) ?? (number.magnitude <= 0x1p53 ? Int(exactly: number) : nil)
    }

    /// A whole number of any size.
    var numberID: RecordID? {
        if let integer { return .integer(Int64(integer)) }
        let digits = bytes.text(range)
        return number != nil && digits.utf8.dropFirst().allSatisfy({ (0x30...0x39).contains($0) })
            ? .large(digits) : nil
    }

    var boolean: Bool? {
        switch first {
        case UInt8(ascii: "t"): true
        case UInt8(ascii: "f"): false
        default: nil
        }
    }

    /// As the file spells it.
    var json: [UInt8] { Array(bytes.text(range).utf8) }

    /// Its start on one line, for messages.
    var snippet: String { bytes.snippet(range) }

    /// Those of an array; none of anything else.
    var elements: [JSONValue] {
        guard isArray else { return [] }
        return bytes.withBytes { content in
            JSONScanner.elements(content, range).map {
                JSONValue(bytes, range: $0, first: content[$0.lowerBound])
            }
        }
    }

    /// Those of an object; none of anything else.
    var members: JSONObject {
        guard isObject else { return JSONObject([]) }
        return bytes.withBytes { content in
            var scanner = JSONScanner(content, range)
            let text = scanner
            var members: [(key: String, value: JSONValue)] = []
            scanner.members { key, value in
                members.append(
                    (
                        text.text(key) ?? "",
                        JSONValue(bytes, range: value, first: content[value.lowerBound])
                    ))
            }
            return JSONObject(members)
        }
    }

    subscript(key: String) -> JSONValue? { members[key] }

    /// The numbers of an array of finite numbers; nil for anything else.
    var numbers: [Double]? {
        guard isArray else { return nil }
        return bytes.withBytes { content in
            var scanner = JSONScanner(content, range)
            var numbers: [Double] = []
            return scanner.appendNumbers(to: &numbers) ? numbers : nil
        }
    }

    /// The bytes of an array of whole numbers up to 255; nil for anything else.
    var octets: [UInt8]? {
        guard isArray else { return nil }
        return bytes.withBytes { content in
            var octets: [UInt8] = []
            var (value, digits) = (0, 0)
            for byte in content[range].dropFirst() {
                switch byte {
                case 0x30...0x39:
                    value = value * 10 + Int(byte - 0x30)
                    digits += 1
                    guard value < 256, digits <= 3 else { return nil }
                case UInt8(ascii: ","), UInt8(ascii: "]"):
                    if digits > 0 { octets.append(UInt8(value)) }
                    (value, digits) = (0, 0)
                case 0x20, 0x0A, 0x0D, 0x09: break
                default: return nil
                }
            }
            return octets
        }
    }

    /// The coordinates of an array of points [x, y], in turn; nil for anything else.
    var points: [Double]? {
        guard isArray else { return nil }
        return bytes.withBytes { content in
            var scanner = JSONScanner(content, range)
            var numbers: [Double] = []
            _ = scanner.take("[")
            while !scanner.take("]") {
                let count = numbers.count
                guard scanner.peek() == UInt8(ascii: "["), scanner.appendNumbers(to: &numbers),
                    numbers.count == count + 2
                else { return nil }
                _ = scanner.take(",")
            }
            return numbers
        }
    }
}

extension JSONValue {
    /// The mask that it is as COCO has them.
    func segmentation() throws -> Segmentation {
        try bytes.withBytes { try Segmentation(JSONScanner($0, range)) }
    }
}

/// The members of an object. A member that is null counts as absent, of a key that is repeated the
/// last.
struct JSONObject {
    let all: [(key: String, value: JSONValue)]

    init(_ all: [(key: String, value: JSONValue)]) {
        self.all = all.filter { !$0.value.isNull }
    }

    subscript(key: String) -> JSONValue? { all.last { $0.key == key }?.value }
}

extension JSONValue {
    fileprivate var isNull: Bool { first == UInt8(ascii: "n") }
}

extension JSONScanner {
    /// Adds the numbers of the array that comes next; false where it holds something else.
    fileprivate mutating func appendNumbers(to numbers: inout [Double]) -> Bool {
        guard take("[") else { return false }
        while !take("]") {
            let first = peek()
            guard first == UInt8(ascii: "-") || (0x30...0x39).contains(first),
                let number = number(scalar()), number.isFinite
            else { return false }
            numbers.append(number)
            _ = take(",")
        }
        return true
    }
}
