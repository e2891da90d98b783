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

    init(place: String, _ message: String, isOfCommandLine: Bool = false) {
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

/// Text from outside made fit for one line of a message: quoted, shortened, and without control
/// characters, so that a hostile file cannot drive the terminal.
func quoted(_ text: some StringProtocol) -> String {
    "\"\(printable(text))\""
}

/// `quoted` without the quotes.
func printable(_ text: some StringProtocol, limit: Int = 80) -> String {
    var shown = ""
    for scalar in text.unicodeScalars.prefix(limit) {
        switch scalar {
        case "\n": shown += "\\n"
        case "\t": shown += "\\t"
        case _ where isUnprintable(scalar): shown += "\\u{\(String(scalar.value, radix: 16))}"
        default: shown.unicodeScalars.append(scalar)
        }
    }
    return text.unicodeScalars.count > limit ? shown + "…" : shown
}

private func isUnprintable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: true
    default: false
    }
}
