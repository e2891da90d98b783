import Files

/// A value as it stands in a spec file or an override, before anyone knows which type it must have.
struct SpecNode: Equatable, Sendable {
    indirect enum Content: Equatable, Sendable {
        case null
        case flag(Bool)
        case integer(Int)
        /// Also whole numbers that do not fit an `Int`.
        case number(Double)
        case text(String)
        case list([SpecNode])
        case section([Entry])
    }

    struct Entry: Equatable, Sendable {
        var key: String
        var line: Int?
        var value: SpecNode
    }

    var content: Content
    /// The scalar as written: what a text key takes, and what messages show.
    var text: String
    /// `nil` in an override.
    var line: Int?

    init(_ content: Content, text: String, line: Int? = nil) {
        self.content = content
        self.text = text
        self.line = line
    }

    /// How a message shows what was found.
    var found: String {
        switch content {
        case .null: "null"
        case .flag, .integer, .number: printable(text)
        case .text(let value): quoted(value)
        case .list(let elements): "a list of \(elements.count)"
        case .section: "a section"
        }
    }
}

extension SpecNode {
    /// An unquoted scalar of a YAML file, typed by the rules that OmegaConf reads YAML 1.1 with:
    /// `yes` is true, `012` is octal, and `1e-6` is a number although it has no point.
    static func plainScalar(_ text: String, line: Int?) -> SpecNode {
        SpecNode(plainContent(text), text: text, line: line)
    }

    private static func plainContent(_ text: String) -> Content {
        switch text {
        case "", "~", "null", "Null", "NULL": .null
        case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON": .flag(true)
        case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF": .flag(false)
        case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF": .number(.infinity)
        case "-.inf", "-.Inf", "-.INF": .number(-.infinity)
        case ".nan", ".NaN", ".NAN": .number(.nan)
        default: integerContent(text) ?? decimalNumber(text).map(Content.number) ?? .text(text)
        }
    }

    /// A whole number as YAML 1.1 writes it, or `nil`; one that overflows `Int` becomes a `Double`.
    private static func integerContent(_ text: String) -> Content? {
        let negative = text.hasPrefix("-")
        let unsigned = text.hasPrefix("-") || text.hasPrefix("+") ? text.dropFirst() : text[...]
        guard let first = unsigned.utf8.first, first >= 0x30, first <= 0x39 else { return nil }
        let digits = unsigned.filter { $0 != "_" }
        let (body, radix): (Substring, Int)
        if digits.hasPrefix("0x") {
            (body, radix) = (digits.dropFirst(2)[...], 16)
        } else if digits.hasPrefix("0b") {
            (body, radix) = (digits.dropFirst(2)[...], 2)
        } else if digits.count > 1, digits.hasPrefix("0") {
            (body, radix) = (digits.dropFirst()[...], 8)
        } else {
            (body, radix) = (digits[...], 10)
        }
        guard !body.isEmpty, body.utf8.allSatisfy({ digitValue($0) < radix }) else { return nil }
        if let value = Int((negative ? "-" : "") + body, radix: radix) { return .integer(value) }
        let magnitude = body.utf8.reduce(0.0) { $0 * Double(radix) + Double(digitValue($1)) }
        return .number(negative ? -magnitude : magnitude)
    }

    private static func digitValue(_ character: UInt8) -> Int {
        switch character {
        case 0x30...0x39: Int(character) - 0x30
        case 0x41...0x46: Int(character) - 0x41 + 10
        case 0x61...0x66: Int(character) - 0x61 + 10
        default: .max
        }
    }
}

/// A decimal number such as `1e-6`, `.5`, `-2.` or `1_000.5`, or `nil` for any other text.
func decimalNumber(_ text: String) -> Double? {
    var digitCount = 0
    var pointCount = 0
    var cleaned = ""
    var previous: Character = " "
    for character in text {
        switch character {
        case "0"..."9": digitCount += 1
        case ".": pointCount += 1
        case "_" where digitCount > 0: continue
        case "e" where digitCount > 0, "E" where digitCount > 0: break
        case "-" where cleaned.isEmpty || previous == "e" || previous == "E": break
        case "+" where cleaned.isEmpty || previous == "e" || previous == "E": break
        default: return nil
        }
        cleaned.append(character)
        previous = character
    }
    guard digitCount > 0, pointCount <= 1, cleaned.utf8.count <= 400 else { return nil }
    // `Double.init` refuses a point without digits after it, which YAML and Python allow.
    if let point = cleaned.firstIndex(of: ".") {
        let next = cleaned.index(after: point)
        if next == cleaned.endIndex || !("0"..."9").contains(cleaned[next]) {
            cleaned.insert("0", at: next)
        }
    }
    return Double(cleaned)
}
