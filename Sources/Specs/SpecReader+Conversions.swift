/// What OmegaConf's typed nodes accept: a quoted number is a number, a number can be a text, a
/// fraction is never a whole number.
extension SpecReader {
    package static func whole(_ node: SpecNode) -> Int? {
        switch node.content {
        case .integer(let value): value
        case .text(let text):
            text.utf8.count <= 40 ? Int(text.filter { $0 != "_" && $0 != " " }) : nil
        default: nil
        }
    }

    /// Finite numbers only.
    package static func number(_ node: SpecNode) -> Double? {
        let value: Double? =
            switch node.content {
            case .integer(let value): Double(value)
            case .number(let value): value
            case .text(let text): decimalNumber(text)
            default: nil
            }
        return value?.isFinite == true ? value : nil
    }

    package static func flag(_ node: SpecNode) -> Bool? {
        switch node.content {
        case .flag(let value): value
        case .integer(0): false
        case .integer(1): true
        case .text(let text):
            switch text.lowercased() {
            case "true", "yes", "on", "y", "1": true
            case "false", "no", "off", "n", "0": false
            default: nil
            }
        default: nil
        }
    }

    package static func text(_ node: SpecNode) -> String? {
        switch node.content {
        case .flag, .integer, .number, .text: node.text.utf8.count <= 4096 ? node.text : nil
        case .null, .list, .section: nil
        }
    }

    /// A text that a file can be named.
    package static func path(_ node: SpecNode) -> String? {
        text(node).flatMap { $0.utf8.contains(0) ? nil : $0 }
    }

    static func elements<Value>(_ node: SpecNode, _ conversion: (SpecNode) -> Value?) -> [Value]? {
        guard case .list(let elements) = node.content else { return nil }
        var values: [Value] = []
        for element in elements {
            guard let value = conversion(element) else { return nil }
            values.append(value)
        }
        return values
    }
}
