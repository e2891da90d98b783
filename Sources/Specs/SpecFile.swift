import Files
import Yams

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A spec file's text, parsed into `SpecNode`s without trusting a byte of it.
///
/// Bounds: 256 KiB, 64 levels of nesting, 24 aliases in all. With so few aliases even the worst
/// "billion laughs" grows to some thousand nodes.
struct SpecFile {
    /// The path as the user gave it, for messages.
    let name: String
    let entries: [SpecNode.Entry]

    static let byteLimit = 256 << 10
    private static let depthLimit = 64
    private static let aliasLimit = 24

    init(path: String) throws(SpecError) {
        let name = printable(path)
        let bytes = try SpecFile.bytes(path: path, name: name)
        // Some editors begin a file with a byte order mark.
        let body = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes[3...] : bytes[...]
        guard let text = String(validating: body, as: UTF8.self) else {
            throw SpecError(place: name, "must be UTF-8 text, has other bytes")
        }
        try self.init(text: text, name: name)
    }

    init(text: String, name: String) throws(SpecError) {
        self.name = name
        guard text.utf8.count <= SpecFile.byteLimit else { throw SpecFile.tooLarge(name) }
        try SpecFile.checkAliasCount(text, name: name)
        let root: Node?
        do {
            root = try Yams.compose(yaml: text, .default, .default, .utf8)
        } catch {
            throw SpecFile.syntaxError(error, text: text, name: name)
        }
        guard let root, case let node = try SpecFile.node(root, depth: 0, name: name) else {
            entries = []
            return
        }
        switch node.content {
        case .null: entries = []
        case .section(let entries): self.entries = entries
        default:
            throw SpecError(
                place: "\(name) line \(node.line ?? 1)",
                "must hold `key: value` lines, is \(node.found)")
        }
    }

    // MARK: Reading

