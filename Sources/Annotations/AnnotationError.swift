import Files

/// What can go wrong with an annotation file.
public enum AnnotationError: Error, Equatable, Sendable {
    /// The file is not strict JSON in UTF-8. Line and column start at 1, the column counts bytes.
    case syntax(path: String, line: Int, column: Int, message: String)
    /// The file is JSON, but not a COCO annotation file.
    case invalid(ProblemList)
    /// One record is wrong.
    case problem(Problem)
    /// The encoding of a mask is wrong.
    case segmentation(String)
    /// A file name that is empty or leads out of the images folder.
    case unsafeFileName(String, reason: String)
}

extension AnnotationError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .syntax(let path, let line, let column, let message):
            "\(path) line \(line) column \(column): \(message)"
        case .invalid(let problems): problems.summary()
        case .problem(let problem): problem.description
        case .segmentation(let message): message
        case .unsafeFileName(let name, let reason): "file name \(name.quoted) \(reason)"
        }
    }
}
