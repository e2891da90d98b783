package import Annotations

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
    /// Reads and checks annotations of any format; see ``read(path:)``.
    package static func read(_ source: AnnotationSource) throws -> AnnotationFile {
        let format =
            if let given = source.format { given.format } else {
                try FormatDetector.format(of: source.path)
            }
        return try format.read(source)
    }
}
