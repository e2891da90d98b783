import Imaging

/// A COCO annotation file: its records, and its bytes, so that an output can repeat what it does
/// not change.
package struct AnnotationFile: Sendable {
    package let path: String
    package let images: [ImageRecord]
    package let annotations: [AnnotationRecord]
    package let categories: [CategoryRecord]
    /// What is odd about the file; a file with errors is never returned, so these are warnings.
    package let problems: ProblemList
    /// What the file was: all but YouTube-VIS and the kinds of COCO JSON are COCO JSON by now.
    package let format: AnnotationFormat
    package let bytes: FileBytes
    /// Where the records were read, if not in a COCO file.
    package let places: ImportPlaces?
    /// The file that an output repeats, if it is not COCO JSON.
    package let video: VideoFile?

    /// Reads and checks a whole file (SPEC §2.1).
    ///
    /// Masks are not looked at: ``segmentation(of:)`` and ``checkSegmentations()`` do that.
    ///
    /// - Throws: ``AnnotationError/unreadable(path:reason:)``,
    ///   ``AnnotationError/syntax(path:line:column:message:)`` or, with all errors together,
    ///   ``AnnotationError/invalid(_:)``.
    package static func read(path: String) throws -> AnnotationFile {
        try AnnotationFile(
            AnnotationReader(path: path, bytes: FileBytes(path: path)), path: path)
    }

    /// Runs a reader to its end.
    package init(
        _ reader: AnnotationReader, path: String, format: AnnotationFormat? = nil,
        video: VideoFile? = nil
    ) throws {
        try reader.read()
        guard reader.problems.errorCount == 0 else {
            throw AnnotationError.invalid(reader.problems)
        }
        self.path = path
        self.format = format ?? reader.format
        images = reader.images
        annotations = reader.annotations
        categories = reader.categories
        problems = reader.problems
        bytes = reader.bytes
        places = reader.places
        self.video = video
    }

    /// The files that the records were read from.
    package var sourceFiles: [String] { places.map { [path] + $0.files } ?? [path] }

    /// The number of bytes of the file.
    package var byteCount: Int { bytes.count }

    /// The annotations that can't get a mask, with the reason; in order.
    package var obstacles: [(annotation: Int, reason: LabelObstacle)] {
        annotations.compactMap { record in
            record.obstacle.map { (annotation: record.index, reason: $0) }
        }
    }

    /// The bytes of a record or value as text.
    package func text(_ range: Range<Int>) -> String { bytes.text(range) }

    /// The content, as COCO JSON; of a YouTube-VIS file its own.
    package func withContent<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        (video?.bytes ?? bytes).withBytes { body(UnsafeRawBufferPointer($0)) }
    }

    /// The file that holds a record, perhaps with its line: for messages.
    package func place(of annotation: AnnotationRecord) -> String {
        places?.text(of: .annotation(index: annotation.index, id: annotation.id)) ?? path
    }

    /// A finding about one annotation, naming file and id.
    package func problem(
        _ severity: Problem.Severity, _ annotation: AnnotationRecord, field: String? = nil,
        expected: String, found: String
    ) -> Problem {
        Problem(
            severity, file: place(of: annotation),
            .annotation(index: annotation.index, id: annotation.id), field: field,
            expected: expected, found: found)
    }
}
