import Files

/// One `key=value` of the command line, in the grammar of Hydra's overrides.
///
/// `++key=value` and `+key=value` mean the same as `key=value`: every key has a default, so nothing
/// is ever appended. `~key` is refused.
struct SpecOverride: Equatable, Sendable {
    /// The argument as given, for messages.
    let argument: String
    /// Dotted: `train.lr`.
    let key: String
    let value: SpecNode

    var place: String { SpecOverride.place(of: argument) }

    static func place(of argument: String) -> String { "override \(printable(argument))" }

    private static let byteLimit = 64 << 10

    init(_ argument: String) throws(SpecError) {
        func fail(_ message: String) -> SpecError {
            SpecError(place: SpecOverride.place(of: argument), message, isOfCommandLine: true)
        }
        guard argument.utf8.count <= SpecOverride.byteLimit else {
            throw fail("must be \(SpecOverride.byteLimit >> 10) KiB or less")
        }
        guard !argument.hasPrefix("~") else {
            throw fail("a key can't be removed: set it to the value you want")
        }
        let body = argument.drop { $0 == "+" }
        guard argument.count - body.count <= 2, let equals = body.firstIndex(of: "=") else {
            throw fail("must be key=value")
        }
        let key = body[..<equals]
        let isDotted = key.split(separator: ".", omittingEmptySubsequences: false).allSatisfy {
            !$0.isEmpty && $0.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" }
        }
        guard isDotted else { throw fail("must begin with a dotted key such as train.lr") }
        self.argument = argument
        self.key = String(key)
        var parser = OverrideValueParser(String(body[body.index(after: equals)...]))
        do {
            value = try parser.wholeValue()
        } catch {
            throw fail(error.message)
        }
    }
}

/// The right side of an override: a quoted or plain scalar, `[a, b]` or `{key: value}`.
private struct OverrideValueParser {
    struct Failure: Error {
        let message: String
    }

    private let characters: [Character]
    private var position = 0
    private static let depthLimit = 16

    init(_ text: String) {
        characters = Array(text)
    }

    mutating func wholeValue() throws(Failure) -> SpecNode {
        skipSpaces()
        // Hydra reads `key=` as the empty text, not as null.
        guard peek != nil else { return SpecNode(.text(""), text: "") }
        let node = try value(depth: 0)
        skipSpaces()
        switch peek {
        case nil: return node
        case ",":
            throw Failure(message: "has a comma: write a list as [a,b], quote a text as 'a,b'")
        default: throw Failure(message: "has \(quoted(String(characters[position...]))) too much")
        }
    }

    private mutating func value(depth: Int) throws(Failure) -> SpecNode {
        guard depth <= OverrideValueParser.depthLimit else {
            throw Failure(message: "nests too deep")
        }
        skipSpaces()
        switch peek {
        case "[": return try list(depth: depth)
        case "{": return try section(depth: depth)
        case "'", "\"": return try quotedText()
        default: return try plainScalar(inside: depth > 0)
        }
    }

    private mutating func list(depth: Int) throws(Failure) -> SpecNode {
        var elements: [SpecNode] = []
        position += 1
        skipSpaces()
        if take("]") { return SpecNode(.list([]), text: "") }
        while true {
            elements.append(try value(depth: depth + 1))
            skipSpaces()
            if take("]") { return SpecNode(.list(elements), text: "") }
            guard take(",") else { throw Failure(message: "must close its list with ]") }
        }
    }

    private mutating func section(depth: Int) throws(Failure) -> SpecNode {
        var entries: [SpecNode.Entry] = []
        position += 1
        skipSpaces()
        if take("}") { return SpecNode(.section([]), text: "") }
        while true {
            skipSpaces()
            var key = ""
            while let next = peek, !" :,}".contains(next) {
                key.append(next)
                position += 1
            }
            skipSpaces()
            guard !key.isEmpty, take(":") else {
                throw Failure(message: "must hold key: value pairs inside { }")
            }
            entries.append(.init(key: key, line: nil, value: try value(depth: depth + 1)))
            skipSpaces()
            if take("}") { return SpecNode(.section(entries), text: "") }
            guard take(",") else { throw Failure(message: "must close its section with }") }
        }
    }

    private mutating func quotedText() throws(Failure) -> SpecNode {
        let quote = characters[position]
        var text = ""
        position += 1
        while let next = peek {
            position += 1
            if next == "\\", let escaped = peek, escaped == quote || escaped == "\\" {
                text.append(escaped)
                position += 1
            } else if next == quote {
                return SpecNode(.text(text), text: text)
            } else {
                text.append(next)
            }
        }
        throw Failure(message: "must close its quote \(quote)")
    }

    private mutating func plainScalar(inside nested: Bool) throws(Failure) -> SpecNode {
        var text = ""
        var braceDepth = 0
        while let next = peek {
            if next == "\\", position + 1 < characters.count {
                text.append(characters[position + 1])
                position += 2
                continue
            }
            // `${a.b}` keeps its braces and, inside them, its commas.
            if next == "{", text.last == "$" || braceDepth > 0 { braceDepth += 1 }
            if braceDepth == 0, ",[]{}\"'".contains(next) { break }
            if next == "}", braceDepth > 0 { braceDepth -= 1 }
            text.append(next)
            position += 1
        }
        while text.last == " " { text.removeLast() }
        if text.isEmpty, nested {
            throw Failure(message: "has an empty value in a list or section")
        }
        return OverrideValueParser.typed(text)
    }

    /// Hydra knows fewer spellings than YAML 1.1: `yes`, `~` and `012` are text and ten-based here.
    private static func typed(_ text: String) -> SpecNode {
        let content: SpecNode.Content
        switch text.lowercased() {
        case "null": content = .null
        case "true": content = .flag(true)
        case "false": content = .flag(false)
        case "inf", "+inf": content = .number(.infinity)
        case "-inf": content = .number(-.infinity)
        case "nan", "+nan", "-nan": content = .number(.nan)
        default:
            let digits = text.filter { $0 != "_" }
            if !text.hasPrefix("_"), let whole = Int(digits) {
                content = .integer(whole)
            } else {
                content = decimalNumber(text).map(SpecNode.Content.number) ?? .text(text)
            }
        }
        return SpecNode(content, text: text)
    }

    private var peek: Character? {
        position < characters.count ? characters[position] : nil
    }

    private mutating func take(_ character: Character) -> Bool {
        guard peek == character else { return false }
        position += 1
        return true
    }

    private mutating func skipSpaces() {
        while peek == " " || peek == "\t" { position += 1 }
    }
}
