/// What the reader knows about one key: the source of the messages, of `mal spec` and of
/// docs/spec.md.
public struct SpecKey: Equatable, Sendable {
    /// The value a key has when nobody sets it.
    public enum Default: Equatable, Sendable {
        case null
        /// OmegaConf's `???`: the commands of `mandatoryFor` refuse to run without a value.
        case mandatory
        case flag(Bool)
        case integer(Int)
        case number(Double)
        case text(String)
        case integers([Int])
        case numbers([Double])
        case texts([String])
    }

    /// Dotted, as in an override: `train.lr`.
    package let name: String
    package let defaultValue: Default
    /// The values it takes, as prose: `whole number, 1 or more`.
    package let values: String
    /// What it does, one sentence.
    package let summary: String
    /// The commands whose result depends on it; empty for a key that is accepted without effect.
    package let usedBy: Set<Spec.Command>
    /// The commands that refuse to run when it has no value.
    package let mandatoryFor: Set<Spec.Command>
    /// Whether the key is ours and unknown to TAO.
    package let isOurs: Bool
}

extension SpecKey.Default: CustomStringConvertible {
    /// As YAML.
    public var description: String {
        switch self {
        case .null: "null"
        case .mandatory: "???"
        case .flag(let value): "\(value)"
        case .integer(let value): "\(value)"
        case .number(let value): "\(value)"
        case .text(let value): SpecKey.Default.yaml(value)
        case .integers(let values): "\(values)"
        case .numbers(let values): "\(values)"
        case .texts(let values): "[\(values.map(SpecKey.Default.yaml).joined(separator: ", "))]"
        }
    }

    /// `text` as a YAML scalar that reads back as the same text.
    package static func yaml(_ text: String) -> String {
        let isWord = text.allSatisfy {
            $0.isASCII && ($0.isLetter || $0.isNumber || "/_-.".contains($0))
        }
        guard isWord, text.first?.isLetter == true || text.first == "/",
            case .text = SpecNode.plainScalar(text, line: nil).content
        else {
            return "'"
                + text.split(separator: "'", omittingEmptySubsequences: false)
                .joined(separator: "''") + "'"
        }
        return text
    }

    /// As the node that a file with this value would give.
    var node: SpecNode {
        switch self {
        case .null: SpecNode(.null, text: "null")
        case .mandatory: SpecNode(.text("???"), text: "???")
        case .flag(let value): SpecNode(.flag(value), text: "\(value)")
        case .integer(let value): SpecNode(.integer(value), text: "\(value)")
        case .number(let value): SpecNode(.number(value), text: "\(value)")
        case .text(let value): SpecNode(.text(value), text: value)
        case .integers(let values):
            SpecNode(.list(values.map { SpecNode(.integer($0), text: "\($0)") }), text: "")
        case .numbers(let values):
            SpecNode(.list(values.map { SpecNode(.number($0), text: "\($0)") }), text: "")
        case .texts(let values):
            SpecNode(.list(values.map { SpecNode(.text($0), text: $0) }), text: "")
        }
    }
}

/// The values a number may have.
struct SpecBounds<Value: Comparable & Sendable>: Sendable {
    var lower: Value?
    var upper: Value?
    var includesUpper = true
    var includesLower = true

    /// `1...`, `0...1`, `0..<1`.
    init(_ range: some RangeExpression<Value>) {
        switch range {
        case let range as PartialRangeFrom<Value>: lower = range.lowerBound
        case let range as ClosedRange<Value>: (lower, upper) = (range.lowerBound, range.upperBound)
        case let range as Range<Value>:
            (lower, upper, includesUpper) = (range.lowerBound, range.upperBound, false)
        case let range as PartialRangeThrough<Value>: upper = range.upperBound
        default: preconditionFailure("\(range) is no range that a key can have")
        }
    }

    /// Greater than `bound`, and at most `upper`.
    static func above(_ bound: Value, through upper: Value? = nil) -> SpecBounds {
        var bounds = SpecBounds(bound...)
        bounds.includesLower = false
        bounds.upper = upper
        return bounds
    }

    /// What `value` violates, as in `must be 1 or more`; `nil` when it is inside.
    func violation(of value: Value) -> String? {
        if let lower, includesLower ? value < lower : value <= lower {
            return includesLower ? "\(plain(lower)) or more" : "more than \(plain(lower))"
        }
        if let upper, includesUpper ? value > upper : value >= upper {
            return includesUpper ? "\(plain(upper)) or less" : "less than \(plain(upper))"
        }
        return nil
    }

    /// For documentation: `1 or more`, `0 to less than 1`, empty when there are none.
    var prose: String {
        let from = lower.map { includesLower ? plain($0) : "more than \(plain($0))" }
        let to = upper.map { includesUpper ? plain($0) : "less than \(plain($0))" }
        return switch (from, to) {
        case (let from?, let to?): "\(from) to \(to)"
        case (let from?, nil): includesLower ? "\(from) or more" : from
        case (nil, let to?): includesUpper ? "\(to) or less" : to
        case (nil, nil): ""
        }
    }

    /// Whole numbers without a point.
    private func plain(_ bound: Value) -> String {
        let text = "\(bound)"
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }
}

/// Where a key was set, nil when it was left at its default; no part of what a spec says: all are equal.
struct SpecOrigin: Equatable, Sendable {
    let place: SpecPlace?

    var isSet: Bool { place != nil }

    static func == (_: SpecOrigin, _: SpecOrigin) -> Bool { true }
}

/// A key and the value that a spec has for it.
package struct SpecValue: Sendable, Equatable {
    /// Dotted.
    package let key: String
    package let value: SpecKey.Default
}
