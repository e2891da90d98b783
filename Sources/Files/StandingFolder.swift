import CFiles
import Foundation

/// A folder at an output's place, divided into what mal wrote there and what is others'.
struct StandingFolder {
    let root: String
    /// Relative to the root; a folder before what is in it.
    private(set) var foreign: [(path: String, isFolder: Bool)] = []
    /// Nothing is in it.
    let isEmpty: Bool

    /// - Parameter marker: the name of the manifest.
    init(_ root: String, marker: String) throws(FileError) {
        self.root = root
        let manifest = Manifest(root, name: marker)
        let entries = try Self.entries(of: root)
        isEmpty = entries.isEmpty
        // From the inside out: a folder of mal's is others' as well as soon as it holds theirs.
        var needed: Set<String> = []
        for (path, isFolder) in entries.reversed() {
            let isOwn =
                isFolder
                ? manifest.hasFolder(path) && !needed.contains(path)
                : path == marker || manifest.entry(path) != nil
            guard !isOwn else { continue }
            foreign.append((path, isFolder))
            needed.insert(path.folderPath)
        }
        foreign.reverse()
    }

    /// What stands in the way of new files; nil when nothing does.
    func obstacle(to names: some Sequence<String>) -> String? {
        guard !foreign.isEmpty else { return nil }
        let files = Set(names)
        var folders: Set<String> = []
        for name in files {
            var parent = name.folderPath
            while !parent.isEmpty, folders.insert(parent).inserted {
                parent = parent.folderPath
            }
        }
        return foreign.first { path, isFolder in
            files.contains(path) || (!isFolder && folders.contains(path))
        }?.path
    }

    /// Gives what is others' a second name in a folder that will take this one's place.
    func link(into other: String) throws(FileError) {
        try Self.takeOver(root, as: other)
        for (path, isFolder) in foreign {
            let (from, to) = (root + "/" + path, other + "/" + path)
            if isFolder {
                guard mkdir(to, 0o700) == 0 || (errno == EEXIST && FolderListing.isFolder(to))
                else { throw Self.obstacle(at: from, errno) }
                try Self.takeOver(from, as: to)
            } else if Glibc.link(from, to) != 0 {
                throw Self.obstacle(at: from, errno)
            }
        }
    }

    static func obstacle(at path: String) -> FileError {
        .unwritable(
            path: path,
            reason: "mal did not write what is there, or it has changed since; move it away")
    }

    private static func obstacle(at path: String, _ code: Int32) -> FileError {
        guard code != EEXIST, code != ENOTDIR else { return obstacle(at: path) }
        return .unwritable(
            path: path,
            reason: "it is not mal's and can't be kept in its place ("
                + "\(OutputFile.reason(code))); move it out of the folder")
    }

    /// Mode and owner.
    private static func takeOver(_ from: String, as to: String) throws(FileError) {
        var (old, new) = (stat(), stat())
        guard stat(from, &old) == 0, stat(to, &new) == 0 else { throw obstacle(at: from, errno) }
        if old.st_uid != new.st_uid || old.st_gid != new.st_gid {
            guard chown(to, old.st_uid, old.st_gid) == 0 else { throw obstacle(at: from, errno) }
        }
        guard chmod(to, old.st_mode & 0o7777) == 0 else { throw obstacle(at: from, errno) }
    }

    /// Everything below a folder, hidden files too. Links are not followed.
    static func entries(of root: String) throws(FileError) -> [(path: String, isFolder: Bool)] {
        var entries: [(path: String, isFolder: Bool)] = []
        var waiting = [""]
        while let parent = waiting.popLast() {
            let path = parent.isEmpty ? root : root + "/" + parent
            guard let folder = opendir(path) else {
                throw .unwritable(path: path, reason: OutputFile.reason(errno))
            }
            defer { closedir(folder) }
            while let entry = readdir(folder) {
                let bytes = withUnsafeBytes(of: entry.pointee.d_name) {
                    Array($0.prefix { $0 != 0 })
                }
                guard bytes != [0x2E], bytes != [0x2E, 0x2E] else { continue }
                guard let name = String(validating: bytes, as: UTF8.self) else {
                    throw .unwritable(
                        path: path,
                        reason: "it holds a name that is not UTF-8: "
                            + String(decoding: bytes, as: UTF8.self).quoted)
                }
                let relative = parent.isEmpty ? name : parent + "/" + name
                var status = stat()
                guard lstat(root + "/" + relative, &status) == 0 else { continue }
                let isFolder = status.st_mode & S_IFMT == S_IFDIR
                entries.append((relative, isFolder))
                if isFolder { waiting.append(relative) }
            }
        }
        return entries
    }
}
