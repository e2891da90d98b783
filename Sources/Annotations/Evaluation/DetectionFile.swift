import CJSON
import Imaging

/// Detections or pseudo labels to be measured against the truth: a list of objects as detectors
/// write it, or a COCO file, of which `annotations` are taken.
///
/// What is in a detection follows pycocotools' `loadRes` (SPEC §9): when the first entry has a
/// `bbox`, every one must have it, its area is that of the box also for masks, and a missing mask is
/// the box. Otherwise every entry must have a mask, and box and area are the mask's.
package struct DetectionFile: Sendable {
    package let path: String
    package let detections: [Detection]
    /// Warnings; a file with errors is never returned.
    package let problems: ProblemList
    /// Whether the entries have boxes of their own.
    package let hasBoxes: Bool
    package let bytes: FileBytes

    /// - Parameters:
    ///   - truth: gives the images and categories that entries name.
    ///   - scoreKey: the key of the score. When no entry has it, all scores are 1.
    /// - Throws: ``AnnotationError`` with all errors of the file together.
    package static func read(
        path: String, truth: AnnotationFile, scoreKey: String = "score"
    ) throws -> DetectionFile {
        let bytes = try FileBytes(path: path)
        let reader = PredictionReader(path: path, bytes: bytes, truth: truth, scoreKey: scoreKey)
        try reader.read()
        guard reader.problems.errorCount == 0 else {
            throw AnnotationError.invalid(reader.problems)
        }
        return DetectionFile(
            path: path, detections: reader.detections, problems: reader.problems,
            hasBoxes: reader.hasBoxes, bytes: bytes)
    }

    /// The mask of a detection; its box where there is none.
    ///
    /// - Parameter size: of the image; nil takes an RLE's own.
    /// - Throws: ``AnnotationError/problem(_:)`` that names the entry.
    func mask(of place: Int, imageSize size: Size?) throws -> RLE {
        let detection = detections[place]
        do {
            switch try segmentation(of: detection) {
            case .rle(let mask):
                guard size == nil || mask.size == size else {
                    let size = size ?? mask.size
                    throw AnnotationError.segmentation(
                        "size is [\(mask.size.height), \(mask.size.width)] where its image has "
                            + "[\(size.height), \(size.width)]")
                }
                return mask
            case .polygons(let polygons):
                guard let size else { throw Self.lacksSize }
                return try RLE(polygons: polygons, size: size)
            case .none:
                guard let size else { throw Self.lacksSize }
                guard let box = detection.box else {
                    throw AnnotationError.segmentation("list of polygons is empty")
                }
                return try RLE(polygon: box.polygon, size: size)
            }
        } catch AnnotationError.segmentation(let message) {
            throw AnnotationError.problem(
                Problem(
                    .error, file: path, .annotation(index: place, id: detection.id),
                    field: "segmentation", expected: "a COCO mask",
                    found: "one whose \(message)"))
        }
    }

    private static let lacksSize = AnnotationError.segmentation(
        "image has neither width nor height in the truth")

    /// Whether a detection has a mask of its own.
    package func hasMask(_ detection: Detection) -> Bool {
        guard let range = detection.segmentationBytes.present else { return false }
        return bytes.withBytes { content in
            var scanner = JSONScanner(content, range)
            if scanner.peek() == UInt8(ascii: "n") { return false }
            return !(scanner.take("[") && scanner.take("]"))
        }
    }

    private func segmentation(of detection: Detection) throws -> Segmentation {
        guard let range = detection.segmentationBytes.present else { return .none }
        return try bytes.withBytes { (content) throws in
            try Segmentation(JSONScanner(content, range))
        }
    }
}
