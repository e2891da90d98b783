import Files

/// OmegaConf's `${…}`: `${dataset.val_img_dir}` is another key's value, `${oc.env:NAME}` and
/// `${oc.env:NAME,default}` a variable of the environment. Everything else is refused by name.
struct SpecInterpolation {
    struct Failure: Error {
        let message: String
    }

    /// The value of a key as set or by default; `nil` when there is no such key.
    let lookup: (String) -> SpecNode?
    let environment: [String: String]

    private var resolved: [String: SpecNode] = [:]
    private var open: Set<String> = []
    private static let byteLimit = 4096

    init(environment: [String: String], lookup: @escaping (String) -> SpecNode?) {
        self.environment = environment
        self.lookup = lookup
    }

    /// `node`, the value of `key`, with all its interpolations replaced.
    mutating func resolve(_ node: SpecNode, of key: String) throws(Failure) -> SpecNode {
        if let done = resolved[key] { return done }
        guard open.insert(key).inserted else {
            throw Failure(message: "refers to itself through \(key)")
        }
        defer { open.remove(key) }
        let result = try resolve(node)
        resolved[key] = result
        return result
    }

    private mutating func resolve(_ node: SpecNode) throws(Failure) -> SpecNode {
        switch node.content {
        case .text(let text) where text.contains("${"):
            return try resolve(text, node)
        case .list(let elements):
            var copy = node
            var results: [SpecNode] = []
            for element in elements { results.append(try resolve(element)) }
            copy.content = .list(results)
            return copy
        default:
            return node
        }
    }

    private mutating func resolve(_ text: String, _ node: SpecNode) throws(Failure) -> SpecNode {
        var rest = text[...]
        var result = ""
        while let start = rest.firstRange(of: "${") {
            let before = rest[..<start.lowerBound]
            if before.last == "\\" {
                result += before.dropLast() + "${"
                rest = rest[start.upperBound...]
                continue
            }
            guard let end = rest[start.upperBound...].firstIndex(of: "}") else {
                throw Failure(message: "must close ${ with }")
            }
            let value = try target(String(rest[start.upperBound..<end]))
            rest = rest[rest.index(after: end)...]
            if before.isEmpty, result.isEmpty, rest.isEmpty {
                return SpecNode(value.content, text: value.text, line: node.line)
            }
            switch value.content {
            case .list, .section: throw Failure(message: "puts \(value.found) inside a text")
            default: result += before + value.text
            }
            guard result.utf8.count <= SpecInterpolation.byteLimit else {
                throw Failure(message: "grows over \(SpecInterpolation.byteLimit) bytes")
            }
        }
        result += rest
        return SpecNode(.text(result), text: result, line: node.line)
    }

    private mutating func target(_ expression: String) throws(Failure) -> SpecNode {
        if expression.hasPrefix("oc.env:") {
            let parts = expression.dropFirst(7).split(
                separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
            let name = trimmed(parts[0])
            if let value = environment[name] ?? (parts.count > 1 ? trimmed(parts[1]) : nil) {
                return SpecNode(.text(value), text: value)
            }
            throw Failure(
                message: "needs the environment variable \(printable(name)), which is not set")
        }
        guard !expression.contains(":"), !expression.contains("$"), !expression.hasPrefix(".")
        else {
            throw Failure(
                message: "has ${\(printable(expression))}: only ${section.key} and ${oc.env:NAME} "
                    + "are understood")
        }
        guard let value = lookup(expression) else {
            throw Failure(message: "refers to \(printable(expression)), which is no key")
        }
        if value.text == "???" {
            throw Failure(message: "refers to \(printable(expression)), which has no value")
        }
        return try resolve(value, of: expression)
    }

    private func trimmed(_ text: some StringProtocol) -> String {
        let start = text.drop { $0 == " " }
        return String(start.reversed().drop { $0 == " " }.reversed())
    }
}
