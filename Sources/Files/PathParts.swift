extension String {
    /// The folder of a path as NSString's `deletingLastPathComponent` has it, which traps on some short
    /// names; empty where the path has no folder.
    package var folderPath: String {
        let path = withoutLastSlashes
        guard let slash = path.lastIndex(of: "/") else { return "" }
        let folder = String(path[..<slash]).withoutLastSlashes
        return folder.isEmpty ? "/" : folder
    }

    /// What a path calls its file or folder, without the folders above it.
    package var fileName: String {
        let path = withoutLastSlashes
        guard path != "/", let slash = path.lastIndex(of: "/") else { return path }
        return String(path[path.index(after: slash)...])
    }

    private var withoutLastSlashes: String {
        var path = Substring(self)
        while path.count > 1, path.last == "/" { path.removeLast() }
        return String(path)
    }
}
