package import Imaging

/// The value of `segmentation`.
package enum Segmentation: Sendable, Equatable {
    /// Absent, null or an empty list.
    case none
    /// Corners as x and y in turn, in pixels; the mask is the union.
    case polygons([[Double]])
    case rle(RLE)
}

extension FileBytes {
    /// The box of an annotation's mask, of an image whose size may not be known.
    ///
    /// - Throws: for a segmentation that can't be read, and for one without a pixel.
    func boxOfMask(_ record: AnnotationRecord, size: Size?) throws -> Box {
        guard let range = record.segmentationRange else {
            throw AnnotationError.segmentation("value is missing")
        }
        switch try withBytes({ try Segmentation(JSONScanner($0, range)) }) {
        case .rle(let mask) where mask.area > 0: return mask.boundingBox
        case .polygons(let polygons):
            if let size, case let mask = try RLE(polygons: polygons, size: size), mask.area > 0 {
                return mask.boundingBox
            }
            let corners = polygons.joined()
            let x = corners.enumerated().filter { $0.offset.isMultiple(of: 2) }.map(\.element)
            let y = corners.enumerated().filter { !$0.offset.isMultiple(of: 2) }.map(\.element)
            guard let left = x.min(), let right = x.max(), let top = y.min(), let bottom = y.max()
            else { throw AnnotationError.segmentation("polygons have no corner") }
            return Box(minX: left, minY: top, maxX: right, maxY: bottom)
        default: throw AnnotationError.segmentation("mask has no pixel")
        }
    }
}

extension AnnotationFile {
    /// Decodes the `segmentation` of an annotation (SPEC §2.3).
    ///
    /// - Throws: ``AnnotationError/problem(_:)`` that names the annotation.
    package func segmentation(of annotation: AnnotationRecord) throws -> Segmentation {
        guard let range = annotation.segmentationRange else { return .none }
        do {
            return try bytes.withBytes { content in
                try Segmentation(JSONScanner(content, range))
            }
        } catch AnnotationError.segmentation(let message) {
            throw AnnotationError.problem(wrongMask(annotation, message))
        }
    }

    /// The mask that an annotation gives for its image; nil if it gives none.
    ///
    /// - Parameter size: the size of the image, which the mask must have.
    /// - Throws: ``AnnotationError/problem(_:)`` that names the annotation.
    package func truth(
        of annotation: AnnotationRecord, imageSize size: Size
    ) throws -> RLE? {
        switch try segmentation(of: annotation) {
        case .none: return nil
        case .rle(let rle):
            guard rle.size == size else {
                throw AnnotationError.problem(
                    problem(
                        .error, annotation, field: "segmentation",
                        expected: "the size of its image, [\(size.height), \(size.width)]",
                        found: "[\(rle.size.height), \(rle.size.width)]"))
            }
            return rle
        case .polygons(let polygons):
            do {
                return try RLE(polygons: polygons, size: size)
            } catch AnnotationError.segmentation(let message) {
                throw AnnotationError.problem(wrongMask(annotation, message))
            }
        }
    }

    /// Decodes every mask of the file and lists what is wrong, as `mal validate` does.
    ///
    /// - Parameter isRequired: whether an annotation without a mask is an error, as it is for
    ///   `mal evaluate`.
    package func checkSegmentations(isRequired: Bool = false) -> ProblemList {
        var problems = ProblemList(file: path)
        for annotation in annotations {
            let subject = Problem.Subject.annotation(index: annotation.index, id: annotation.id)
            do {
                let size = annotation.imageIndex.flatMap { images[$0].size }
                let isPresent: Bool
                if let size {
                    isPresent = try truth(of: annotation, imageSize: size) != nil
                } else {
                    isPresent = try segmentation(of: annotation) != .none
                }
                guard isRequired, !isPresent else { continue }
                problems.add(
                    .error, at: place(of: annotation), subject, field: "segmentation",
                    expected: "a mask", found: "nothing")
            } catch AnnotationError.problem(let problem) {
                problems.add(
                    .error, at: problem.file, subject, field: problem.field,
                    expected: problem.expected, found: problem.found)
            } catch {
                problems.add(
                    .error, at: place(of: annotation), subject, field: "segmentation",
                    expected: "a mask", found: "\(error)")
            }
        }
        return problems
    }

    private func wrongMask(_ annotation: AnnotationRecord, _ message: String) -> Problem {
        problem(
            .error, annotation, field: "segmentation", expected: "a COCO mask",
            found: "one whose \(message)")
    }
}
