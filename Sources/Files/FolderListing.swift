import Foundation

/// The files under a folder, hidden ones left out. Links are followed, but no folder is entered
/// twice, so that circles end.
package struct FolderListing {
    package let root: String
    /// Relative to the root, sorted.
    package private(set) var names: [String] = []

    /// Folders inside each other, and files: more end in an error rather than in a long wait.
    static let depthLimit = 24
    static let fileLimit = 5_000_000

    private struct FolderID: Hashable {
        let device: dev_t
        let inode: ino_t
    }

    package init(_ root: String) throws(FileError) {
        self.root = root
        var seen: Set<FolderID> = []
        var waiting = [(path: "", depth: 0)]
        while let folder = waiting.popLast() {
            let path = folder.path.isEmpty ? root : root + "/" + folder.path
            var status = stat()
            guard stat(path, &status) == 0 else {
                throw .unreadable(path: path, reason: Self.reason(errno))
            }
            let id = FolderID(device: status.st_dev, inode: status.st_ino)
            guard seen.insert(id).inserted else { continue }
            guard folder.depth <= Self.depthLimit else {
                throw .unreadable(
                    path: root,
                    reason: "expected at most \(Self.depthLimit) folders inside each other, found "
                        + "more: \(folder.path.quoted)")
            }
            try Self.list(path, below: folder.path) { name, isFolder throws(FileError) in
                if isFolder {
                    waiting.append((name, folder.depth + 1))
                } else {
                    names.append(name)
                    guard names.count <= Self.fileLimit else {
                        throw .unreadable(
                            path: root,
                            reason: "expected at most \(Self.fileLimit) files, found more")
                    }
                }
            }
        }
        names.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// - Parameter extensions: in lower case, without the dot.
    package func files(withExtensions extensions: Set<String>) -> [String] {
        names.filter { extensions.contains(Self.fileExtension(of: $0)) }
    }

    /// In lower case, without the dot.
    package static func fileExtension(of path: String) -> String {
        dot(in: path).map { path[path.utf8.index(after: $0)...].lowercased() } ?? ""
    }

    /// Without the extension of the last component.
    package static func stem(of path: String) -> String {
        dot(in: path).map { String(path[..<$0]) } ?? path
    }

    private static func dot(in path: String) -> String.Index? {
        guard let dot = path.utf8.lastIndex(of: UInt8(ascii: ".")),
            !path.utf8[dot...].contains(UInt8(ascii: "/"))
        else { return nil }
        return dot
    }

    package static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    package static func isFile(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    private static func list(
        _ path: String, below parent: String,
        _ body: (String, Bool) throws(FileError) -> Void
    ) throws(FileError) {
        guard let folder = opendir(path) else {
            throw .unreadable(path: path, reason: reason(errno))
        }
        defer { closedir(folder) }
        while let entry = readdir(folder) {
            let bytes = withUnsafeBytes(of: entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            guard bytes.first != UInt8(ascii: ".") else { continue }
            guard let name = String(validating: bytes, as: UTF8.self) else {
                throw .unreadable(
                    path: path,
                    reason: "expected file names in UTF-8, found "
                        + String(decoding: bytes, as: UTF8.self).quoted)
            }
            let relative = parent.isEmpty ? name : parent + "/" + name
            switch Int(entry.pointee.d_type) {
            case Int(DT_DIR): try body(relative, true)
            case Int(DT_REG): try body(relative, false)
            case Int(DT_LNK), Int(DT_UNKNOWN):
                let target = path + "/" + name
                if isFolder(target) {
                    try body(relative, true)
                } else if isFile(target) {
                    try body(relative, false)
                }
            default: break
            }
        }
    }

    private static func reason(_ code: Int32) -> String {
        String(cString: strerror(code)).lowercased()
    }
}
