/// What is wrong with a checkpoint file, in words that say where, what was expected and what was
/// found.
public struct CheckpointError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The sort of problem, for callers that treat one sort differently.
    public enum Kind: Sendable, Equatable {
        /// The file cannot be opened: missing, a folder, no permission, empty.
        case unreadable
        /// A different kind of file: a web page, a git-lfs pointer, an image, …
        case notACheckpoint
        /// The file ends before its contents do.
        case truncated
        /// The contents contradict themselves.
        case damaged
        /// A checkpoint, but of a kind or with a feature that is not read.
        case unsupported
        /// A TAO file that needs NVIDIA's key.
        case encrypted
        /// Readable, but it does not fit the network that it is loaded into.
        case mismatch
        /// The output cannot be written.
        case unwritable
        /// Metadata that was asked for cannot be, or does not fit the parameters.
        case metadata
    }

    public let file: String
    public let kind: Kind
    public let message: String

    public init(file: String, kind: Kind, message: String) {
        self.file = file
        self.kind = kind
        self.message = message
    }

    public var description: String { "\(file): \(message)" }
}

extension StringProtocol {
    /// The text on one line and of bounded length, so that names out of a hostile file are safe to
    /// print.
    package var printable: String {
        var result = ""
        for scalar in unicodeScalars.prefix(120) {
            if scalar.properties.generalCategory.isPrintable {
                result.unicodeScalars.append(scalar)
            } else {
                result += "\\u{" + String(scalar.value, radix: 16) + "}"
            }
        }
        return unicodeScalars.count > 120 ? result + "…" : result
    }
}

extension Unicode.GeneralCategory {
    fileprivate var isPrintable: Bool {
        switch self {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
            .paragraphSeparator:
            false
        default: true
        }
    }
}
