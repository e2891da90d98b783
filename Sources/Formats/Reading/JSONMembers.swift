import Annotations
import Files

/// Members of a JSON object, each with a comma before it.
struct JSONMembers {
    private(set) var bytes: [UInt8] = []

    mutating func add(_ key: String, json: some Sequence<UInt8>) {
        bytes += Array(", ".utf8) + PythonJSON.string(key) + Array(": ".utf8)
        bytes += json
    }

    /// - Parameter number: finite.
    mutating func add(_ key: String, number: Double) {
        add(key, json: PythonJSON.number(number).utf8)
    }

    mutating func add(_ key: String, integer: Int) { add(key, json: "\(integer)".utf8) }

    mutating func add(_ key: String, text: String) { add(key, json: PythonJSON.string(text)) }

    mutating func add(_ key: String, numbers: [Double]) {
        add(key, json: Self.list(numbers))
    }

    mutating func add(_ key: String, polygons: [[Double]]) {
        var json: [UInt8] = [UInt8(ascii: "[")]
        for (place, polygon) in polygons.enumerated() {
            if place > 0 { json += Array(", ".utf8) }
            json += Self.list(polygon)
        }
        json.append(UInt8(ascii: "]"))
        add(key, json: json)
    }

    private static func list(_ numbers: [Double]) -> [UInt8] {
        var json: [UInt8] = [UInt8(ascii: "[")]
        for (place, number) in numbers.enumerated() {
            if place > 0 { json += Array(", ".utf8) }
            json += Array(PythonJSON.number(number).utf8)
        }
        json.append(UInt8(ascii: "]"))
        return json
    }
}

extension RecordID {
    /// As JSON has it: digits, or a text in quotes.
    var json: [UInt8] {
        switch self {
        case .integer(let value): Array("\(value)".utf8)
        case .text(let text): PythonJSON.string(text)
        case .large(let digits): Array(digits.utf8)
        }
    }
}
