package import Annotations
import Files

/// What to read annotations from, and what helps to read them.
package struct AnnotationSource: Sendable {
    /// A file, or the folder of a format that has a file an image.
    package let path: String
    /// Nil tells the format by content and layout.
    package let format: AnnotationFormat?
    /// Where sizes of images are looked up, and names made relative to.
    package let imagesDirectory: String?
    /// Whose images and categories a list of detections means.
    package let imagesFrom: String?
    /// Whether images count as turned by their EXIF orientation.
    package let appliesEXIF: Bool
    /// Which pixels the polygons of YOLO stand for; nil is as ultralytics fills them.
    package let polygonFill: PolygonFill?
    /// Nil without a folder of images.
    let finder: ImageFinder?

    /// - Parameter searchesNames: whether an image may lie in any folder below `imagesDirectory`, if
    ///   only one has its name.
    package init(
        path: String, format: AnnotationFormat? = nil, imagesDirectory: String? = nil,
        imagesFrom: String? = nil, appliesEXIF: Bool = false, searchesNames: Bool = false,
        polygonFill: PolygonFill? = nil
    ) {
        self.path = path
        self.format = format
        self.imagesDirectory = imagesDirectory
        self.imagesFrom = imagesFrom
        self.appliesEXIF = appliesEXIF
        self.polygonFill = polygonFill
        finder = imagesDirectory.map { ImageFinder($0, searchesTree: searchesNames) }
    }
}

extension AnnotationFile {
    /// Reads and checks annotations of any format; see ``read(path:)``. Two images that would be one file of the
    /// images folder are an error.
    package static func read(_ source: AnnotationSource) throws -> AnnotationFile {
        let format =
            if let given = source.format { given.format } else {
                try FormatDetector.format(of: source.path)
            }
        let file = try format.read(source)
        guard let finder = source.finder else { return file }
        var problems = file.problems
        for clash in finder.clashes {
            problems.add(
                .error, .file, field: "images",
                expected: "a file in \(finder.directory) for each image",
                found:
                    "\(clash.file.quoted) for \(clash.first.quoted) and for \(clash.second.quoted)")
        }
        guard problems.errorCount == 0 else { throw AnnotationError.invalid(problems) }
        return file
    }
}
