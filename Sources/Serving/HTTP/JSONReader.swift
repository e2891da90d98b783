import Annotations
import Files
import HTTPTypes

extension JSONValue {
    /// Reads a document of at most four million values. What takes more memory counts for more: a text or a list as
    /// 4, a key as 3, an object as 16.
    ///
    /// - Parameters:
    ///   - name: what errors call the document.
    ///   - hold: counts the values.
    /// - Throws: ``Refusal`` with the place of the first fault.
    init(json: [UInt8], name: String = "the body", _ hold: MemoryBudget.Hold) throws {
        let bytes = try FileBytes(json, path: name)
        do {
            try bytes.checkJSON(path: name)
        } catch {
            guard case AnnotationError.syntax(_, let line, let column, let message) = error else {
                throw error
            }
            throw Refusal(.badRequest, "\(name): line \(line) column \(column): \(message)")
        }
        self = try bytes.withBytes { content in
            var reader = JSONReader(
                scanner: JSONScanner(content, 0..<content.count), name: name, hold: hold)
            return try reader.value()
        }
    }
}

/// Makes values of a document that was checked before, and bounds what they take.
private struct JSONReader {
    var scanner: JSONScanner
    let name: String
    let hold: MemoryBudget.Hold
    private var cost = 0
    /// The part of `cost` that `hold` has counted.
    private var heldCost = 0

    private static let maxCost = 4_000_000
    /// As measured: 164 MB for a list of four million numbers.
    private static let bytesPerCost = 41

    init(scanner: JSONScanner, name: String, hold: MemoryBudget.Hold) {
        self.scanner = scanner
        self.name = name
        self.hold = hold
    }

    mutating func value() throws -> JSONValue {
        try count(1)
        switch scanner.peek() {
        case UInt8(ascii: "{"):
            try count(15)
            var members: [String: JSONValue] = [:]
            _ = scanner.take("{")
            while !scanner.take("}") {
                _ = scanner.peek()
                let key = try text()
                _ = scanner.take(":")
                members[key] = try value()
                _ = scanner.take(",")
            }
            return .object(members)
        case UInt8(ascii: "["):
            try count(3)
            var elements: [JSONValue] = []
            _ = scanner.take("[")
            while !scanner.take("]") {
                elements.append(try value())
                _ = scanner.take(",")
            }
            return .list(elements)
        case UInt8(ascii: "\""): return .text(try text())
        case UInt8(ascii: "t"), UInt8(ascii: "f"):
            return .boolean(scanner.bytes[scanner.scalar().lowerBound] == UInt8(ascii: "t"))
        case UInt8(ascii: "n"):
            _ = scanner.scalar()
            return .null
        default:
            let range = scanner.scalar()
            guard let number = scanner.number(range), number.isFinite else {
                throw fault("a number of double precision", range)
            }
            return .number(number)
        }
    }

    private mutating func text() throws -> String {
        try count(3)
        let range = scanner.string()
        guard let text = scanner.text(range) else { throw fault("pairs of surrogates", range) }
        return text
    }

    private mutating func count(_ more: Int) throws {
        cost += more
        guard cost <= Self.maxCost else {
            throw Refusal(
                .badRequest, "\(name): expected at most \(Self.maxCost) values, found more")
        }
        if cost - heldCost >= 4096 {
            try hold.add((cost - heldCost) * Self.bytesPerCost)
            heldCost = cost
        }
    }

    private func fault(_ expected: String, _ range: Range<Int>) -> Refusal {
        let found = String(decoding: scanner.bytes[range.prefix(40)], as: UTF8.self)
        return Refusal(.badRequest, "\(name): expected \(expected), found \(found.quoted)")
    }
}
