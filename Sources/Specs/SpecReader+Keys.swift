// A key of each kind.
extension SpecReader {
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
}
