import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// Writes a file so that its name never stands for half of it: the bytes go to a temporary file
/// in the same folder, are flushed to the disk, and only then take the name.
package struct AtomicFile: ~Copyable {
    private let path: String
    private let temporaryPath: String
    private let descriptor: Int32
    private var isFinished = false

    package init(path: String) throws(CheckpointError) {
        // Of a link the target is replaced, not the link.
        var status = stat()
        var path = path
        if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK {
            guard let real = realpath(path, nil) else {
                throw CheckpointError(
                    file: path, kind: .unwritable, message: "is a link to nothing")
            }
            path = String(cString: real)
            free(real)
        }
        let folder = Self.folder(of: path)
        let name = Substring(path.utf8.dropFirst(folder.utf8.count))
        let temporaryPath =
            folder
            + ".\(name.prefix(50)).\(UInt64.random(in: 0...UInt64.max)).tmp"
        descriptor = try Self.create(temporaryPath, for: path, name: name)
        self.path = path
        self.temporaryPath = temporaryPath
    }

    private static func create(
        _ temporaryPath: String, for path: String, name: Substring
    ) throws(CheckpointError) -> Int32 {
        guard !path.utf8.contains(0), !name.isEmpty else {
            throw CheckpointError(
                file: path, kind: .unwritable, message: "is not a file name to write to")
        }
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
            throw CheckpointError(
                file: path, kind: .unwritable,
                message: "exists and is not a file, so it is not replaced")
        }
        let descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw failure(path, "cannot be created") }
        return descriptor
    }

    deinit {
        if !isFinished {
            close(descriptor)
            unlink(temporaryPath)
        }
    }

    package mutating func write(_ bytes: UnsafeRawBufferPointer) throws(CheckpointError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let chunk = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 26))
            let written = Glibc.write(descriptor, chunk.baseAddress, chunk.count)
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw Self.failure(path, "cannot be written") }
            rest = rest.dropFirst(written)
        }
    }

    /// Flushes the bytes and gives them their name, replacing a file that had it.
    package consuming func finish() throws(CheckpointError) {
        guard fsync(descriptor) == 0 else { throw Self.failure(path, "cannot be flushed") }
        guard rename(temporaryPath, path) == 0 else {
            throw Self.failure(path, "cannot be renamed into place")
        }
        isFinished = true
        close(descriptor)
        let folder = Self.folder(of: path)
        let handle = open(folder.isEmpty ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if handle >= 0 {
            fsync(handle)
            close(handle)
        }
    }

    /// What comes before the name, with its slash. `NSString` traps on paths of one letter.
    private static func folder(of path: String) -> String {
        path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[...$0]) } ?? ""
    }

    private static func failure(_ path: String, _ what: String) -> CheckpointError {
        CheckpointError(
            file: path, kind: .unwritable,
            message: "\(what): \(String(cString: strerror(errno)))")
    }
}
