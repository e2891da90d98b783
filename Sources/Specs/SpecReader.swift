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

    private let command: Spec.Command?
    private let input: SpecInput?
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

    // MARK: Scalars

    func int(
        _ name: String, default value: Int, in range: some RangeExpression<Int>,
        ours: Bool = false, usedBy: Set<Spec.Command>? = nil, _ summary: String
    ) -> Int {
        let bounds = SpecBounds(range)
        let key = declare(
            name, .integer(value), "whole number, \(bounds.prose)", summary, usedBy, ours: ours)
        let read = scalar(key, SpecReader.whole, "a whole number", bounds) ?? value
        return keep(read, key, .integer(read))
    }

    /// A whole number that may be left out.
    func optionalInt(
        _ name: String, in range: some RangeExpression<Int>, ours: Bool = false,
        usedBy: Set<Spec.Command>? = nil, _ summary: String
    ) -> Int? {
        let bounds = SpecBounds(range)
        let key = declare(
            name, .null, "null or whole number, \(bounds.prose)", summary, usedBy, ours: ours)
        let read = scalar(key, SpecReader.whole, "a whole number", bounds, isOptional: true)
        return keep(read, key, read.map { .integer($0) } ?? .null)
    }

    func number(
        _ name: String, default value: Double, in bounds: SpecBounds<Double>,
        ours: Bool = false, usedBy: Set<Spec.Command>? = nil, _ summary: String
    ) -> Double {
        let key = declare(
            name, .number(value), "number, \(bounds.prose)", summary, usedBy, ours: ours)
        let read = scalar(key, SpecReader.number, "a number", bounds) ?? value
        return keep(read, key, .number(read))
    }

    func number(
        _ name: String, default value: Double, in range: some RangeExpression<Double>,
        ours: Bool = false, usedBy: Set<Spec.Command>? = nil, _ summary: String
    ) -> Double {
        number(
            name, default: value, in: SpecBounds(range), ours: ours, usedBy: usedBy, summary)
    }

    func flag(
        _ name: String, default value: Bool, ours: Bool = false,
        usedBy: Set<Spec.Command>? = nil, _ summary: String
    ) -> Bool {
        let key = declare(name, .flag(value), "true or false", summary, usedBy, ours: ours)
        let read = convert(key, SpecReader.flag, "must be true or false") ?? value
        return keep(read, key, .flag(read))
    }

    func text(
        _ name: String, default value: String, usedBy: Set<Spec.Command>? = nil, _ summary: String
    ) -> String {
        let key = declare(name, .text(value), "text", summary, usedBy)
        let read = convert(key, SpecReader.text, "must be text") ?? value
        return keep(read, key, .text(read))
    }

    func optionalText(
        _ name: String, usedBy: Set<Spec.Command>? = nil, _ summary: String
    ) -> String? {
        let key = declare(name, .null, "null or text", summary, usedBy)
        let read = given(key, isOptional: true).flatMap {
            convert($0, key, SpecReader.text, "must be text")
        }
        return keep(read, key, read.map { .text($0) } ?? .null)
    }

    /// A path. `null`, the empty text and `???` all mean that there is none, which is a problem
    /// only for a command of `mandatoryFor`.
    func path(
        _ name: String, default value: SpecKey.Default, mandatoryFor: Set<Spec.Command> = [],
        usedBy: Set<Spec.Command>? = nil, ours: Bool = false, _ summary: String
    ) -> String? {
        let values = mandatoryFor.isEmpty ? "null or path" : "path"
        let key = declare(
            name, value, values, summary, usedBy, mandatoryFor: mandatoryFor, ours: ours)
        let read = path(key, value)
        return keep(read, key, read.map { .text($0) } ?? .null)
    }

    private func path(_ key: SpecKey, _ value: SpecKey.Default) -> String? {
        let problemCount = problems.count
        guard let given = given(key, isOptional: true) else {
            if problems.count > problemCount { return nil }
            if case .text(let path) = value, input?.values[key.name] == nil { return path }
            if let command, key.mandatoryFor.contains(command) {
                report(
                    place(of: key.name),
                    "\(key.name) is mandatory: set it in the file or with \(key.name)=PATH")
            }
            return nil
        }
        return convert(given, key, SpecReader.path, "must be a path")
    }

    /// One of a few words.
    func choice<Choice: RawRepresentable & CaseIterable & Sendable>(
        _ name: String, default value: Choice, ours: Bool = false,
        usedBy: Set<Spec.Command>? = nil, _ summary: String
    ) -> Choice where Choice.RawValue == String {
        let words = Choice.allCases.map(\.rawValue)
        let key = declare(
            name, .text(value.rawValue), words.joined(separator: ", "), summary, usedBy, ours: ours)
        let requirement = words.count == 1 ? words[0] : "one of " + words.joined(separator: ", ")
        let read = convert(key, { Choice(rawValue: $0.text) }, "must be \(requirement)") ?? value
        return keep(read, key, .text(read.rawValue))
    }

    /// A text with a form of its own; `parse` returns `nil` for a wrong one.
    func parsed<Value>(
        _ name: String, default value: String, _ values: String, ours: Bool = false,
        usedBy: Set<Spec.Command>? = nil, _ summary: String, _ parse: (String) -> Value?
    ) -> Value {
        let key = declare(name, .text(value), values, summary, usedBy, ours: ours)
        guard let standard = parse(value) else {
            preconditionFailure("\(key.name) has a default that is not one of its values")
        }
        var text = value
        let read = convert(
            key,
            { node in
                let found = parse(node.text)
                if found != nil { text = node.text }
                return found
            }, "must be \(values)")
        return keep(read ?? standard, key, .text(text))
    }

    // MARK: Lists

    func ints(
        _ name: String, default value: [Int], in range: some RangeExpression<Int>,
        counts: ClosedRange<Int>, usedBy: Set<Spec.Command>? = nil, _ summary: String
    ) -> [Int] {
        let bounds = SpecBounds(range)
        let key = declare(
            name, .integers(value), "list of whole numbers, \(bounds.prose)", summary, usedBy)
        let read =
            list(key, SpecReader.whole, "a list of whole numbers", bounds, counts) ?? value
        return keep(read, key, .integers(read))
    }

    /// A list of up to 64 numbers.
    func numbers(
        _ name: String, default value: [Double], in range: some RangeExpression<Double>,
        ours: Bool = false, _ summary: String
    ) -> [Double] {
        let bounds = SpecBounds(range)
        let key = declare(
            name, .numbers(value), "list of numbers, \(bounds.prose)", summary, nil, ours: ours)
        let read = list(key, SpecReader.number, "a list of numbers", bounds, 0...64) ?? value
        return keep(read, key, .numbers(read))
    }

    /// A list of as many numbers as `counts` allows.
    func numbers(
        _ name: String, default value: [Double], in range: some RangeExpression<Double>,
        counts: Set<Int>, usedBy: Set<Spec.Command>? = nil, _ summary: String
    ) -> [Double] {
        let bounds = SpecBounds(range)
        let lengths = counts.sorted().map(String.init).joined(separator: " or ")
        let key = declare(
            name, .numbers(value), "list of \(lengths) numbers, \(bounds.prose)", summary, usedBy)
        let found = list(key, SpecReader.number, "a list of numbers", bounds, 0...64)
        if let found, !counts.contains(found.count) {
            report(key, "must be a list of \(lengths) numbers, is a list of \(found.count)")
            return value
        }
        return keep(found ?? value, key, .numbers(found ?? value))
    }

    func texts(
        _ name: String, default value: [String], usedBy: Set<Spec.Command>? = nil, _ summary: String
    ) -> [String] {
        let key = declare(name, .texts(value), "list of texts", summary, usedBy)
        let read =
            convert(key, { SpecReader.elements($0, SpecReader.text) }, "must be a list of texts")
            ?? value
        return keep(read, key, .texts(read))
    }

    private func keep<Value>(_ read: Value, _ key: SpecKey, _ value: SpecKey.Default) -> Value {
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

    private func declare(
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
    private func given(_ key: SpecKey, isOptional: Bool = false) -> SpecNode? {
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

    private func convert<Value>(
        _ key: SpecKey, _ conversion: (SpecNode) -> Value?, _ requirement: String
    ) -> Value? {
        given(key).flatMap { convert($0, key, conversion, requirement) }
    }

    private func convert<Value>(
        _ node: SpecNode, _ key: SpecKey, _ conversion: (SpecNode) -> Value?, _ requirement: String
    ) -> Value? {
        let value = conversion(node)
        if value == nil {
            let place = place(of: key.name)
            report(place, place.message(key.name, requirement, found: node.found))
        }
        return value
    }

    private func scalar<Value: Comparable & Sendable>(
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

    private func list<Value: Comparable & Sendable>(
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

    private func place(of name: String) -> SpecPlace {
        input?.values[name]?.place ?? .nowhere(name: input?.name ?? "spec")
    }

    /// - Parameter message: begins after the key's name, which an override shows already.
    private func report(_ key: SpecKey, _ message: String) {
        let place = place(of: key.name)
        switch place {
        case .override(let override, _) where override.key == key.name: report(place, message)
        case .option: report(place, message)
        default: report(place, "\(key.name) \(message)")
        }
    }

    private func report(_ place: SpecPlace, _ message: String) {
        problems.append((place, message))
    }
}
