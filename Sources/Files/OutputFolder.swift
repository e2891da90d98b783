import CFiles
import Foundation

/// A folder that appears under its name only when it is complete.
///
/// It is filled under a temporary name beside its place. An earlier folder of mal changes places
/// with it at one moment; before that, what others put into the earlier folder gets a second name
/// (a hard link) in the new one, so that it is at its path at every moment. Given up without
/// ``commit()``, the folder leaves nothing behind.
package struct OutputFolder: ~Copyable {
    private let place: OutputPlace
    /// Where the folder is until it is complete.
    package let work: String
    private let marker: String
    private var made: Set<String>
    private var isDone: Bool
    /// What was written so far.
    package private(set) var byteCount: Int

    /// - Parameters:
    ///   - marker: the name of the ``Manifest`` that each folder of this kind has: only such a
    ///     folder, or an empty one, is ever replaced.
    /// - Throws: ``FileError/unwritable(path:reason:)``.
    package init(path: String, marker: String) throws(FileError) {
        try Self.checkReplaceable(path, marker: marker)
        let place = try OutputPlace(path)
        let work = place.temporaryPath()
        do {
            try FileManager.default.createDirectory(
                atPath: place.folder, withIntermediateDirectories: true)
        } catch {
            throw .unwritable(path: path, reason: "the folder \(place.folder) can't be created")
        }
        guard mkdir(work, 0o777) == 0 else { throw Self.failure(path) }
        self.place = place
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
    ///
    /// - Parameter names: what will be written, as far as it is known: nothing that mal did not
    ///   write, or that has changed since, may stand in its way.
    package static func checkReplaceable(
        _ path: String, marker: String, names: some Sequence<String> = [String]()
    ) throws(FileError) {
        let path = try OutputPlace(path).path
        var status = stat()
        guard stat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw .unwritable(path: path, reason: "it is a file; give the name of a folder")
        }
        guard let content = try? FileManager.default.contentsOfDirectory(atPath: path) else {
            throw .unwritable(path: path, reason: "the folder can't be read")
        }
        guard content.isEmpty || FileStamp.size(of: path + "/" + marker) != nil else {
            throw .unwritable(
                path: path,
                reason: "the folder is not empty and was not written by mal; give another name")
        }
        if let obstacle = try StandingFolder(path, marker: marker).obstacle(to: names) {
            throw StandingFolder.obstacle(at: path + "/" + obstacle)
        }
    }

    /// Writes one file, and the folders above it, at once.
    ///
    /// - Parameter name: relative to the folder, without `..`.
    package mutating func write(_ bytes: [UInt8], to name: String) throws(FileError) {
        try makeParent(of: name)
        try Self.write(bytes, toFile: work + "/" + name)
        byteCount += bytes.count
    }

    /// Adds to the end of a file, which is made if need be.
    package mutating func append(_ bytes: [UInt8], to name: String) throws(FileError) {
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
    ) throws(FileError) {
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

    /// Gives a file that is there already a second name in the folder, or makes a copy of it.
    ///
    /// - Parameter isLink: false, and a file system that has no second names, copy.
    package mutating func add(
        file path: String, as name: String, isLink: Bool
    ) throws(FileError) {
        try makeParent(of: name)
        let real = (path as NSString).resolvingSymlinksInPath
        if isLink, link(real, work + "/" + name) == 0 { return }
        do {
            try FileManager.default.copyItem(atPath: real, toPath: work + "/" + name)
        } catch {
            throw .unwritable(
                path: place.path + "/" + name, reason: "\(path) can't be copied there")
        }
    }

    package mutating func write(_ text: String, to name: String) throws(FileError) {
        try write(Array(text.utf8), to: name)
    }

    /// A file that is written piece by piece.
    package mutating func file(_ name: String) throws(FileError) -> OutputFile {
        try makeParent(of: name)
        return try OutputFile(path: work + "/" + name)
    }

    /// Makes a folder within it, if only for it to be there.
    package mutating func makeFolder(_ name: String) throws(FileError) {
        guard made.insert(name).inserted else { return }
        do {
            try FileManager.default.createDirectory(
                atPath: work + "/" + name, withIntermediateDirectories: true)
        } catch {
            throw .unwritable(path: place.path + "/" + name, reason: "the folder can't be created")
        }
    }

    /// Gives the folder its name.
    package mutating func commit() throws(FileError) {
        var lines = ""
        for (path, isFolder) in try StandingFolder.entries(of: work) {
            lines += Manifest.line(path, isFolder ? nil : try FileStamp(work + "/" + path))
        }
        let path = place.path
        let isThere = FolderListing.isFolder(path)
        if isThere { try StandingFolder(path, marker: marker).link(into: work) }
        // The manifest appears when all that it names is on the disk: until then a folder that a
        // killed process left is known not to be complete.
        try write(lines, to: marker + ".new")
        try flush()
        guard rename(work + "/" + marker + ".new", work + "/" + marker) == 0 else {
            throw Self.failure(path)
        }
        OutputFile.flushFolder(work)
        isDone = try Self.put(work, at: place, insteadOfFolder: isThere)
        guard isDone else { throw Self.failure(path) }
        OutputFile.flushFolder(place.folder)
        guard Self.clear(work, besides: path) else {
            throw .unwritable(
                path: path,
                reason: "it is complete, but what somebody put there meanwhile is in \(work)")
        }
    }

    private func flush() throws(FileError) {
        let folder = open(work, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw Self.failure(place.path) }
        defer { close(folder) }
        guard cf_sync_file_system(folder) == 0 else { throw Self.failure(place.path) }
    }

    private mutating func makeParent(of name: String) throws(FileError) {
        guard let slash = name.lastIndex(of: "/") else { return }
        try makeFolder(String(name[..<slash]))
    }

    private static func failure(_ path: String) -> FileError {
        .unwritable(path: path, reason: OutputFile.reason(errno))
    }
}
