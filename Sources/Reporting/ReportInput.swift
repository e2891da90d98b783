import Annotations
import Formats
import Foundation
import Imaging
import Inference
import Specs

/// What a report shows, read and put in order: worst first.
struct ReportInput: Sendable {
    let masks: AnnotationFile
    let truth: AnnotationFile?
    let entries: [ReportEntry]
    /// Why boxes have no mask, by ``ReportEntry/reason``.
    let reasons: [String]
    /// What clean-up changed, by the annotation's place.
    let changes: [Int: RLE]
    private let truths: [RecordID: AnnotationRecord]
    private let images: ImageHeaders

    /// - Parameter images: the folder of images, for sizes that the annotations do not give.
    init(
        masks: AnnotationSource, truth: AnnotationSource?, images directory: String,
        decoding: DecodeOptions, onEvent: RunEventHandler
    ) throws {
        let masks = try readAnnotations(masks, onEvent: onEvent)
        self.masks = masks
        let images = ImageHeaders(directory: directory, decoding: decoding)
        self.images = images
        self.truth = try truth.map { try readAnnotations($0, onEvent: onEvent) }
        truths = Dictionary(
            (self.truth?.annotations ?? []).map { ($0.id, $0) },
            uniquingKeysWith: { first, _ in first })
        changes = try Self.changes(of: masks)
        let scoreKey = masks.anyAnnotationHas("mask_score") ? "mask_score" : "score"
        let known = try Self.reasons(of: masks)
        var reasons: [String] = []
        var places: [String: Int] = [:]
        func place(_ reason: String) -> Int {
            if let place = places[reason] { return place }
            places[reason] = reasons.count
            reasons.append(reason)
            return reasons.count - 1
        }
        var entries: [ReportEntry] = []
        for annotation in masks.annotations {
            guard let mask = try Self.mask(of: annotation, in: masks, images) else {
                let reason =
                    known[jsonID(annotation.id)] ?? annotation.obstacle?.description
                    ?? "it has no mask"
                entries.append(
                    ReportEntry(
                        annotation: annotation.index, state: .unlabelled, score: nil, iou: nil,
                        reason: place(reason)))
                continue
            }
            let right = try Self.truth(
                of: annotation, imageSize: mask.size, in: self.truth, truths)
            entries.append(
                ReportEntry(
                    annotation: annotation.index,
                    state: changes[annotation.index] == nil ? .masked : .cleaned,
                    score: masks.number(scoreKey, of: annotation),
                    iou: right.map { mask.iou(with: $0) }, reason: nil))
        }
        self.entries = entries.sorted {
            ($0.quality, $0.annotation) < ($1.quality, $1.annotation)
        }
        self.reasons = reasons
        if let truth = self.truth { try requireCommon(truth) }
    }

    /// Throws when the truth tells nothing about any mask.
    private func requireCommon(_ truth: AnnotationFile) throws {
        let masked = entries.filter { $0.state != .unlabelled }
        guard !masked.isEmpty, masked.allSatisfy({ $0.iou == nil }) else { return }
        let common = masks.annotations.filter { truths[$0.id] != nil }
        let withMask = truth.annotations.count { $0.segmentationRange != nil }
        throw LabelingError.wrongUse(
            "\(truth.path): it has no true mask for any of the \(masked.count) masks of "
                + "\(masks.path): of \(truth.annotations.count) and \(masks.annotations.count) "
                + "annotations \(common.count) have a common id, and \(withMask) true ones have a "
                + "mask; give the truth under the same annotation and image ids")
    }

    /// The mask of an annotation; nil where it has none, or none in an image.
    func mask(of annotation: AnnotationRecord) throws -> RLE? {
        try Self.mask(of: annotation, in: masks, images)
    }

    /// Where the file does not give its image's size, run lengths have their own, and polygons that of the
    /// image.
    private static func mask(
        of annotation: AnnotationRecord, in file: AnnotationFile, _ images: ImageHeaders
    ) throws -> RLE? {
        guard let image = annotation.imageIndex.map({ file.images[$0] }) else { return nil }
        if let size = image.size { return try file.truth(of: annotation, imageSize: size) }
        switch try file.segmentation(of: annotation) {
        case .none: return nil
        case .rle(let rle): return rle
        case .polygons:
            return try images.size(of: image).flatMap {
                try file.truth(of: annotation, imageSize: $0)
            }
        }
    }

    /// The true mask of an annotation; nil where the truth file has none of the image's size.
    func truth(of annotation: AnnotationRecord, imageSize: Size) throws -> RLE? {
        try Self.truth(of: annotation, imageSize: imageSize, in: truth, truths)
    }

    private static func truth(
        of annotation: AnnotationRecord, imageSize: Size, in file: AnnotationFile?,
        _ truths: [RecordID: AnnotationRecord]
    ) throws -> RLE? {
        guard let file, let found = truths[annotation.id], found.imageID == annotation.imageID
        else { return nil }
        return try file.truth(of: found, imageSize: imageSize)
    }

    private static func reasons(of file: AnnotationFile) throws -> [String: String] {
        var reasons: [String: String] = [:]
        for (id, _, reason) in try UnlabelledFile.read(forOutput: file.path) {
            // Without the path, so that equal reasons are one.
            let parts = reason.split(separator: ": ", maxSplits: 1)
            let isPath = parts.count == 2 && parts[0].contains("/")
            reasons[id] = isPath ? String(parts[1]) : reason
        }
        return reasons
    }

    private static func changes(of file: AnnotationFile) throws -> [Int: RLE] {
        let path = CleanupFile.path(forOutput: file.path)
        let lines = try jsonLines(path)
        guard !lines.isEmpty else { return [:] }
        let places = Dictionary(
            file.annotations.map { ($0.id, $0.index) }, uniquingKeysWith: { first, _ in first })
        var changes: [Int: RLE] = [:]
        for line in lines {
            guard let id = jsonID(line["id"]), let place = places[id],
                let changed = line["changed"] as? [String: Any],
                let size = changed["size"] as? [Int], size.count == 2,
                let counts = changed["counts"] as? String
            else { continue }
            do {
                changes[place] = try RLE(
                    size: Size(height: size[0], width: size[1]), compressed: counts)
            } catch {
                throw LabelingError.wrongUse("\(path): annotation \(id): changed: \(error)")
            }
        }
        return changes
    }
}

/// What images say of their own size.
private struct ImageHeaders: Sendable {
    let directory: String
    let decoding: DecodeOptions

    /// Nil where the image cannot be read.
    func size(of record: ImageRecord) -> Size? {
        guard let name = try? record.relativePath(),
            let header = try? ImageCodec.header(path: directory + "/" + name)
        else { return nil }
        return decoding.applyEXIF ? header.orientedSize : header.size
    }
}
