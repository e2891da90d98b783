package import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// The bytes of a file, mapped into memory rather than read, or a buffer that stands for one.
package struct MappedFile: Sendable {
    package let data: Data
    /// The path, or what the caller calls the buffer; errors start with it.
    package let name: String

    package var count: Int { data.count }

    package init(_ bytes: [UInt8], name: String) {
        data = Data(bytes)
        self.name = name
    }

    /// Maps a regular file. The mapping lasts as long as any tensor that points into it.
    package init(mapping path: String) throws(CheckpointError) {
        func failure(_ message: String) -> CheckpointError {
            CheckpointError(file: path, kind: .unreadable, message: message)
        }
        guard !path.utf8.contains(0) else { throw failure("the path holds a zero byte") }
        // Non-blocking, so that a named pipe in place of the file does not hang.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw failure("cannot be opened: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw failure("cannot be read: \(String(cString: strerror(errno)))")
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: throw failure("is a folder; a checkpoint file was expected")
        default: throw failure("is not a regular file")
        }
        let size = Int(status.st_size)
        guard size > 0 else { throw failure("is empty (0 bytes)") }
        guard let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0),
            base != MAP_FAILED
        else { throw failure("cannot be mapped: \(String(cString: strerror(errno)))") }
        data = Data(
            bytesNoCopy: base, count: size,
            deallocator: .custom { pointer, count in munmap(pointer, count) })
        name = path
    }

    /// A little-endian integer, or nil where the file ends before it does.
    package func integer<T: FixedWidthInteger & BitwiseCopyable>(
        _ type: T.Type, at offset: Int
    ) -> T? {
        guard offset >= 0, offset <= count - MemoryLayout<T>.size else { return nil }
        return data.withUnsafeBytes {
            T(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: T.self))
        }
    }

    /// A copy of the bytes in a range that must lie inside the file.
    package func bytes(_ range: Range<Int>) -> [UInt8] {
        data.withUnsafeBytes { Array($0[range]) }
    }

    /// Whether the file holds these bytes at the offset.
    package func matches(_ bytes: some Collection<UInt8>, at offset: Int = 0) -> Bool {
        guard offset >= 0, offset <= count - bytes.count else { return false }
        return data.withUnsafeBytes { $0[offset..<offset + bytes.count].elementsEqual(bytes) }
    }

    package func failure(_ kind: CheckpointError.Kind, _ message: String) -> CheckpointError {
        CheckpointError(file: name, kind: kind, message: message)
    }
}
