import Glibc

/// What can go wrong with a file or folder, whatever it is about.
public enum FileError: Error, Equatable, Sendable {
    /// It can't be opened or read.
    case unreadable(path: String, reason: String)
    /// It can't be written.
    case unwritable(path: String, reason: String)
    /// A call of the system failed.
    case fileSystem(path: String, action: String, errno: Int32)
}

extension FileError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unreadable(let path, let reason): "\(path): \(reason)"
        case .unwritable(let path, let reason): "\(path) can't be written: \(reason)"
        case .fileSystem(let path, let action, let code):
            "\(path): cannot \(action): \(String(cString: strerror(code)))"
        }
    }
}
