/// Reads a spec key by key. One call per key holds its name, default, range and meaning, so the
/// messages, `mal spec`, docs/spec.md and the hints about unknown keys all follow from the same
/// line.
///
/// Problems are collected, never thrown here: a key with a wrong value reads as its default.
final class SpecReader {
    private(set) var layout = SpecLayout()
    /// Every key with the value it was read as, in the order of the layout.
    private(set) var values: [SpecValue] = []
    private(set) var problems: [(place: SpecPlace, message: String)] = []

    let command: Spec.Command?
    let input: SpecInput?
    private var interpolation: SpecInterpolation
    private var section = ""
    private var sectionUsedBy: Set<Spec.Command> = []

    /// A reader of `input`. Without input it reads the defaults and learns the layout.
    init(
        _ input: SpecInput? = nil, command: Spec.Command? = nil, layout: SpecLayout? = nil,
        environment: [String: String] = [:]
    ) {
        self.input = input
        self.command = command
        var defaults: [String: SpecNode] = [:]
        for key in layout?.keys ?? [] { defaults[key.name] = key.defaultValue.node }
        interpolation = SpecInterpolation(environment: environment) {
            [defaults] in input?.values[$0]?.node ?? defaults[$0]
        }
    }

    // MARK: Sections

    /// Reads the keys of `name` below the current section.
    func section<Value>(
        _ name: String, usedBy: Set<Spec.Command>, _ summary: String, _ read: (SpecReader) -> Value
    ) -> Value {
        let outer = (section, sectionUsedBy)
        defer { (section, sectionUsedBy) = outer }
        section = path(name)
        sectionUsedBy = usedBy
        layout.sections.append(.init(name: section, summary: summary))
        return read(self)
    }

    private func path(_ name: String) -> String {
        section.isEmpty ? name : "\(section).\(name)"
    }

    /// Where somebody set the key `name` of the current section.
    func origin(_ name: String) -> SpecOrigin {
        SpecOrigin(place: input?.values[path(name)]?.place)
    }

    /// The keys that somebody set.
    var givenKeys: Set<String> { Set(input?.values.keys.map { $0 } ?? []) }

    func keep<Value>(_ read: Value, _ key: SpecKey, _ value: SpecKey.Default) -> Value {
        values.append(SpecValue(key: key.name, value: value))
        return read
    }

    // MARK: Checks over several keys

    /// Reports that `name`, a key of this section, must fulfil `requirement` unless `condition`
    /// holds.
    /// - Parameter others: the dotted keys that the requirement is about as well; when `name`
    ///   itself was not set, the message points at the first of them that was.
    func check(
        _ condition: Bool, _ name: String, _ requirement: String, found: String,
        others: [String] = []
    ) {
        guard !condition else { return }
        let key = path(name)
        let place =
            ([key] + others).lazy.compactMap { self.input?.values[$0]?.place }.first
            ?? .nowhere(name: input?.name ?? "spec")
        report(place, place.message(key, requirement, found: found))
    }

    // MARK: One key

    func declare(
        _ name: String, _ value: SpecKey.Default, _ values: String, _ summary: String,
        _ usedBy: Set<Spec.Command>?, mandatoryFor: Set<Spec.Command> = [], ours: Bool = false
    ) -> SpecKey {
        let key = SpecKey(
            name: path(name), defaultValue: value,
            values: values.hasSuffix(", ") ? String(values.dropLast(2)) : values, summary: summary,
            usedBy: usedBy ?? sectionUsedBy, mandatoryFor: mandatoryFor, isOurs: ours)
        layout.keys.append(key)
        return key
    }

    /// The value that was set, `nil` when none was. `???` counts as none, and as a problem when the
    /// command uses the key and nothing else stands in for it.
    func given(_ key: SpecKey, isOptional: Bool = false) -> SpecNode? {
        guard let value = input?.values[key.name] else { return nil }
        // What an option says is taken as it is.
        if case .option = value.place { return value.node }
        let node: SpecNode
        do {
            node = try interpolation.resolve(value.node, of: key.name)
        } catch {
            let own: Bool
            if case .override(let override, _) = value.place {
                own = override.key == key.name
            } else {
                own = false
            }
            report(value.place, own ? error.message : "\(key.name) \(error.message)")
            return nil
        }
        if case .text("???") = node.content {
            if !isOptional, let command, key.usedBy.contains(command) {
                report(value.place, "\(key.name) is mandatory (???): give it a value")
            }
            return nil
        }
        if isOptional {
            switch node.content {
            case .null, .text(""): return nil
            default: break
            }
        }
        return node
    }

    func convert<Value>(
        _ key: SpecKey, _ conversion: (SpecNode) -> Value?, _ requirement: String
    ) -> Value? {
        given(key).flatMap { convert($0, key, conversion, requirement) }
    }

    func convert<Value>(
        _ node: SpecNode, _ key: SpecKey, _ conversion: (SpecNode) -> Value?, _ requirement: String
    ) -> Value? {
        let value = conversion(node)
        if value == nil {
            let place = place(of: key.name)
            report(place, place.message(key.name, requirement, found: node.found))
        }
        return value
    }

    func scalar<Value: Comparable & Sendable>(
        _ key: SpecKey, _ conversion: (SpecNode) -> Value?, _ kind: String,
        _ bounds: SpecBounds<Value>, isOptional: Bool = false
    ) -> Value? {
        guard let node = given(key, isOptional: isOptional),
            let value = convert(node, key, conversion, "must be \(kind)")
        else { return nil }
        guard let violation = bounds.violation(of: value) else { return value }
        let place = place(of: key.name)
        report(place, place.message(key.name, "must be \(violation)", found: node.found))
        return nil
    }

    func list<Value: Comparable & Sendable>(
        _ key: SpecKey, _ conversion: (SpecNode) -> Value?, _ kind: String,
        _ bounds: SpecBounds<Value>, _ counts: ClosedRange<Int>
    ) -> [Value]? {
        guard let node = given(key),
            let values = convert(
                node, key, { SpecReader.elements($0, conversion) }, "must be \(kind)")
        else { return nil }
        for value in values {
            guard let violation = bounds.violation(of: value) else { continue }
            report(key, "must hold numbers of \(violation), has \(value)")
            return nil
        }
        guard counts.contains(values.count) else {
            report(
                key, "must be a list of \(counts.upperBound) or fewer, is a list of \(values.count)"
            )
            return nil
        }
        return values
    }

    // MARK: Problems

    func place(of name: String) -> SpecPlace {
        input?.values[name]?.place ?? .nowhere(name: input?.name ?? "spec")
    }

    /// - Parameter message: begins after the key's name, which an override shows already.
    func report(_ key: SpecKey, _ message: String) {
        let place = place(of: key.name)
        switch place {
        case .override(let override, _) where override.key == key.name: report(place, message)
        case .option: report(place, message)
        default: report(place, "\(key.name) \(message)")
        }
    }

    func report(_ place: SpecPlace, _ message: String) {
        problems.append((place, message))
    }
}
