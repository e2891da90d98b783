import Annotations
import Files
import Imaging
import MaskModel

/// What was measured of one batch; it crosses between processes.
struct MeasuredBatch: Sendable, Codable {
    struct Instance: Sendable, Codable {
        /// Its place in the plan.
        let place: Int
        let iou: Double
        let category: Int
        /// Of a ``SizeBucket``.
        let bucket: Int?
        let score: Double?
        /// At each threshold of the sweep.
        let sweep: [Double]
        /// Its line of `per_instance.jsonl`.
        let line: String
    }

    struct Failure: Sendable, Codable {
        let annotation: Int
        let reason: String
    }

    let index: Int
    let instances: [Instance]
    let failures: [Failure]

    /// Whether it may be of this file, should another process have sent it.
    func fits(_ file: AnnotationFile, sweepCount: Int) -> Bool {
        instances.allSatisfy {
            file.categories.indices.contains($0.category) && $0.sweep.count == sweepCount
                && $0.iou.isFinite
        } && failures.allSatisfy { file.annotations.indices.contains($0.annotation) }
    }
}

func measured(
    _ batch: PredictedBatch, file: AnnotationFile, _ confidence: ConfidenceModel
) throws -> MeasuredBatch {
    var failures = batch.failures
    var instances: [MeasuredBatch.Instance] = []
    for ((item, pasted, notes), sweep) in zip(batch.masks, batch.sweeps) {
        let annotation = file.annotations[item.planned.annotation]
        guard let truth = try file.truth(of: annotation, imageSize: item.imageSize) else {
            failures.append((item.planned.annotation, "it has no segmentation"))
            continue
        }
        guard let category = annotation.categoryIndex else {
            failures.append((item.planned.annotation, "its category is not in categories"))
            continue
        }
        let mask = RLE(pasted: pasted, imageSize: item.imageSize)
        let iou = mask.referenceIoU(with: truth)
        let bucket = SizeBucket(area: item.planned.area)
        let score = notes.features.map(confidence.score)
        let line =
            "{\"id\": \(jsonID(annotation.id)), \"image_id\": \(jsonID(annotation.imageID)), "
            + "\"category_id\": \(annotation.categoryID.map(jsonID) ?? "null"), "
            + "\"bucket\": \(bucket.map { jsonText("\($0)") } ?? "null"), \"iou\": \(iou), "
            + "\"score\": \(score.map(jsonNumber) ?? "null"), "
            + "\"segmentation\": {\"size\": [\(mask.size.height), \(mask.size.width)], "
            + "\"counts\": \(jsonText(mask.compressedString))}}"
        instances.append(
            .init(
                place: item.planned.place, iou: iou, category: category, bucket: bucket?.rawValue,
                score: score,
                sweep: sweep.map {
                    RLE(pasted: $0, imageSize: item.imageSize).referenceIoU(with: truth)
                }, line: line))
    }
    return MeasuredBatch(
        index: batch.index, instances: instances,
        failures: failures.map { .init(annotation: $0.annotation, reason: $0.reason) })
}
