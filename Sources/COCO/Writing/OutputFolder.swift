import Foundation

/// A folder that appears under its name only when it is complete.
///
/// It is filled under a temporary name beside its place and renamed. Given up without ``commit()``,
/// it leaves nothing behind. A folder that was there before is put aside until the new one is in
/// place.
package struct OutputFolder: ~Copyable {
    private let path: String
    /// Where the folder is until it is complete.
    package let work: String
    private let marker: String
    private var made: Set<String>
    private var isDone: Bool
    /// What was written so far.
    package private(set) var byteCount: Int

    /// - Parameters:
    ///   - marker: the name of a file that each folder of this kind has: only such a folder, or an
    ///     empty one, is ever replaced.
    /// - Throws: ``COCOError/unwritable(path:reason:)``.
    package init(path: String, marker: String) throws(COCOError) {
        let full = URL(fileURLWithPath: path).standardizedFileURL
        try Self.checkReplaceable(full.path, marker: marker)
        // A fixed name: the next attempt takes the place of what a killed process left.
        let work = full.deletingLastPathComponent().path + "/.\(full.lastPathComponent).partial"
        try? FileManager.default.removeItem(atPath: work)
        do {
            try FileManager.default.createDirectory(
                atPath: work, withIntermediateDirectories: true)
        } catch {
            throw .unwritable(path: path, reason: "the folder \(work) can't be created")
        }
        self.path = full.path
        self.work = work
        self.marker = marker
        made = []
        isDone = false
        byteCount = 0
    }

    deinit {
        if !isDone { try? FileManager.default.removeItem(atPath: work) }
    }

    /// Refuses a file, and a folder of something else, so that a mistyped name costs nothing.
    package static func checkReplaceable(_ path: String, marker: String) throws(COCOError) {
        var isFolder: ObjCBool = false
        let files = FileManager.default
        guard files.fileExists(atPath: path, isDirectory: &isFolder) else { return }
        guard isFolder.boolValue else {
            throw .unwritable(path: path, reason: "it is a file; give the name of a folder")
        }
        let content = (try? files.contentsOfDirectory(atPath: path)) ?? []
        guard content.isEmpty || content.contains(marker) else {
            throw .unwritable(
                path: path,
                reason: "the folder is not empty and was not written by mal; give another name")
        }
    }

    /// Writes one file, and the folders above it, at once.
    ///
    /// - Parameter name: relative to the folder, without `..`.
    package mutating func write(_ bytes: [UInt8], to name: String) throws(COCOError) {
        try makeParent(of: name)
        try Self.write(bytes, toFile: work + "/" + name)
        byteCount += bytes.count
    }

    /// Adds to the end of a file, which is made if need be.
    package mutating func append(_ bytes: [UInt8], to name: String) throws(COCOError) {
        try makeParent(of: name)
        try Self.write(bytes, toFile: work + "/" + name, mode: O_APPEND)
        byteCount += bytes.count
    }

    /// Small files by the thousand: a temporary name and a flush for each would be most of the
    /// work, and the folder is renamed as a whole anyway.
    ///
    /// - Parameter path: in ``work``; its folder is there.
    package static func write(
        _ bytes: [UInt8], toFile path: String, mode: Int32 = O_TRUNC
    ) throws(COCOError) {
        let file = open(path, O_WRONLY | O_CREAT | mode | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw failure(path) }
        defer { close(file) }
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Foundation.write(file, $0.baseAddress! + done, $0.count - done)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure(path) }
            done += count
        }
    }

    package mutating func write(_ text: String, to name: String) throws(COCOError) {
        try write(Array(text.utf8), to: name)
    }

    /// A file that is written piece by piece.
    package mutating func file(_ name: String) throws(COCOError) -> OutputFile {
        try makeParent(of: name)
        return try OutputFile(path: work + "/" + name)
    }

    /// Makes a folder within it, if only for it to be there.
    package mutating func makeFolder(_ name: String) throws(COCOError) {
        guard made.insert(name).inserted else { return }
        do {
            try FileManager.default.createDirectory(
                atPath: work + "/" + name, withIntermediateDirectories: true)
        } catch {
            throw .unwritable(path: path + "/" + name, reason: "the folder can't be created")
        }
    }

    /// Gives the folder its name.
    ///
    /// - Parameter note: the content of the marker file.
    package mutating func commit(note: String) throws(COCOError) {
        try write(note + "\n", to: marker)
        let old = work + ".old"
        let files = FileManager.default
        try? files.removeItem(atPath: old)
        if files.fileExists(atPath: path), rename(path, old) != 0 { throw Self.failure(path) }
        guard rename(work, path) == 0 else {
            let code = errno
            rename(old, path)
            errno = code
            throw Self.failure(path)
        }
        isDone = true
        try? files.removeItem(atPath: old)
    }

    private mutating func makeParent(of name: String) throws(COCOError) {
        guard let slash = name.lastIndex(of: "/") else { return }
        try makeFolder(String(name[..<slash]))
    }

    private static func failure(_ path: String) -> COCOError {
        .unwritable(path: path, reason: String(cString: strerror(errno)).lowercased())
    }
}
