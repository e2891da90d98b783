public import Annotations

/// What to read annotations from, and what helps to read them.
public struct AnnotationSource: Sendable {
    /// A file, or the folder of a format that has a file an image.
    public var path: String
    /// Nil tells the format by content and layout.
    public var format: AnnotationFormat?
    /// Where sizes of images are looked up, and names made relative to.
    public var imagesDirectory: String?
    /// Whose images and categories a list of detections means.
    public var imagesFrom: String?
    /// Whether images count as turned by their EXIF orientation.
    public var appliesEXIF: Bool

    public init(
        path: String, format: AnnotationFormat? = nil, imagesDirectory: String? = nil,
        imagesFrom: String? = nil, appliesEXIF: Bool = false
    ) {
        self.path = path
        self.format = format
        self.imagesDirectory = imagesDirectory
        self.imagesFrom = imagesFrom
        self.appliesEXIF = appliesEXIF
    }
}

extension AnnotationFile {
    /// Reads and checks annotations of any format; see ``read(path:)``.
    public static func read(_ source: AnnotationSource) throws -> AnnotationFile {
        let format =
            if let given = source.format { given.format } else {
                try FormatDetector.format(of: source.path)
            }
        return try format.read(source)
    }
}
