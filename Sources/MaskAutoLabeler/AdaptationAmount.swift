/// How long a model is adapted.
public enum AdaptationAmount: Sendable, Equatable, CustomStringConvertible {
    /// By the number of boxes.
    case automatic
    case steps(Int)
    case seconds(Int)

    /// - Parameter text: `auto`, a number of steps (`300`), or a time: `90s`, `10m`, `2h`.
    public init?(_ text: String) {
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600]
        if text == "auto" {
            self = .automatic
        } else if let unit = text.last.flatMap({ units[$0] }) {
            guard let count = Int(text.dropLast()), (1...1_000_000).contains(count) else {
                return nil
            }
            self = .seconds(count * unit)
        } else {
            guard let count = Int(text), (1...1_000_000).contains(count) else { return nil }
            self = .steps(count)
        }
    }

    /// What ``init(_:)`` takes, for messages.
    public static let values = "auto, steps (300) or a time (90s, 10m, 2h), 1 to 1000000"

    /// Steps at most; a run for a time ends by the clock.
    package func stepCount(forBoxes count: Int) -> Int {
        switch self {
        case .automatic: min(max(count, 80), 400)
        case .steps(let count): count
        case .seconds: 1_000_000
        }
    }

    public var description: String {
        switch self {
        case .automatic: "auto"
        case .steps(let count): "\(count) steps"
        case .seconds(let count): "\(count) s"
        }
    }
}
