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
        let format: AnnotationFormat =
            if let given = source.format { given } else {
                try FormatDetector.format(of: source.path)
            }
        var records = ImportedRecords(path: source.path)
        switch format {
        case .coco, .cocoPolygons, .cocoRLE, .lvis, .objects365:
            let naming = ImageNaming(
                directory: source.imagesDirectory, prefersURL: format == .lvis)
            return try AnnotationFile(
                AnnotationReader(
                    path: source.path, bytes: FileBytes(path: source.path), naming: naming),
                path: source.path, format: [.lvis, .objects365].contains(format) ? format : nil)
        case .ytvis: return try VideoReader.read(source)
        case .detections: return try DetectionReader.read(source)
        case .voc: try VOCReader(source).read(into: &records)
        case .yolo, .yoloSegmentation:
            try YOLOReader(source).read(into: &records)
            return try AnnotationFile(
                records, source: source, format: format, sortsCategories: false)
        case .kitti: try KITTIReader(source).read(into: &records)
        case .labelme: try LabelMeReader(source).read(into: &records)
        case .csv: try CSVReader(source).read(into: &records)
        case .vocPNG: try VOCMaskReader(source).read(into: &records)
        case .motsPNG: try MOTSReader(source).readImages(into: &records)
        case .motsText: try MOTSReader(source).readText(into: &records)
        case .png: return try InstancePNGReader.read(source)
        case .semantic: try SemanticReader(source).read(into: &records)
        }
        return try AnnotationFile(records, source: source, format: format, sortsCategories: true)
    }

    private init(
        _ records: ImportedRecords, source: AnnotationSource, format: AnnotationFormat,
        sortsCategories: Bool
    ) throws {
        guard records.problems.errorCount == 0 else { throw COCOError.invalid(records.problems) }
        let bytes = try FileBytes(
            records.document(sortsCategories: sortsCategories), path: source.path)
        try self.init(
            AnnotationReader(
                path: source.path, bytes: bytes, places: records.places,
                problems: records.problems),
            path: source.path, format: format)
    }
}
