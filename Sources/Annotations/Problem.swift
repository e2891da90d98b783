/// One finding about an annotation file.
public struct Problem: Sendable, Equatable {
    public enum Severity: Sendable, Equatable {
        /// The file can't be used.
        case error
        /// The file can be used; a record may have to stay without a mask.
        case warning
    }

    /// What the finding is about.
    public enum Subject: Sendable, Equatable {
        case file
        case image(index: Int, id: RecordID?)
        case annotation(index: Int, id: RecordID?)
        case category(index: Int, id: RecordID?)
    }

    public var severity: Severity
    public var file: String
    public var subject: Subject
    /// The key whose value is wrong, if it is one key's.
    public var field: String?
    public var expected: String
    public var found: String

    public init(
        _ severity: Severity, file: String, _ subject: Subject, field: String? = nil,
        expected: String, found: String
    ) {
        self.severity = severity
        self.file = file
        self.subject = subject
        self.field = field
        self.expected = expected
        self.found = found
    }
}

extension Problem: CustomStringConvertible {
    /// `boxes.json: annotation 17: bbox: expected 4 finite numbers, found "x"`
    public var description: String { (severity == .warning ? "warning: " : "") + message }

    /// The same without the word for its severity.
    public var message: String {
        let parts = [file, subject.description, field].compactMap { $0 }
        return parts.joined(separator: ": ") + ": expected \(expected), found \(found)"
    }
}

extension Problem.Subject {
    /// By id where there is one, else by place; nil for the file as a whole.
    package var description: String? {
        switch self {
        case .file: nil
        case .image(let index, let id): id.map { "image \($0)" } ?? "images[\(index)]"
        case .annotation(let index, let id):
            id.map { "annotation \($0)" } ?? "annotations[\(index)]"
        case .category(let index, let id): id.map { "category \($0)" } ?? "categories[\(index)]"
        }
    }
}

/// All findings about a file: every one is counted, the first ones are kept.
public struct ProblemList: Sendable, Equatable {
    /// How many findings of each severity are kept.
    public static let keptCount = 1000

    public let file: String
    public private(set) var errors: [Problem] = []
    public private(set) var warnings: [Problem] = []
    /// What is no fault, but good to know: what was taken for what, and why.
    public private(set) var notes: [String] = []
    public private(set) var errorCount = 0
    public private(set) var warningCount = 0

    public init(file: String) {
        self.file = file
    }

    public var isEmpty: Bool { errorCount + warningCount == 0 }

    package mutating func note(_ text: String) {
        if notes.count < Self.keptCount { notes.append(text) }
    }

    /// - Parameter place: the file, perhaps with a line, if it is not the list's own.
    package mutating func add(
        _ severity: Problem.Severity, at place: @autoclosure () -> String? = nil,
        _ subject: Problem.Subject, field: String? = nil,
        expected: @autoclosure () -> String, found: @autoclosure () -> String
    ) {
        let isError = severity == .error
        let count = isError ? errorCount : warningCount
        if isError { errorCount += 1 } else { warningCount += 1 }
        guard count < Self.keptCount else { return }
        let problem = Problem(
            severity, file: place() ?? file, subject, field: field, expected: expected(),
            found: found())
        if isError { errors.append(problem) } else { warnings.append(problem) }
    }

    /// A line a finding, errors first, and how many more there are.
    public func summary(limit: Int = 20) -> String {
        let shown = (errors + warnings).prefix(limit)
        let more = errorCount + warningCount - shown.count
        return (shown.map(\.description) + (more > 0 ? ["… and \(more) more"] : []))
            .joined(separator: "\n")
    }
}
