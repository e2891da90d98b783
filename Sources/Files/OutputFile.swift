import Foundation

/// A file that appears under its name only when it is complete.
///
/// It is written under a temporary name in the same folder, flushed to disk and renamed. Given up
/// without ``commit()``, it leaves nothing behind. Of a link the target is replaced, not the link.
/// What goes to a pipe, a terminal or another device is written there at once.
package struct OutputFile: ~Copyable {
    private let path: String
    /// Nil for a pipe or device.
    private let temporary: String?
    private let file: Int32
    private var buffer: [UInt8]
    private var isDone: Bool

    private static let bufferSize = 1 << 20

    /// - Throws: ``FileError/unwritable(path:reason:)``.
    package init(path: String) throws(FileError) { try self.init(path, followsLinks: true) }

    /// - Parameter followsLinks: false refuses a link: for names that mal makes up itself.
    package init(_ path: String, followsLinks: Bool) throws(FileError) {
        if let stream = try Self.stream(path) {
            self.path = path
            temporary = nil
            file = stream
        } else {
            guard followsLinks || !OutputPlace.isLink(path) else {
                throw .unwritable(
                    path: path, reason: "it is a link, which is not followed here")
            }
            let place = try OutputPlace(path)
            let temporary = place.temporaryPath()
            let file = open(
                temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
            guard file >= 0 else { throw Self.failure(path) }
            self.path = place.path
            self.temporary = temporary
            self.file = file
        }
        buffer = []
        isDone = false
        buffer.reserveCapacity(Self.bufferSize)
    }

    deinit {
        if !isDone {
            close(file)
            if let temporary { unlink(temporary) }
        }
    }

    /// Whether what is written to `path` goes on at once, to a pipe, a terminal or the like.
    package static func isStream(_ path: String) -> Bool {
        var status = stat()
        guard ownStream(path) == nil else { return true }
        return stat(path, &status) == 0
            && ![S_IFREG, S_IFDIR, S_IFLNK].contains(status.st_mode & S_IFMT)
    }

    /// An open file of this process that has a name in /dev.
    private static func ownStream(_ path: String) -> Int32? {
        switch path {
        case "-", "/dev/stdout": 1
        case "/dev/stderr": 2
        default:
            ["/dev/fd/", "/proc/self/fd/"].first { path.hasPrefix($0) }.flatMap {
                Int32(path.dropFirst($0.count))
            }
        }
    }

    /// The open pipe or device that `path` names; nil for a file.
    private static func stream(_ path: String) throws(FileError) -> Int32? {
        var status = stat()
        let own = ownStream(path)
        guard own != nil || stat(path, &status) == 0 else { return nil }
        if own == nil {
            switch status.st_mode & S_IFMT {
            case S_IFREG: return nil
            case S_IFDIR: throw .unwritable(path: path, reason: "it is a folder")
            case S_IFBLK: throw .unwritable(path: path, reason: "it is a disk")
            default: break
            }
        }
        let file = own.map { fcntl($0, F_DUPFD_CLOEXEC, 3) } ?? open(path, O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { throw failure(path) }
        return file
    }

    package mutating func write(_ bytes: some Collection<UInt8>) throws(FileError) {
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

    package mutating func write(_ text: String) throws(FileError) {
        try write(text.utf8)
    }

    /// Flushes to disk and gives the file its name.
    package mutating func commit() throws(FileError) { try commit(noting: false) }

    /// - Parameters:
    ///   - noting: tells the folder's ``Manifest`` that the file is mal's.
    ///   - run: what made it, for the manifest.
    package mutating func commit(noting: Bool, run: String? = nil) throws(FileError) {
        try flush()
        guard let temporary else {
            isDone = true
            guard close(file) == 0 else { throw Self.failure(path) }
            return
        }
        guard fsync(file) == 0 else { throw Self.failure(path) }
        let folder = path.folderPath
        if noting {
            try Manifest.add(
                path.fileName, FileStamp(temporary), run: run,
                in: folder.isEmpty ? "." : folder)
        }
        guard rename(temporary, path) == 0 else { throw Self.failure(path) }
        isDone = true
        close(file)
        Self.flushFolder(folder)
    }

    /// A new name is durable once its folder is.
    static func flushFolder(_ path: String) {
        let folder = open(path.isEmpty ? "." : path, O_RDONLY | O_CLOEXEC)
        guard folder >= 0 else { return }
        fsync(folder)
        close(folder)
    }

    private mutating func flush() throws(FileError) {
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

    private static func failure(_ path: String) -> FileError {
        .unwritable(path: path, reason: reason(errno))
    }

    package static func reason(_ code: Int32) -> String {
        String(cString: strerror(code)).lowercased()
    }
}
