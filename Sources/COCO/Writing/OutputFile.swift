import Foundation

/// A file that appears under its name only when it is complete.
///
/// It is written under a temporary name in the same folder, flushed to disk and renamed. Given up
/// without ``commit()``, it leaves nothing behind.
public struct OutputFile: ~Copyable {
    private let path: String
    private let temporary: String
    private let file: Int32
    private var buffer: [UInt8]
    private var isDone: Bool

    private static let bufferSize = 1 << 20

    /// - Throws: ``COCOError/unwritable(path:reason:)``.
    public init(path: String) throws(COCOError) {
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
            throw .unwritable(path: path, reason: "it is a folder")
        }
        let url = URL(fileURLWithPath: path)
        // A fixed name: the next attempt takes the place of what a killed process left.
        let name = ".\(url.lastPathComponent).partial"
        let temporary = url.deletingLastPathComponent().appendingPathComponent(name).path
        let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o666)
        guard file >= 0 else { throw Self.failure(path) }
        self.path = path
        self.temporary = temporary
        self.file = file
        buffer = []
        isDone = false
        buffer.reserveCapacity(Self.bufferSize)
    }

    deinit {
        if !isDone {
            close(file)
            unlink(temporary)
        }
    }

    public mutating func write(_ bytes: some Collection<UInt8>) throws(COCOError) {
        if buffer.count + bytes.count > Self.bufferSize { try flush() }
        if bytes.count < Self.bufferSize {
            buffer.append(contentsOf: bytes)
            return
        }
        var failed = false
        let wasContiguous: Void? = bytes.withContiguousStorageIfAvailable { block in
            failed = !Self.writeAll(file, UnsafeRawBufferPointer(block))
        }
        if wasContiguous == nil {
            failed = !Array(bytes).withUnsafeBytes { Self.writeAll(file, $0) }
        }
        if failed { throw Self.failure(path) }
    }

    public mutating func write(_ text: String) throws(COCOError) {
        try write(text.utf8)
    }

    /// Flushes to disk and gives the file its name.
    public mutating func commit() throws(COCOError) {
        try flush()
        guard fsync(file) == 0, rename(temporary, path) == 0 else { throw Self.failure(path) }
        isDone = true
        close(file)
        // The new name is durable once its folder is.
        let folder = open(
            URL(fileURLWithPath: path).deletingLastPathComponent().path, O_RDONLY | O_CLOEXEC)
        if folder >= 0 {
            fsync(folder)
            close(folder)
        }
    }

    private mutating func flush() throws(COCOError) {
        let written = buffer.withUnsafeBytes { Self.writeAll(file, $0) }
        guard written else { throw Self.failure(path) }
        buffer.removeAll(keepingCapacity: true)
    }

    private static func writeAll(_ file: Int32, _ bytes: UnsafeRawBufferPointer) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let block = UnsafeRawBufferPointer(rebasing: rest)
            let count = Foundation.write(file, block.baseAddress, block.count)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    private static func failure(_ path: String) -> COCOError {
        .unwritable(path: path, reason: String(cString: strerror(errno)).lowercased())
    }
}
