import Imaging

/// A COCO annotation file: its records, and its bytes, so that an output can repeat what it does
/// not change.
public struct AnnotationFile: Sendable {
    public let path: String
    public let images: [ImageRecord]
    public let annotations: [AnnotationRecord]
    public let categories: [CategoryRecord]
    /// What is odd about the file; a file with errors is never returned, so these are warnings.
    public let problems: ProblemList
    let bytes: FileBytes

    /// Reads and checks a whole file (SPEC §2.1).
    ///
    /// Masks are not looked at: ``segmentation(of:)`` and ``checkSegmentations()`` do that.
    ///
    /// - Throws: ``COCOError/unreadable(path:reason:)``,
    ///   ``COCOError/syntax(path:line:column:message:)`` or, with all errors together,
    ///   ``COCOError/invalid(_:)``.
    public static func read(path: String) throws(COCOError) -> AnnotationFile {
        let bytes = try FileBytes(path: path)
        let reader = AnnotationReader(path: path, bytes: bytes)
        try reader.read()
        guard reader.problems.errorCount == 0 else { throw .invalid(reader.problems) }
        return AnnotationFile(
            path: path, images: reader.images, annotations: reader.annotations,
            categories: reader.categories, problems: reader.problems, bytes: bytes)
    }

    /// The number of bytes of the file.
    public var byteCount: Int { bytes.count }

    /// The annotations that can't get a mask, with the reason; in order.
    public var obstacles: [(annotation: Int, reason: LabelObstacle)] {
        annotations.compactMap { record in
            record.obstacle.map { (annotation: record.index, reason: $0) }
        }
    }

    /// The bytes of a record or value as text.
    public func text(_ range: Range<Int>) -> String { bytes.text(range) }

    /// A finding about one annotation, naming file and id.
    public func problem(
        _ severity: Problem.Severity, _ annotation: AnnotationRecord, field: String? = nil,
        expected: String, found: String
    ) -> Problem {
        Problem(
            severity, file: path, .annotation(index: annotation.index, id: annotation.id),
            field: field, expected: expected, found: found)
    }
}
