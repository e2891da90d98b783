import Annotations
import Files
import Foundation

/// The label files of a format that has a file an image: one, or all below a folder.
struct LabelFiles {
    /// Relative to the folder, for names of images.
    let names: [String]
    /// The folder as it was given, or of the one file; empty for the folder that mal runs in.
    let folder: String

    /// - Parameters:
    ///   - subfolder: where the files are in the format's usual layout, if it is there.
    init(
        of source: AnnotationSource, withExtension fileExtension: String,
        subfolder: (String) -> String? = { _ in nil }
    ) throws {
        if FolderListing.isFolder(source.path) {
            folder = subfolder(source.path) ?? source.path
            names = try FolderListing(folder).files(withExtensions: [fileExtension])
        } else {
            (folder, names) = Self.split(source.path)
        }
    }

    /// As given, so that messages show paths as people wrote them.
    static func split(_ path: String) -> (folder: String, names: [String]) {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return ("", [path]) }
        let folder = String(path[..<slash])
        return (folder.isEmpty ? "/" : folder, [String(path[path.utf8.index(after: slash)...])])
    }

    func path(_ name: String) -> String { Self.join(folder, name) }

    static func join(_ folder: String, _ name: String) -> String {
        folder.isEmpty ? name : folder + (folder.hasSuffix("/") ? "" : "/") + name
    }
}
