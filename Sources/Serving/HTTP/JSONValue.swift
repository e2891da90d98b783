import Files

/// A JSON value of a request.
enum JSONValue: Sendable, Equatable {
    case null
    case boolean(Bool)
    case number(Double)
    case text(String)
    case list([JSONValue])
    case object([String: JSONValue])

    subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self, let value = members[key], value != .null else {
            return nil
        }
        return value
    }

    var text: String? { if case .text(let text) = self { text } else { nil } }
    var number: Double? { if case .number(let number) = self { number } else { nil } }
    var boolean: Bool? { if case .boolean(let flag) = self { flag } else { nil } }
    var list: [JSONValue]? { if case .list(let list) = self { list } else { nil } }
    var integer: Int? { number.flatMap(Int.init(exactly:)) }
    var isObject: Bool { if case .object = self { true } else { false } }

    /// The numbers of a list of numbers.
    var numbers: [Double]? {
        guard let list else { return nil }
        let numbers = list.compactMap(\.number)
        return numbers.count == list.count ? numbers : nil
    }

    /// Its start on one line, for messages.
    var snippet: String {
        switch self {
        case .null: "null"
        case .text(let text): text.quoted
        case .object(let members): members.isEmpty ? "{}" : "an object"
        case .list(let list): list.isEmpty ? "[]" : "a list of \(list.count)"
        case .boolean(let flag): "\(flag)"
        case .number(let number): Int(exactly: number).map { "\($0)" } ?? "\(number)"
        }
    }

    /// As JSON, with the keys of objects in order.
    var json: String {
        var text = ""
        write(to: &text)
        return text
    }

    private func write(to out: inout String) {
        switch self {
        case .null: out += "null"
        case .boolean(let flag): out += flag ? "true" : "false"
        case .number(let number): out += Int(exactly: number).map { "\($0)" } ?? jsonNumber(number)
        case .text(let text): out += jsonText(text)
        case .list(let list):
            out += "["
            for (place, value) in list.enumerated() {
                if place > 0 { out += "," }
                value.write(to: &out)
            }
            out += "]"
        case .object(let members):
            out += "{"
            for (place, key) in members.keys.sorted().enumerated() {
                if place > 0 { out += "," }
                out += jsonText(key) + ":"
                members[key]?.write(to: &out)
            }
            out += "}"
        }
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByDictionaryLiteral,
    ExpressibleByArrayLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral
{
    init(stringLiteral text: String) { self = .text(text) }
    init(integerLiteral number: Int) { self = .number(Double(number)) }
    init(booleanLiteral flag: Bool) { self = .boolean(flag) }
    init(arrayLiteral values: JSONValue...) { self = .list(values) }
    init(dictionaryLiteral members: (String, JSONValue)...) {
        self = .object(Dictionary(members) { _, last in last })
    }

    init(_ number: Int) { self = .number(Double(number)) }

    /// null for what is not finite.
    init(_ number: Double) { self = number.isFinite ? .number(number) : .null }

    init(_ text: String?) { self = text.map { .text($0) } ?? .null }
}
