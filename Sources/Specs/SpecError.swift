/// Everything that is wrong with a spec, found in one pass and thrown once.
public struct SpecError: Error, Equatable, Sendable, CustomStringConvertible {
    /// One thing that is wrong: where, what was expected, what was found.
    public struct Problem: Equatable, Sendable, CustomStringConvertible {
        /// `train.yaml line 12`, `override train.lr=abc` or `--batch-size`.
        public let place: String
        /// `train.batch_size must be 1 or more, is 0`.
        public let message: String
        /// Whether it was given with the command (an option, an override), not in a file.
        public let isOfCommandLine: Bool

        public init(place: String, message: String, isOfCommandLine: Bool = false) {
            self.place = place
            self.message = message
            self.isOfCommandLine = isOfCommandLine
        }

        public var description: String { "\(place): \(message)" }
    }

    /// In the order of the file, then of the overrides.
    public let problems: [Problem]

    public init(_ problems: [Problem]) {
        self.problems = problems
    }

    package init(place: String, _ message: String, isOfCommandLine: Bool = false) {
        self.init([
            Problem(place: place, message: message, isOfCommandLine: isOfCommandLine)
        ])
    }

    /// One line a problem, at most `shownCount` of them.
    public var description: String {
        let lines = problems.prefix(SpecError.shownCount).map(\.description)
        let hidden = problems.count - lines.count
        return (lines + (hidden > 0 ? ["and \(hidden) more problems"] : []))
            .joined(separator: "\n")
    }

    private static let shownCount = 50
}
