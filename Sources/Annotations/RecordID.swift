import Files

/// The id of an image, annotation or category: a whole number or a text.
public enum RecordID: Hashable, Sendable {
    case integer(Int64)
    case text(String)
    /// The digits of a whole number beyond 64 bits.
    case large(String)
}

extension RecordID: CustomStringConvertible {
    /// A number as it is, a text in quotes with its control characters escaped; long ones cut.
    public var description: String {
        switch self {
        case .integer(let value): "\(value)"
        case .text(let value): value.quoted
        case .large(let digits): digits.count > 60 ? digits.prefix(60) + "…" : digits
        }
    }
}

extension RecordID: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral {
    public init(integerLiteral value: Int64) { self = .integer(value) }
    public init(stringLiteral value: String) { self = .text(value) }
}
