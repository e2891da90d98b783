import Files
import Glibc
import HTTPTypes

extension JSONValue {
    /// Reads a document of at most four million values, 64 in each other. What takes more memory counts for more:
    /// a text or a list as 4, a key as 3, an object as 16.
    ///
    /// - Parameter name: what errors call the document.
    /// - Throws: ``Refusal`` with the place of the first fault.
    init(json: [UInt8], name: String = "the body") throws {
        self = try json.withUnsafeBufferPointer { bytes in
            var parser = JSONParser(bytes: bytes, name: name)
            return try parser.document()
        }
    }
}

/// Reads JSON (RFC 8259) of clients: what it takes is bounded, and it stops at the first fault.
private struct JSONParser {
    private let bytes: UnsafeBufferPointer<UInt8>
    private let name: String
    private var place = 0
    private var cost = 0

    private static let maxDepth = 64
    private static let maxCost = 4_000_000

    init(bytes: UnsafeBufferPointer<UInt8>, name: String) {
        self.bytes = bytes
        self.name = name
    }

    mutating func document() throws -> JSONValue {
        let value = try value(depth: 0)
        skipSpace()
        guard place == bytes.count else { throw fault("the end") }
        return value
    }

    private mutating func value(depth: Int) throws -> JSONValue {
        skipSpace()
        guard depth <= Self.maxDepth else { throw fault("at most \(Self.maxDepth) levels") }
        try count(1)
        switch peek {
        case UInt8(ascii: "{"): return .object(try members(depth: depth))
        case UInt8(ascii: "["): return .list(try elements(depth: depth))
        case UInt8(ascii: "\""): return .text(try string())
        case UInt8(ascii: "t"): return try word("true", .boolean(true))
        case UInt8(ascii: "f"): return try word("false", .boolean(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return .number(try number())
        }
    }

    private mutating func count(_ more: Int) throws {
        cost += more
        guard cost <= Self.maxCost else { throw fault("at most \(Self.maxCost) values") }
    }

    private mutating func members(depth: Int) throws -> [String: JSONValue] {
        try count(15)
        var members: [String: JSONValue] = [:]
        place += 1
        guard !take("}") else { return members }
        repeat {
            skipSpace()
            guard peek == UInt8(ascii: "\"") else { throw fault("a key in quotes") }
            let key = try string()
            guard take(":") else { throw fault("\":\"") }
            members[key] = try value(depth: depth + 1)
        } while take(",")
        guard take("}") else { throw fault("\",\" or \"}\"") }
        return members
    }

    private mutating func elements(depth: Int) throws -> [JSONValue] {
        try count(3)
        var elements: [JSONValue] = []
        place += 1
        guard !take("]") else { return elements }
        repeat { elements.append(try value(depth: depth + 1)) } while take(",")
        guard take("]") else { throw fault("\",\" or \"]\"") }
        return elements
    }

    private mutating func string() throws -> String {
        try count(3)
        place += 1
        let start = place
        while let byte = peek, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20
        {
            place += 1
        }
        var text: [UInt8] = []
        let plain = start..<place
        if peek != UInt8(ascii: "\"") {
            text.append(contentsOf: bytes[plain])
            try escapedRest(into: &text)
        }
        let found =
            text.isEmpty
            ? String(validating: bytes[plain], as: UTF8.self)
            : String(validating: text, as: UTF8.self)
        guard let found else { throw fault("UTF-8") }
        place += 1
        return found
    }

    /// Up to the closing quote.
    private mutating func escapedRest(into text: inout [UInt8]) throws {
        while let byte = peek, byte != UInt8(ascii: "\"") {
            guard byte >= 0x20 else { throw fault("no control character in a string") }
            place += 1
            guard byte == UInt8(ascii: "\\") else {
                text.append(byte)
                continue
            }
            guard let escape = peek else { break }
            place += 1
            switch escape {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(escape)
            case UInt8(ascii: "b"): text.append(8)
            case UInt8(ascii: "f"): text.append(12)
            case UInt8(ascii: "n"): text.append(10)
            case UInt8(ascii: "r"): text.append(13)
            case UInt8(ascii: "t"): text.append(9)
            case UInt8(ascii: "u"): text.append(contentsOf: Character(try scalar()).utf8)
            default: throw fault("an escape of JSON")
            }
        }
        guard peek == UInt8(ascii: "\"") else { throw fault("the end of a string") }
    }

    private mutating func scalar() throws -> Unicode.Scalar {
        var unit = try hex()
        if (0xD800..<0xDC00).contains(unit), place + 1 < bytes.count,
            bytes[place] == UInt8(ascii: "\\"), bytes[place + 1] == UInt8(ascii: "u")
        {
            place += 2
            let low = try hex()
            guard (0xDC00..<0xE000).contains(low) else { throw fault("a pair of surrogates") }
            unit = 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(unit) else { throw fault("a pair of surrogates") }
        return scalar
    }

    private mutating func hex() throws -> UInt32 {
        guard place + 4 <= bytes.count,
            bytes[place..<place + 4].allSatisfy({ isxdigit(Int32($0)) != 0 }),
            let unit = UInt32(
                String(decoding: bytes[place..<place + 4], as: UTF8.self), radix: 16)
        else { throw fault("four hexadecimal digits") }
        place += 4
        return unit
    }

    private mutating func number() throws -> Double {
        let start = place
        if peek == UInt8(ascii: "-") { place += 1 }
        let first = peek
        guard takeDigits() > 0 else {
            place = start
            throw fault("a value")
        }
        guard first != UInt8(ascii: "0") || place - start <= (bytes[start] == first ? 1 : 2) else {
            throw fault("a number without a leading 0")
        }
        if peek == UInt8(ascii: ".") {
            place += 1
            guard takeDigits() > 0 else { throw fault("a digit") }
        }
        if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
            place += 1
            if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { place += 1 }
            guard takeDigits() > 0 else { throw fault("a digit") }
        }
        guard place - start <= 400,
            let number = Double(String(decoding: bytes[start..<place], as: UTF8.self)),
            number.isFinite
        else { throw fault("a number of double precision") }
        return number
    }

    private mutating func takeDigits() -> Int {
        let start = place
        while let byte = peek, (0x30...0x39).contains(byte) { place += 1 }
        return place - start
    }

    private mutating func word(_ word: StaticString, _ value: JSONValue) throws -> JSONValue {
        let length = word.utf8CodeUnitCount
        guard place + length <= bytes.count,
            word.withUTF8Buffer({ bytes[place..<place + length].elementsEqual($0) })
        else { throw fault("a value") }
        place += length
        return value
    }

    private var peek: UInt8? { place < bytes.count ? bytes[place] : nil }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            place += 1
        }
    }

    private mutating func take(_ byte: Unicode.Scalar) -> Bool {
        skipSpace()
        guard peek == UInt8(ascii: byte) else { return false }
        place += 1
        return true
    }

    private func fault(_ expected: String) -> Refusal {
        let found =
            place < bytes.count
            ? String(decoding: bytes[place..<min(place + 12, bytes.count)], as: UTF8.self).quoted
            : "the end"
        return Refusal(
            .badRequest, "\(name): byte \(place): expected \(expected) of JSON, found \(found)")
    }
}
