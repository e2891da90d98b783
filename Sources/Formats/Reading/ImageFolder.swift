import Annotations
import Files
import Foundation
import Imaging

/// The images that label files stand for: found by name, measured by their headers.
struct ImageFolder {
    let path: String
    private let appliesEXIF: Bool
    /// By name without extension; more than one where extensions differ.
    private let byStem: [String: [String]]

    static let extensions: Set<String> = [
        "jpg", "jpeg", "png", "bmp", "webp", "tif", "tiff",
    ]

    /// - Parameter listing: nil reads the folder.
    init(_ path: String, appliesEXIF: Bool, listing: FolderListing? = nil) throws {
        self.path = path
        self.appliesEXIF = appliesEXIF
        let files = if let listing { listing } else { try FolderListing(path) }
        byStem = Dictionary(
            grouping: files.files(withExtensions: Self.extensions), by: FolderListing.stem)
    }

    var stems: some Collection<String> { byStem.keys }

    /// The images of that name, relative to the folder; more than one are a mistake.
    func images(named stem: String) -> [String] { byStem[stem] ?? [] }

    func size(of image: String) throws(ImageError) -> Size {
        try Self.size(ofFile: path + "/" + image, appliesEXIF: appliesEXIF)
    }

    static func size(ofFile path: String, appliesEXIF: Bool) throws(ImageError) -> Size {
        let header = try ImageCodec.header(path: path)
        return appliesEXIF ? header.orientedSize : header.size
    }

    /// The path with its last component of one name replaced by another, if that is a folder:
    /// `data/images/train` for `data/labels/train`.
    ///
    /// The path stays as it was given if the component is in it.
    static func counterpart(of path: String, _ component: String, _ other: String) -> String? {
        var parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        if !parts.contains(component) {
            parts = URL(fileURLWithPath: path).standardizedFileURL.path
                .split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        }
        guard let place = parts.lastIndex(of: component) else { return nil }
        parts[place] = other
        let result = parts.joined(separator: "/")
        return FolderListing.isFolder(result) ? result : nil
    }
}

extension AnnotationSource {
    /// The first of some names that is an image in the images folder, and its size; the first name
    /// and no size if none is.
    func image(among names: [String]) -> (name: String, size: Size?) {
        let names = names.flatMap(ImageFinder.spellings)
        guard let finder, let name = finder.find(names) else { return (names.first ?? "", nil) }
        // A broken image is reported when it is opened for its boxes.
        let path = finder.directory + "/" + name
        return (name, try? ImageFolder.size(ofFile: path, appliesEXIF: appliesEXIF))
    }
}
