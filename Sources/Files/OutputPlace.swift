import Foundation

/// The folder and the name that an output gets, and the names that belong to it while it is
/// written.
package struct OutputPlace: Equatable, Sendable {
    /// Absolute, or relative to the working folder; never empty.
    package let folder: String
    package let name: String

    package var path: String { folder == "/" ? "/" + name : folder + "/" + name }

    /// - Parameter path: of a link, it is the link's target that is written, and the link stays.
    /// - Throws: ``FileError/unwritable(path:reason:)`` for a name that can't be a file's, and for a
    ///   link to nothing.
    package init(_ path: String) throws(FileError) {
        if let reason = Self.fault(in: path) { throw .unwritable(path: path, reason: reason) }
        var text = path
        while text.count > 1, text.hasSuffix("/") { text.removeLast() }
        let last = text.split(separator: "/").last
        if Self.isLink(text) || last == nil || last == "." || last == ".." {
            guard let real = Self.realPath(text) else {
                throw .unwritable(path: path, reason: "it is a link to nothing")
            }
            text = real
        }
        guard let name = text.split(separator: "/").last else {
            throw .unwritable(path: path, reason: "it is the root folder")
        }
        self.name = String(name)
        var parent = String(text.dropLast(name.count))
        while parent.count > 1, parent.hasSuffix("/") { parent.removeLast() }
        folder = parent.isEmpty ? "." : parent
    }

    /// Why no file can have this path; nil for one that can.
    package static func fault(in path: String) -> String? {
        if path.isEmpty { return "the name is empty" }
        if path.unicodeScalars.contains(where: { $0 == "\n" || $0 == "\r" || $0 == "\0" }) {
            return "a name must not hold a line break"
        }
        if path.utf8.count > 4000 { return "the path has over 4000 bytes" }
        let longest = path.split(separator: "/").map(\.utf8.count).max() ?? 0
        return longest > 255 ? "a name has at most 255 bytes, this one \(longest)" : nil
    }

    package static func isLink(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    }

    static func realPath(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }

    // MARK: Names while writing

    /// A new name beside the output, which nobody can foresee.
    func temporaryPath(_ suffix: String = "partial") -> String {
        let digits = String(UInt64.random(in: 0...UInt64.max), radix: 16)
        return hidden(String(repeating: "0", count: 16 - digits.count) + digits + "." + suffix)
    }

    var lockPath: String { hidden("lock") }

    /// What earlier runs that were killed left of this output.
    func leftovers(_ suffix: String) -> [String] {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let (start, end) = ("." + stem + ".", "." + suffix)
        return entries.filter {
            $0.utf8.count == start.utf8.count + 16 + end.utf8.count && $0.hasPrefix(start)
                && $0.hasSuffix(end)
                && $0.dropFirst(start.count).prefix(16).allSatisfy(\.isHexDigit)
        }.map { folder + "/" + $0 }
    }

    private func hidden(_ end: String) -> String { folder + "/." + stem + "." + end }

    /// The name, or what stands for one that would be too long with more behind it.
    private var stem: String {
        name.utf8.count <= 200
            ? name : "mal-" + String(FNV1a.hash(Array(name.utf8)), radix: 16)
    }
}
