import Files
import Foundation
import Synchronization

/// Finds the images of a data set by the names that its annotations give them, by one rule for all
/// formats: as written, with Windows' separators turned, without the address or the folder of
/// another machine, in another Unicode form or with an extension in other letters; in the images
/// folder, or anywhere below it if asked for.
package final class ImageFinder: Sendable {
    package let directory: String
    private let searchesTree: Bool
    /// By folder, then by ``key(of:)``.
    private let folders = Mutex<[String: [String: [String]]]>([:])
    private let tree = Mutex<[String: [String]]?>(nil)
    private let found = Mutex(Found())

    private struct Found {
        /// The first spelling that led to a file.
        var spellings: [String: String] = [:]
        /// The others, each of which is told once.
        var others: Set<String> = []
        var clashes: [Clash] = []
    }

    /// Two names of a data set that lead to one file: at least one of them is another image's.
    package struct Clash: Sendable {
        package let file, first, second: String
    }

    /// - Parameter searchesTree: whether an image may lie in any folder below `directory`, if only
    ///   one has its name.
    package init(_ directory: String, searchesTree: Bool = false) {
        self.directory = directory
        self.searchesTree = searchesTree
    }

    /// Those met so far. The files themselves can't tell which name is right.
    package var clashes: [Clash] { found.withLock { $0.clashes } }

    /// Where the first of some names is, relative to the folder; nil if none is there.
    package func find(_ names: [String]) -> String? {
        guard let file = lookUp(names), let spelling = names.first else { return nil }
        found.withLock { found in
            guard let first = found.spellings[file] else {
                found.spellings[file] = spelling
                return
            }
            if first != spelling, found.others.insert(spelling).inserted {
                found.clashes.append(Clash(file: file, first: first, second: spelling))
            }
        }
        return file
    }

    private func lookUp(_ names: [String]) -> String? {
        let safe = names.filter { ImageRecord.fault(in: $0) == nil }
        if let name = safe.first(where: { access(directory + "/" + $0, F_OK) == 0 }) { return name }
        for name in safe {
            if let found = equivalent(of: name) { return found }
        }
        let last = names.compactMap { $0.split(separator: "/").last.map(String.init) }
        for name in Set(last).count == 1 ? Array(last.prefix(1)) : last {
            if let found = equivalent(of: name) { return found }
        }
        guard searchesTree else { return nil }
        for name in last {
            if let found = inTree(name) { return found }
        }
        return nil
    }

    /// A file whose name differs in its Unicode form or in the letters of its extension only.
    private func equivalent(of name: String) -> String? {
        let parts = name.split(separator: "/")
        guard let last = parts.last, ImageRecord.fault(in: name) == nil else { return nil }
        let folder = parts.dropLast().joined(separator: "/")
        let entries = folders.withLock { folders in
            if let known = folders[folder] { return known }
            let names =
                (try? FileManager.default.contentsOfDirectory(
                    atPath: folder.isEmpty ? directory : directory + "/" + folder)) ?? []
            let entries = Dictionary(grouping: names, by: Self.key)
            folders[folder] = entries
            return entries
        }
        guard let found = entries[Self.key(of: String(last))], found.count == 1 else { return nil }
        return folder.isEmpty ? found[0] : folder + "/" + found[0]
    }

    private func inTree(_ name: String) -> String? {
        tree.withLock { tree in
            let known = tree ?? listTree()
            tree = known
            let found = known[Self.key(of: name)] ?? []
            return found.count == 1 ? found[0] : nil
        }
    }

    private func listTree() -> [String: [String]] {
        let files = (try? FolderListing(directory))?.names ?? []
        return Dictionary(grouping: files) {
            Self.key(of: $0.split(separator: "/").last.map(String.init) ?? $0)
        }
    }

    private static func key(of name: String) -> String {
        let stem = FolderListing.stem(of: name)
        return
            (stem.precomposedStringWithCanonicalMapping + "."
            + FolderListing.fileExtension(of: name))
    }

    /// What a name that is written in a data set may mean, the likeliest first.
    package static func spellings(of written: String) -> [String] {
        var name = written
        if let range = name.range(of: "?d=") {
            // Label Studio's address of a local file.
            name = String(name[range.upperBound...])
            return tails(of: name.removingPercentEncoding ?? name)
        }
        if let scheme = name.range(of: "://"), name[..<scheme.lowerBound].allSatisfy(\.isLetter) {
            let path = name[scheme.upperBound...].drop { $0 != "/" }.prefix {
                $0 != "?" && $0 != "#"
            }
            return tails(of: String(path).removingPercentEncoding ?? String(path))
        }
        if name.contains("\\") { name = name.replacing("\\", with: "/") }
        if name.hasPrefix("/") { return [written] + tails(of: name) }
        return name == written ? [name] : [name, written]
    }

    /// A path without its root, and its last component.
    private static func tails(of path: String) -> [String] {
        let parts = path.split(separator: "/").filter { $0 != ".." }
        guard let last = parts.last else { return [path] }
        return parts.count > 1 ? [parts.joined(separator: "/"), String(last)] : [String(last)]
    }
}
