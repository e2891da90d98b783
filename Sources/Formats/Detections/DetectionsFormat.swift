public import Annotations

/// A JSON list of a detector's boxes (COCO results).
struct DetectionsFormat: Format {
    let name = AnnotationFormat.detections
    let summary = "COCO results: boxes, scores, masks"
    let toldBy = "a list whose records have an `image_id`"
    let keys: Set<String> = ["image_id", "category_id", "bbox", "score", "segmentation"]

    func recognizes(_ file: FileProbe) -> Bool {
        file.opens(with: "[") && file.keys.contains("image_id")
    }

    func read(_ source: AnnotationSource) throws -> AnnotationFile {
        try DetectionReader.read(source)
    }

    var writer: FormatWriter? { .file { DetectionsWriter(file: $0, options: $1) } }
}

extension AnnotationFormat {
    public static let detections = AnnotationFormat("detections")
}
