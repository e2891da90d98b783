import Files
import Foundation
import Glibc
import Specs

/// Standard output and standard error, which may be closed, a full disk, or a pipe whose reader is gone: writing
/// there never traps, and ends no run.
enum StandardStreams {
    /// For the program's first line.
    static func prepare() {
        // The number of a closed stream would be that of the next file that is opened, and messages would go into
        // that file. Nothing can be written to what takes its place: it is as closed as before.
        for stream in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO]
        where fcntl(stream, F_GETFD) < 0 {
            _ = open("/dev/null", O_RDONLY)
        }
        signal(SIGPIPE, SIG_IGN)
    }

    /// Writes a result to standard output.
    ///
    /// - Throws: `FileError.fileSystem` when it could not be written: nobody has got the result then.
    static func show(_ text: String, terminator: String = "\n") throws(FileError) {
        guard write(text + terminator, to: STDOUT_FILENO) else {
            throw .fileSystem(path: "standard output", action: "print the result", errno: errno)
        }
    }

    /// Writes a message to standard error, as far as it takes one.
    static func say(_ text: String) { _ = write(text, to: STDERR_FILENO) }

    /// - Returns: false, with `errno`, when the stream takes no more.
    private static func write(_ text: String, to stream: Int32) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let part = UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: rest))
                let count = Glibc.write(stream, part.baseAddress, part.count)
                if count > 0 {
                    rest = rest.dropFirst(count)
                } else if count < 0, errno == EAGAIN {
                    // A pipe or terminal that another program has set to not wait.
                    var place = pollfd(fd: stream, events: Int16(POLLOUT), revents: 0)
                    poll(&place, 1, -1)
                } else if count == 0 || errno != EINTR {
                    return false
                }
            }
            return true
        }
    }
}