    private static func bytes(path: String, name: String) throws(SpecError) -> [UInt8] {
        // Opening a pipe would wait for its writer, perhaps for ever.
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
            let isFolder = status.st_mode & S_IFMT == S_IFDIR
            throw SpecError(
                place: name, "must be a file, is \(isFolder ? "a folder" : "a pipe or device")")
        }
        guard !path.isEmpty, !path.utf8.contains(0), let file = fopen(path, "rb") else {
            let reason = path.isEmpty || path.utf8.contains(0) ? ENOENT : errno
            throw SpecError(place: name, "can't be opened: \(String(cString: strerror(reason)))")
        }
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: byteLimit + 1)
        let count = fread(&buffer, 1, buffer.count, file)
        if ferror(file) != 0 {
            throw SpecError(place: name, "can't be read: \(String(cString: strerror(errno)))")
        }
        guard count <= byteLimit else { throw tooLarge(name) }
        return Array(buffer.prefix(count))
    }

    private static func tooLarge(_ name: String) -> SpecError {
        SpecError(place: name, "must be \(byteLimit >> 10) KiB or less, is larger")
    }

    /// Counts what can be an alias (`*name` where a value can begin), outside comment lines. Yams
    /// expands aliases while it composes, so this must come before.
    private static func checkAliasCount(_ text: String, name: String) throws(SpecError) {
        var count = 0
        var line = 1
        var previous = UInt8(ascii: "\n")
        var atLineStart = true
        var inComment = false
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                line += byte == UInt8(ascii: "\n") ? 1 : 0
                (atLineStart, inComment) = (true, false)
            case UInt8(ascii: " "), UInt8(ascii: "\t"): break
            case UInt8(ascii: "#") where atLineStart: (inComment, atLineStart) = (true, false)
            default:
                let opens = " \t\n\r[{,:-?".utf8.contains(previous)
                if byte == UInt8(ascii: "*"), opens, !inComment { count += 1 }
                atLineStart = false
            }
            previous = byte
            if count > aliasLimit {
                throw SpecError(
                    place: "\(name) line \(line)",
                    "must have \(aliasLimit) aliases or fewer, has more")
            }
        }
    }

    // MARK: Yams to SpecNode

    private static func node(
        _ node: Node, depth: Int, name: String
    ) throws(SpecError) -> SpecNode {
        let line = node.mark?.line ?? 1
        guard depth <= depthLimit else {
            throw SpecError(
                place: "\(name) line \(line)",
                "must nest \(depthLimit) levels or fewer, nests deeper")
        }
        switch node {
        case .scalar(let scalar):
            return try self.scalar(scalar, line: line, name: name)
        case .sequence(let sequence):
            var elements: [SpecNode] = []
            for element in sequence {
                elements.append(try self.node(element, depth: depth + 1, name: name))
            }
            return SpecNode(.list(elements), text: "", line: line)
        case .mapping(let mapping):
            var entries: [SpecNode.Entry] = []
            var seen: [String: Int] = [:]
            for (key, value) in mapping {
                let keyLine = key.mark?.line ?? line
                guard case .scalar(let keyScalar) = key else {
                    throw SpecError(
                        place: "\(name) line \(keyLine)",
                        "a key must be a word, is a list or section")
                }
                let word = keyScalar.string
                if word == "<<", keyScalar.style == .plain {
                    throw SpecError(
                        place: "\(name) line \(keyLine)",
                        "merge keys (<<) are not supported: write the keys out")
                }
                if let first = seen.updateValue(keyLine, forKey: word) {
                    throw SpecError(
                        place: "\(name) line \(keyLine)",
                        "the key \(quoted(word)) was given already in line \(first)")
                }
                let content = try self.node(value, depth: depth + 1, name: name)
                entries.append(.init(key: word, line: keyLine, value: content))
            }
            return SpecNode(.section(entries), text: "", line: line)
        case .alias:
            throw SpecError(place: "\(name) line \(line)", "has an alias without an anchor")
        }
    }

    private static func scalar(
        _ scalar: Node.Scalar, line: Int, name: String
    ) throws(SpecError) -> SpecNode {
        let text = scalar.string
        let plain = SpecNode.plainScalar(text, line: line)
        switch scalar.tag.rawValue {
        case Tag.Name.implicit.rawValue where scalar.style == .plain: return plain
        case Tag.Name.implicit.rawValue, Tag.Name.str.rawValue, Tag.Name.nonSpecific.rawValue:
            return SpecNode(.text(text), text: text, line: line)
        case Tag.Name.int.rawValue, Tag.Name.float.rawValue, Tag.Name.bool.rawValue,
            Tag.Name.null.rawValue:
            return plain
        default:
            throw SpecError(
                place: "\(name) line \(line)",
                "has the tag \(quoted(scalar.tag.rawValue)), which means nothing here")
        }
    }

    // MARK: Syntax errors

    private static func syntaxError(
        _ error: any Error, text: String, name: String
    ) -> SpecError {
        guard let error = error as? YamlError else { return SpecError(place: name, "\(error)") }
        switch error {
        case .scanner(let context, let problem, let mark, _),
            .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let doing = context.map { " (\(printable($0.text)) of line \($0.mark.line))" } ?? ""
            // libyaml puts the end of the text one line too far.
            let lineCount = text.utf8.count { $0 == UInt8(ascii: "\n") } + 1
            return SpecError(
                place: "\(name) line \(min(mark.line, lineCount))",
                "is not YAML: \(printable(problem))\(doing)")
        case .reader(let problem, let offset, _, _):
            let before = text.prefix(offset ?? 0)
            let line = 1 + before.utf8.count { $0 == UInt8(ascii: "\n") }
            return SpecError(place: "\(name) line \(line)", "is not YAML: \(printable(problem))")
        case .duplicatedKeysInMapping(let keys, let context):
            return SpecError(
                place: "\(name) line \(context.mark.line)",
                "the key \(quoted(keys.first ?? "")) is given more than once")
        default:
            return SpecError(place: name, "is not YAML: \(printable(String(describing: error)))")
        }
    }
}
