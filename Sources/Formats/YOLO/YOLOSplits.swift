import Annotations
import Files
import Foundation

/// The images that a `data.yaml` names, by ultralytics' rules: `train`, `val` and `test` are a folder,
/// a list file, or a list of either, below `path`, which is below the file's own folder unless it is
/// absolute.
struct YOLOSplits {
    /// The folder that the parts lie in.
    let root: String
    /// Absolute, each once, in the order of the parts.
    private(set) var images: [String] = []
    /// What is named and not there.
    private(set) var missing: [String] = []
    private var seen: Set<String> = []
    /// The file's folder as it was given, and the same absolute: messages show the first.
    private let given: String
    private let absolute: String

    private static let listLimit = 1 << 30

    init(_ classes: YOLOClasses) throws {
        given = LabelFiles.split(classes.path).folder
        absolute = Self.standard(given.isEmpty ? "." : given)
        var root = absolute
        if let path = classes.root {
            let below = path.hasPrefix("/") ? path : absolute + "/" + path
            // A data set that was moved still lies where its file does.
            if FolderListing.isFolder(below) { root = Self.standard(below) }
        }
        self.root = root
        for (key, path) in classes.splits {
            guard try add(path) else {
                missing.append("\(key): \(path)")
                continue
            }
        }
    }

    static func standard(_ path: String) -> String {
        URL(fileURLWithPath: path).standardizedFileURL.resolvingSymlinksInPath().path
    }

    /// The label file of an image: the last `images` of its path is `labels` there.
    static func labels(ofImage path: String) -> String {
        var parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        if let place = parts.dropLast().lastIndex(of: "images") { parts[place] = "labels" }
        return FolderListing.stem(of: parts.joined(separator: "/")) + ".txt"
    }

    /// A path below the file's folder as the user would write it.
    func shown(_ path: String) -> String {
        guard path.hasPrefix(absolute + "/") else { return path }
        return LabelFiles.join(given, String(path.dropFirst(absolute.count + 1)))
    }

    private mutating func add(_ path: String) throws -> Bool {
        var candidates = path.hasPrefix("/") ? [path] : [root + "/" + path, absolute + "/" + path]
        if path.hasPrefix("../") { candidates.append(root + "/" + path.dropFirst(3)) }
        guard let place = candidates.first(where: { FileManager.default.fileExists(atPath: $0) })
        else { return false }
        if FolderListing.isFolder(place) {
            let folder = Self.standard(place)
            for name in try FolderListing(folder).files(withExtensions: ImageFolder.extensions) {
                insert(folder + "/" + name)
            }
            return true
        }
        if FolderListing.fileExtension(of: place) != "txt" {
            insert(Self.standard(place))
            return true
        }
        let text = try FileBytes.text(path: place, kind: "list of images", limit: Self.listLimit)
        let folder = Self.standard(LabelFiles.split(place).folder)
        TextFields.lines(text) { _, line in
            let name = String(decoding: line, as: UTF8.self).trimmingCharacters(in: .whitespaces)
            guard !name.isEmpty else { return }
            let places = name.hasPrefix("/") ? [name] : [folder + "/" + name, root + "/" + name]
            guard let found = places.first(where: FolderListing.isFile) else {
                missing.append(name)
                return
            }
            insert(Self.standard(found))
        }
        return true
    }

    private mutating func insert(_ path: String) {
        if seen.insert(path).inserted { images.append(path) }
    }
}
