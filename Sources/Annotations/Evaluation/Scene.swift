import Imaging

/// The shapes of one image, unpacked once.
final class Scene {
    private struct Shape {
        let mask: RLE
        let area: Int
        let box: PlainBox
        var boundary: RLE?

        init(_ mask: RLE) {
            self.mask = mask
            area = mask.area
            box = PlainBox(mask.boundingBox)
        }
    }

    private let evaluator: ImageEvaluator
    private var truths: [Int: Shape] = [:]
    private var found: [Int: Shape] = [:]

    init(
        _ evaluator: ImageEvaluator, size: Size?, truths: [Int], found: [Int]
    ) throws {
        self.evaluator = evaluator
        let wantsMasks = evaluator.kinds.contains { $0 != .bbox }
        guard wantsMasks || !evaluator.detections.hasBoxes else { return }
        for place in found {
            self.found[place] = Shape(
                try evaluator.detections.mask(of: place, imageSize: size))
        }
        guard wantsMasks else { return }
        for place in truths {
            let annotation = evaluator.truth.annotations[place]
            self.truths[place] = Shape(try evaluator.truth.requiredMask(of: annotation))
        }
    }

    /// What area ranges see of a detection.
    func area(of detection: Int) -> Double {
        evaluator.detections.detections[detection].box?.area
            ?? found[detection].map { Double($0.area) } ?? 0
    }

    func overlap(
        of detection: Int, with object: Int, _ kind: OverlapKind
    ) throws -> Double {
        let annotation = evaluator.truth.annotations[object]
        let isCrowd = annotation.isCrowd
        if kind == .bbox {
            let box =
                evaluator.detections.detections[detection].box ?? found[detection]?.box
            return box?.iou(with: PlainBox(annotation), isCrowd: isCrowd) ?? 0
        }
        guard let one = found[detection], let two = truths[object],
            one.box.iou(with: two.box, isCrowd: isCrowd) > 0
        else { return 0 }
        let shared = one.mask.intersectionArea(with: two.mask)
        guard shared > 0 else { return 0 }
        let overlap =
            Double(shared) / Double(isCrowd ? one.area : one.area + two.area - shared)
        guard kind == .boundary, overlap > 0 else { return overlap }
        return min(
            overlap,
            try boundary(of: detection).iou(with: boundary(ofTruth: object), isCrowd: isCrowd))
    }

    func meanIoU(of detection: Int, with object: Int) -> Double {
        guard let one = found[detection], let two = truths[object] else { return 0 }
        return one.mask.referenceIoU(with: two.mask)
    }

    func boundaryIoU(of detection: Int, with object: Int) throws -> Double {
        try boundary(of: detection).referenceIoU(with: boundary(ofTruth: object))
    }

    private func boundary(of detection: Int) throws -> RLE {
        try Self.boundary(of: &found[detection])
    }

    private func boundary(ofTruth object: Int) throws -> RLE {
        try Self.boundary(of: &truths[object])
    }

    private static func boundary(of shape: inout Shape?) throws -> RLE {
        guard let mask = shape?.mask else { return RLE(Size(square: 0), []) }
        if let boundary = shape?.boundary { return boundary }
        let boundary = try mask.boundary(
            distance: RLE.boundaryDistance(imageSize: mask.size))
        shape?.boundary = boundary
        return boundary
    }
}

extension AnnotationFile {
    /// The mask of a true object, which must have one.
    func requiredMask(of annotation: AnnotationRecord) throws -> RLE {
        let mask: RLE?
        if let size = annotation.imageIndex.flatMap({ images[$0].size }) {
            mask = try truth(of: annotation, imageSize: size)
        } else if case .rle(let rle) = try segmentation(of: annotation) {
            mask = rle
        } else {
            mask = nil
        }
        if let mask { return mask }
        throw AnnotationError.problem(
            problem(
                .error, annotation, field: "segmentation", expected: "a mask",
                found: "nothing, or polygons in an image without width and height"))
    }
}
