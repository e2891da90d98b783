#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Bytes in memory or in an open file, read piece by piece and never beyond their end.
///
/// Offsets come from hostile files, so every read is checked and may find nothing.
struct ByteSource {
    private enum Storage {
        case memory(UnsafeRawBufferPointer)
        case file(Int32)
    }
    private let storage: Storage
    let count: Int

    init(_ memory: UnsafeRawBufferPointer) {
        storage = .memory(memory)
        count = memory.count
    }

    init(fileDescriptor: Int32, count: Int) {
        storage = .file(fileDescriptor)
        self.count = count
    }

    /// `length` bytes from `offset` on, or nil if the source does not have them all.
    func bytes(at offset: Int, count length: Int) -> [UInt8]? {
        guard offset >= 0, length >= 0, offset <= count, length <= count - offset else {
            return nil
        }
        switch storage {
        case .memory(let memory):
            return [UInt8](memory[offset..<offset + length])
        case .file(let descriptor):
            let bytes = [UInt8](unsafeUninitializedCapacity: length) { buffer, done in
                while done < length {
                    let read = pread(
                        descriptor, buffer.baseAddress! + done, length - done, off_t(offset + done))
                    if read < 0 && errno == EINTR { continue }
                    guard read > 0 else { break }
                    done += read
                }
            }
            return bytes.count == length ? bytes : nil
        }
    }

    /// As many of `length` bytes from `offset` on as there are.
    func prefix(at offset: Int, count length: Int) -> [UInt8] {
        guard offset >= 0, offset < count else { return [] }
        return bytes(at: offset, count: min(length, count - offset)) ?? []
    }

    func integer(at offset: Int, bytes length: Int, bigEndian: Bool) -> Int? {
        guard let bytes = bytes(at: offset, count: length) else { return nil }
        return bytes.integer(at: 0, bytes: length, bigEndian: bigEndian)
    }
}

extension [UInt8] {
    /// An unsigned integer of at most 8 bytes, or nil if it is not all there or does not fit.
    func integer(at offset: Int, bytes length: Int, bigEndian: Bool) -> Int? {
        guard offset >= 0, length <= 8, offset <= count, length <= count - offset else {
            return nil
        }
        var value: UInt64 = 0
        for index in 0..<length {
            let byte = self[offset + (bigEndian ? index : length - 1 - index)]
            value = value << 8 | UInt64(byte)
        }
        return Int(exactly: value)
    }

    func starts(with text: String, at offset: Int = 0) -> Bool {
        offset <= count && self[offset...].starts(with: text.utf8)
    }
}

/// A regular file, open for reading and closed when the last reference goes.
final class OpenFile {
    let path: String
    let source: ByteSource
    private let descriptor: Int32

    /// Opens without waiting: a pipe or device is refused, not read.
    init(path: String) throws(ImageError) {
        guard !path.utf8.contains(0) else {
            throw .unreadable(file: path, reason: "the name has a zero byte in it")
        }
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw .unreadable(file: path, reason: String(cString: strerror(errno)))
        }
        self.descriptor = descriptor
        self.path = path
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            source = ByteSource(fileDescriptor: descriptor, count: 0)
            throw .unreadable(file: path, reason: "it is not a regular file")
        }
        source = ByteSource(fileDescriptor: descriptor, count: Int(status.st_size))
    }

    deinit { close(descriptor) }
}
