import Files
import Glibc

/// Files that are read whole, up to a limit, whatever lies at their path.
enum SafeFile {
    /// - Throws: `FileError`.
    static func read(_ path: String, limit: Int) throws(FileError) -> [UInt8] {
        let descriptor = try open(path)
        defer { close(descriptor) }
        return try read(descriptor, path, size: size(of: descriptor, path, limit: limit))
    }

    /// Does not wait for a pipe's other end.
    static func open(_ path: String) throws(FileError) -> Int32 {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw .unreadable(path: path, reason: String(cString: strerror(errno)))
        }
        return descriptor
    }

    /// - Parameter name: what errors call the file.
    static func size(
        of descriptor: Int32, _ name: String, limit: Int
    ) throws(FileError) -> Int {
        // A folder can't be read, and a pipe has no end to seek.
        guard Glibc.read(descriptor, nil, 0) == 0, case let size = lseek(descriptor, 0, SEEK_END),
            size >= 0, lseek(descriptor, 0, SEEK_SET) == 0
        else { throw .unreadable(path: name, reason: "expected a file") }
        guard size <= limit else {
            throw .unreadable(
                path: name, reason: "expected at most \(limit) bytes, found \(size)")
        }
        return size
    }

    /// At most `size` bytes from the start.
    static func read(
        _ descriptor: Int32, _ name: String, size: Int
    ) throws(FileError) -> [UInt8] {
        var code: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            while count < size {
                let part = Glibc.read(
                    descriptor, buffer.baseAddress?.advanced(by: count), size - count)
                if part < 0, errno == EINTR { continue }
                if part < 0 { code = errno }
                guard part > 0 else { break }
                count += part
            }
        }
        guard code == 0 else {
            throw .unreadable(path: name, reason: String(cString: strerror(code)))
        }
        return bytes
    }
}
