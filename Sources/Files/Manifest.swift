import Foundation

/// What mal wrote into a folder, as JSON lines in a hidden file there: only what is named here and
/// has not changed since is ever replaced or removed.
package struct Manifest {
    package struct Entry: Equatable {
        package let stamp: FileStamp
        /// What made it, where that is worth knowing.
        package let run: String?
    }

    /// Of a folder whose other files are not mal's business.
    package static let looseName = ".mal-files"

    private let folder: String
    /// All lines about a file: who is killed before a new version gets the name leaves the old one.
    private let entries: [String: [Entry]]
    private let folders: Set<String>

    /// - Parameter name: of the file in `folder`; one that is not there names nothing.
    package init(_ folder: String, name: String = Manifest.looseName) {
        self.folder = folder
        var (entries, folders) = ([String: [Entry]](), Set<String>())
        let data =
            OutputPlace.isLink(folder + "/" + name)
            ? nil : FileManager.default.contents(atPath: folder + "/" + name)
        for line in (data ?? Data()).split(separator: UInt8(ascii: "\n")) {
            // A line that was being written when the power went names nothing.
            guard let object = try? JSONSerialization.jsonObject(with: line) as? [String: Any],
                let path = object["path"] as? String
            else { continue }
            if let size = object["size"] as? Int, let hash = object["hash"] as? String {
                let stamp = FileStamp(size: size, hash: hash)
                entries[path, default: []].append(
                    Entry(stamp: stamp, run: object["run"] as? String))
            } else {
                folders.insert(path)
            }
        }
        self.entries = entries
        self.folders = folders
    }

    /// The entry of a file that is there as mal wrote it; nil for one that is not.
    package func entry(_ name: String) -> Entry? {
        guard let known = entries[name], let size = FileStamp.size(of: folder + "/" + name),
            known.contains(where: { $0.stamp.size == size }),
            let stamp = try? FileStamp(folder + "/" + name)
        else { return nil }
        return known.last { $0.stamp == stamp }
    }

    func hasFolder(_ name: String) -> Bool { folders.contains(name) }

    package static func line(_ name: String, _ stamp: FileStamp? = nil, run: String? = nil)
        -> String
    {
        func text(_ text: String) -> String {
            String(decoding: PythonJSON.string(text), as: UTF8.self)
        }
        var line = "{\"path\": \(text(name))"
        if let stamp { line += ", \"size\": \(stamp.size), \"hash\": \(text(stamp.hash))" }
        if let run { line += ", \"run\": \(text(run))" }
        return line + "}\n"
    }

    /// Adds a file, before it gets its name: a file that mal wrote is never without its line.
    package static func add(
        _ name: String, _ stamp: FileStamp, run: String?, in folder: String
    ) throws(FileError) {
        let path = folder + "/" + looseName
        let file = open(
            path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw .unwritable(path: path, reason: OutputFile.reason(errno)) }
        defer { close(file) }
        var last: UInt8 = 0
        let end = lseek(file, 0, SEEK_END)
        let isOpen = end > 0 && pread(file, &last, 1, end - 1) == 1 && last != UInt8(ascii: "\n")
        let bytes = Array(((isOpen ? "\n" : "") + line(name, stamp, run: run)).utf8)
        guard write(file, bytes, bytes.count) == bytes.count, fdatasync(file) == 0 else {
            throw .unwritable(path: path, reason: OutputFile.reason(errno))
        }
    }
}

/// Tells whether a file is as it was.
package struct FileStamp: Equatable, Sendable {
    package let size: Int
    /// FNV-1a of the content, in hexadecimal digits.
    package let hash: String

    package init(size: Int, hash: String) {
        self.size = size
        self.hash = hash
    }

    /// Reads a file; links are not followed.
    package init(_ path: String) throws(FileError) {
        let file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else { throw .unreadable(path: path, reason: OutputFile.reason(errno)) }
        defer { close(file) }
        var hasher = FNV1a()
        var size = 0
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = buffer.withUnsafeMutableBytes { read(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw .unreadable(path: path, reason: OutputFile.reason(errno))
            }
            if count == 0 { break }
            size += count
            buffer.withUnsafeBytes {
                hasher.combine(UnsafeRawBufferPointer(rebasing: $0[..<count]))
            }
        }
        self.init(size: size, hash: String(hasher.value, radix: 16))
    }

    /// Of a plain file; nil for anything else.
    package static func size(of path: String) -> Int? {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int(status.st_size)
    }
}

/// 64-bit FNV-1a: tells changed files and torn records from whole ones. Not a defence against forgery.
package struct FNV1a: Sendable {
    package private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    package init() {}

    package mutating func combine(_ bytes: UnsafeRawBufferPointer) {
        var hash = value
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        value = hash
    }

    package static func hash(_ bytes: [UInt8]) -> UInt64 {
        var hasher = FNV1a()
        bytes.withUnsafeBytes { hasher.combine($0) }
        return hasher.value
    }
}
