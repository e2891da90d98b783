package import COCO

/// How annotations are read where their content does not say it all.
public struct InputOptions: Sendable {
    /// The name of a format, one of ``formatNames``; nil tells it by content and layout.
    public var format: String?
    /// A file whose images and categories a list of detections means.
    public var imagesFrom: String?

    public init(format: String? = nil, imagesFrom: String? = nil) {
        self.format = format
        self.imagesFrom = imagesFrom
    }

    /// The names of the formats that annotations can come in.
    public static var formatNames: [String] { AnnotationFormat.allCases.map(\.rawValue) }

    /// - Throws: `LabelingError.wrongUse` for a format that can't be read.
    package func source(
        _ path: String, imagesDirectory: String?, appliesEXIF: Bool
    ) throws(LabelingError) -> AnnotationSource {
        let known = format.flatMap(AnnotationFormat.init(rawValue:))
        if let format, known == nil {
            throw .wrongUse(
                "the format must be one of \(Self.formatNames.joined(separator: ", ")), is "
                    + format)
        }
        return AnnotationSource(
            path: path, format: known, imagesDirectory: imagesDirectory, imagesFrom: imagesFrom,
            appliesEXIF: appliesEXIF)
    }
}
