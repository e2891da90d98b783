/// A network that cannot be made from what the user asked for.
public enum MaskModelError: Error, Equatable, Sendable, CustomStringConvertible {
    /// An architecture's name that means no network here, and why.
    case unknownArchitecture(String, reason: String)
    /// A size out of range: its name, its value and the rule.
    case invalidSize(String, Int, rule: String)
    /// A crop size the network cannot take.
    case invalidCropSize(Int, rule: String)

    public var description: String {
        switch self {
        case .unknownArchitecture(let name, let reason): "arch \"\(name)\": \(reason)"
        case .invalidSize(let name, let value, let rule): "\(name) must be \(rule), is \(value)"
        case .invalidCropSize(let size, let rule): "crop_size must be \(rule), is \(size)"
        }
    }
}
