import Foundation

/// Keeps an output to one process: a file beside it, locked as long as this value lives.
///
/// The lock ends with the process, however that ends; who takes it next also clears away what a
/// killed process left of this output.
package final class OutputLock: Sendable {
    private let path: String
    private let file: Int32

    /// - Throws: ``FileError/unwritable(path:reason:)`` with the number of the process that has it.
    package init(_ output: String) throws(FileError) {
        let place = try OutputPlace(output)
        path = place.lockPath
        try? FileManager.default.createDirectory(
            atPath: place.folder, withIntermediateDirectories: true)
        file = try Self.locked(path, for: output)
        OutputFolder.recover(place)
    }

    deinit {
        guard file >= 0 else { return }
        // While it is still locked: who waits for it looks whether it is still there.
        unlink(path)
        close(file)
    }

    private static func locked(_ path: String, for output: String) throws(FileError) -> Int32 {
        for _ in 0..<100 {
            let file = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o644)
            guard file >= 0 else {
                throw .unwritable(
                    path: output, reason: "\(path): \(OutputFile.reason(errno))")
            }
            var (own, named) = (stat(), stat())
            fstat(file, &own)
            let text = content(of: file)
            guard own.st_mode & S_IFMT == S_IFREG, text.isEmpty || text.hasPrefix("mal ") else {
                close(file)
                throw .unwritable(
                    path: output, reason: "\(path) is in the way: mal did not write it")
            }
            guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
                let code = errno
                close(file)
                // Some file systems have no locks.
                guard code == EWOULDBLOCK else { return -1 }
                let process = text.dropFirst(4).prefix { $0.isNumber }
                throw .unwritable(
                    path: output,
                    reason: "another mal (process \(process.isEmpty ? "unknown" : process)) is "
                        + "writing it; wait until it ends, or end it")
            }
            if stat(path, &named) == 0, named.st_ino == own.st_ino, named.st_dev == own.st_dev {
                let note = Array("mal \(getpid())\n".utf8)
                guard ftruncate(file, 0) == 0, pwrite(file, note, note.count, 0) == note.count
                else {
                    let reason = OutputFile.reason(errno)
                    close(file)
                    throw .unwritable(path: output, reason: "\(path): \(reason)")
                }
                return file
            }
            close(file)
        }
        throw .unwritable(path: output, reason: "\(path) comes and goes; is another mal at work?")
    }

    private static func content(of file: Int32) -> String {
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = pread(file, &bytes, bytes.count, 0)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
}
