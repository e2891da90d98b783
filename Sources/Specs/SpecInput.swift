import Files

/// Where a value was set.
enum SpecPlace: Equatable, Sendable {
    case file(name: String, line: Int)
    /// The override as given, the key it names, and its number among the overrides.
    case override(SpecOverride, index: Int)
    /// An option of the command, such as `--batch-size`.
    case option(name: String, index: Int)
    /// Nowhere: what is missing, or wrong about the defaults.
    case nowhere(name: String)

    /// Messages come in the order of the file, of the overrides, of the options.
    var order: (Int, Int) {
        switch self {
        case .file(_, let line): (0, line)
        case .override(_, let index): (1, index)
        case .option(_, let index): (2, index)
        case .nowhere: (3, 0)
        }
    }

    var description: String {
        switch self {
        case .file(let name, let line): "\(name) line \(line)"
        case .override(let override, _): override.place
        case .option(let name, _): name
        case .nowhere(let name): name
        }
    }

    /// Whether it came with the command, not from a file.
    var isOfCommandLine: Bool {
        switch self {
        case .override, .option: true
        case .file, .nowhere: false
        }
    }

    /// The message that `key` must be something and is not. An override already shows key and
    /// value.
    func message(_ key: String, _ requirement: String, found: String) -> String {
        switch self {
        case .override(let override, _) where override.key == key: requirement
        case .option: "\(requirement), is \(found)"
        default: "\(key) \(requirement), is \(found)"
        }
    }
}

/// All values that were set, by key: the file's, then the overrides', then the options' of the
/// command, later ones on top. Whether a value suits its key is the reader's business.
struct SpecInput {
    struct Value: Equatable {
        var node: SpecNode
        var place: SpecPlace
    }

    private(set) var values: [String: Value] = [:]
    private(set) var problems: [(place: SpecPlace, message: String)] = []
    private(set) var warnings: [String] = []
    /// What a message about a missing key calls the spec.
    let name: String

    private let leaves: Set<String>
    private let sections: Set<String>
    private var layer: [String: Value] = [:]
    /// A valid one is no old spelling but an auto-label spec's own.
    private var oldSpellings: [(old: String, new: [String], value: Value, isValid: Bool)] = []

    init(
        file: SpecFile?, overrides: [SpecOverride], settings: [SpecSetting], layout: SpecLayout,
        command: Spec.Command
    ) {
        name = file?.name ?? "spec"
        leaves = Set(layout.keys.map(\.name))
        sections = Set(layout.sections.map(\.name))
        let wrapped =
            file?.entries.contains { $0.key == "mal" || $0.key == "autolabel_type" } ?? false
        if let file {
            add(file.entries, below: "", wrapped: wrapped) { .file(name: file.name, line: $0 ?? 1) }
            endLayer()
        }
        for (index, override) in overrides.enumerated() {
            let entry = SpecNode.Entry(key: override.key, line: nil, value: override.value)
            add([entry], below: "", wrapped: wrapped) { _ in .override(override, index: index) }
            endLayer()
        }
        for (index, setting) in settings.enumerated() {
            precondition(leaves.contains(setting.key), "no key is named \(setting.key)")
            let place = SpecPlace.option(name: setting.source, index: index)
            values[setting.key] = Value(node: setting.value.node, place: place)
        }
        suggestUnknown(command)
    }

    // MARK: Flattening

    private var unknown: [(key: String, place: SpecPlace)] = []

    private mutating func add(
        _ entries: [SpecNode.Entry], below section: String, wrapped: Bool,
        place: (Int?) -> SpecPlace
    ) {
        for entry in entries {
            let path = section.isEmpty ? entry.key : "\(section).\(entry.key)"
            let key = path.hasPrefix("mal.") ? String(path.dropFirst(4)) : path
            let value = Value(node: entry.value, place: place(entry.line))
            if leaves.contains(key) {
                store(value, for: key)
            } else if key == "mal" || sections.contains(key) {
                switch entry.value.content {
                case .section(let inner):
                    add(inner, below: key == "mal" ? "" : key, wrapped: wrapped, place: place)
                case .null: break
                default:
                    let found = entry.value.found
                    problems.append(
                        (value.place, value.place.message(key, "must be a section", found: found)))
                }
            } else if let new = SpecSpelling.current(key, value: entry.value, wrapped: wrapped) {
                let isValid = SpecSpelling.isValid(key, wrapped: wrapped)
                oldSpellings.append((key, new, value, isValid))
            } else if key == "autolabel_type" {
                if entry.value.text != "mal" {
                    let found = entry.value.found
                    problems.append(
                        (value.place, value.place.message(key, "must be mal", found: found)))
                }
            } else if SpecSpelling.isIgnored(key, wrapped: wrapped) {
                warnings.append(
                    "\(value.place.description): \(printable(key)) is not used, ignored")
            } else {
                unknown.append((key, value.place))
            }
        }
    }

    private mutating func store(_ value: Value, for key: String) {
        if let earlier = layer.updateValue(value, forKey: key),
            case .file(_, let line) = earlier.place
        {
            problems.append((value.place, "\(key) was given already in line \(line)"))
        }
    }

    /// Puts the layer on top of the earlier ones. An old spelling fills what its layer leaves open.
    private mutating func endLayer() {
        for (old, new, value, isValid) in oldSpellings {
            guard value.node.content != .null else { continue }
            let open = new.filter { layer[$0] == nil }
            for key in open {
                layer[key] = Value(
                    node: SpecSpelling.converted(value.node, for: key), place: value.place)
            }
            if isValid, !open.isEmpty { continue }
            let reading =
                open.isEmpty
                ? "ignored beside \(new.joined(separator: ", "))"
                : "read as \(open.joined(separator: ", "))"
            warnings.append("\(value.place.description): \(old) is an old spelling, \(reading)")
        }
        oldSpellings = []
        values.merge(layer) { _, later in later }
        layer = [:]
    }

    // MARK: Unknown keys

    /// A search among all keys is worth its time for the first ones, which are those that are shown.
    private static let suggestionLimit = 50

    private mutating func suggestUnknown(_ command: Spec.Command) {
        let known = unknown.isEmpty ? [] : leaves.union(sections).sorted()
        for (index, (key, place)) in unknown.enumerated() {
            let suggestion =
                index < Self.suggestionLimit
                ? SpecSynonyms.key(meantBy: key, command: command) ?? nearest(to: key, among: known)
                : nil
            let hint = suggestion.map { ": did you mean \($0)?" } ?? ""
            problems.append((place, "unknown key \(printable(key))\(hint)"))
        }
    }

    /// The known key or section that `key` was most likely meant to be.
    private func nearest(to key: String, among known: [String]) -> String? {
        guard key.utf8.count <= 100 else { return nil }
        let lastWord = key.split(separator: ".").last.map(String.init) ?? key
        let distances = known.map { candidate in
            let candidateWord = candidate.split(separator: ".").last.map(String.init) ?? candidate
            // The right word in the wrong section is as near as a slip of the finger.
            let inOtherSection = editDistance(lastWord, candidateWord) + 1
            return (candidate, min(editDistance(key, candidate), inOtherSection))
        }
        guard let best = distances.min(by: { $0.1 < $1.1 }) else { return nil }
        return best.1 <= max(2, lastWord.count / 3) ? best.0 : nil
    }
}
