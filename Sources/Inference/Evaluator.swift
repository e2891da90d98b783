package import Annotations
package import Distributed
import Files
import Foundation
import Imaging
package import Specs

/// What `mal evaluate` measured (SPEC §8).
public struct EvaluationResults: Sendable {
    public struct Row: Sendable {
        public let name: String
        public let means: MeanIoUMeans
    }

    public struct Category: Sendable {
        /// As JSON has it.
        public let id: String
        public let name: String
        public let count: Int
        /// Nil when the category has no object.
        public let meanIoU: Double?
    }

    /// All, small, medium, large: class mean and instance mean.
    public let rows: [Row]
    /// The same at each threshold of the sweep.
    public let sweep: [(threshold: Float, rows: [Row])]
    /// How well the masks' scores foretell their IoU; nil without objects.
    public let confidence: ConfidenceTable?
    public let categories: [Category]
    /// Objects whose image was missing or broken, with their ids as JSON has them; they are in none of the numbers.
    public let skipped: [(id: String, reason: String)]
    public let seconds: Double
    public let resultsDirectory: String

    /// TAO's names: mIoU, mIoU_small, …; NaN where there is no object.
    public var kpi: [(name: String, value: Double)] {
        rows.flatMap { row in
            let suffix = row.name == "all" ? "" : "_" + row.name
            return [
                ("mIoU" + suffix, row.means.classMean ?? .nan),
                ("instance_mIoU" + suffix, row.means.instanceMean ?? .nan),
            ]
        }
    }

    /// The table for the terminal.
    public var text: String {
        func number(_ value: Double?) -> String {
            value.map { String(format: "%.4f", $0) } ?? "-"
        }
        func padded(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(0, width - text.count))
        }
        var lines = ["size    objects  class mIoU  instance mIoU"]
        for row in rows {
            lines.append(
                padded(row.name, 8) + padded("\(row.means.count)", 9)
                    + padded(number(row.means.classMean), 12) + number(row.means.instanceMean))
        }
        if !sweep.isEmpty {
            lines.append("")
            lines.append(
                "threshold  class mean  instance mean  "
                    + rows.dropFirst().map { padded($0.name, 8) }.joined())
            for (threshold, rows) in sweep {
                lines.append(
                    padded(String(format: "%.2f", threshold), 11)
                        + padded(number(rows[0].means.classMean), 12)
                        + padded(number(rows[0].means.instanceMean), 15)
                        + rows.dropFirst().map { padded(number($0.means.instanceMean), 8) }
                        .joined())
            }
        }
        lines.append("")
        lines.append("IoU     objects  category")
        for category in categories where category.count > 0 {
            lines.append(
                padded(number(category.meanIoU), 8) + padded("\(category.count)", 9)
                    + category.name)
        }
        if let confidence {
            lines.append("")
            lines += confidence.lines
        }
        if !skipped.isEmpty {
            lines.append("")
            lines.append(
                "\(skipped.count) objects could not be read and are in none of the numbers:")
            lines += skipped.prefix(5).map { "  annotation \($0.id): \($0.reason)" }
        }
        lines.append("")
        lines.append(
            String(format: "%.1f s; details in ", seconds) + "\(resultsDirectory)/results.json")
        return lines.joined(separator: "\n")
    }
}

/// The means of one row.
public struct MeanIoUMeans: Sendable, Equatable {
    /// Mean over classes of the class's mean; nil without objects.
    public let classMean: Double?
    /// Mean over objects.
    public let instanceMean: Double?
    public let count: Int
}

/// Measures masks of a network against the true ones.
package struct Evaluator {
    package struct Request: Sendable {
        package var file: AnnotationFile
        package var imagesDirectory: String
        package var resultsDirectory: String
        package var settings: CropSettings
        package var thresholds: [Float]
        /// Nil measures the masks as the network gives them, as the reference does.
        package var cleanup: MaskCleanup?
        package var confidence = ConfidenceModel.Fit.standard
        /// Thresholds, for all sizes, to measure besides.
        package var sweep: [Float] = []

        package init(
            file: AnnotationFile, imagesDirectory: String, resultsDirectory: String,
            settings: CropSettings, thresholds: [Float]
        ) {
            self.file = file
            self.imagesDirectory = imagesDirectory
            self.resultsDirectory = resultsDirectory
            self.settings = settings
            self.thresholds = thresholds
        }
    }

    private let request: Request
    private let predictor: MaskPredictor
    private let ranks: Ranks?
    private let onEvent: RunEventHandler

    /// - Parameter ranks: the processes that share the work; all get the same results.
    package init(
        request: Request, predictor: MaskPredictor, ranks: Ranks? = nil,
        onEvent: @escaping RunEventHandler
    ) {
        self.request = request
        self.predictor = predictor
        self.ranks = ranks
        self.onEvent = onEvent
    }

    /// Writes `results.json` and `per_instance.jsonl` into the results folder.
    package func run(
        isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool
    ) async throws -> EvaluationResults {
        let start = ContinuousClock.now
        let file = request.file
        let plan = BoxPlan(
            file: file, imagesDirectory: request.imagesDirectory, selection: .tao(.validation),
            decoding: request.settings.decoding, onEvent: onEvent)
        guard !plan.boxes.isEmpty else {
            throw LabelingError.wrongUse(
                "\(file.path): no box can be evaluated; TAO's filter keeps boxes inside their image "
                    + "with sides above 2 pixels"
                    + (plan.unlabelled.first.map { ". First reason: \($0.reason)" } ?? ""))
        }
        let batches = BatchPlan(plan, request.settings)
        // Batches hold the same boxes however many processes there are, and so give the same masks.
        let others = (0..<batches.count).filter { $0 % (ranks?.count ?? 1) != ranks?.rank ?? 0 }
        let othersCount = batches.boxCount(ofBatches: others)
        var measuredBatches: [MeasuredBatch] = []
        var done = 0
        let confidence = request.confidence.model
        let completed = try await predict(
            plan: plan, file: file, settings: request.settings, predictor: predictor,
            thresholds: request.thresholds,
            extras: MaskExtras(
                cleanup: request.cleanup, measuresFeatures: true, sweep: request.sweep),
            skipping: Set(others), shouldStop: shouldStop,
            consume: { batch in try measured(batch, file: file, confidence) },
            keep: { (batch: MeasuredBatch) in
                measuredBatches.append(batch)
                done += batch.instances.count + batch.failures.count
                onEvent(
                    .progress(
                        stage: "evaluating", done: done, total: plan.boxes.count - othersCount,
                        unit: "boxes"))
            })
        guard try ranks?.any(!completed) != true, completed else {
            throw LabelingError.interrupted(done: done, total: plan.boxes.count)
        }
        if let ranks {
            measuredBatches = try ranks.gather(measuredBatches).flatMap { $0 }
                .sorted { $0.index < $1.index }
            guard measuredBatches.allSatisfy({ $0.fits(file, sweepCount: request.sweep.count) })
            else {
                throw ranks.refused("measurements of what the data does not have")
            }
        }
        // In the plan's order, for sums of doubles depend on it.
        var metric = MeanIoU(categoryCount: file.categories.count)
        var sweep = [MeanIoU](repeating: metric, count: request.sweep.count)
        var skipped = plan.unlabelled
        var lines: [String] = []
        var pairs: [(score: Double, iou: Double)] = []
        for instance in measuredBatches.flatMap(\.instances).sorted(by: { $0.place < $1.place }) {
            let bucket = instance.bucket.flatMap(SizeBucket.init(rawValue:))
            metric.add(iou: instance.iou, category: instance.category, bucket: bucket)
            for (place, iou) in instance.sweep.enumerated() {
                sweep[place].add(iou: iou, category: instance.category, bucket: bucket)
            }
            lines.append(instance.line)
            if let score = instance.score { pairs.append((score, instance.iou)) }
        }
        skipped += measuredBatches.flatMap(\.failures).map { ($0.annotation, $0.reason) }
        let results = EvaluationResults(
            rows: rows(metric),
            sweep: zip(request.sweep, sweep).map { ($0, rows($1)) },
            confidence: ConfidenceTable(pairs),
            categories: zip(file.categories, metric.categories).map {
                .init(
                    id: jsonID($0.id), name: $0.name ?? "\($0.id)", count: $1.count,
                    meanIoU: $1.mean)
            },
            skipped: skipped.map { (jsonID(file.annotations[$0.annotation].id), $0.reason) },
            seconds: (ContinuousClock.now - start) / .seconds(1),
            resultsDirectory: request.resultsDirectory)
        guard ranks?.isFirst ?? true else { return results }
        try OwnFiles.write(
            lines.joined(separator: "\n") + "\n",
            to: request.resultsDirectory + "/per_instance.jsonl")
        try OwnFiles.write(json(of: results), to: request.resultsDirectory + "/results.json")
        return results
    }

    private func rows(_ metric: MeanIoU) -> [EvaluationResults.Row] {
        [row("all", metric.overall)] + SizeBucket.allCases.map { row("\($0)", metric[$0]) }
    }

    private func row(_ name: String, _ means: MeanIoU.Means) -> EvaluationResults.Row {
        .init(
            name: name,
            means: MeanIoUMeans(
                classMean: means.classMean, instanceMean: means.instanceMean, count: means.count))
    }

    private func json(of results: EvaluationResults) -> String {
        func number(_ value: Double?) -> String { value.map(jsonNumber) ?? "null" }
        func bySize(_ rows: [EvaluationResults.Row]) -> [String] {
            rows.map {
                "    \(jsonText($0.name)): {\"objects\": \($0.means.count), "
                    + "\"class_mean\": \(number($0.means.classMean)), "
                    + "\"instance_mean\": \(number($0.means.instanceMean))}"
            }
        }
        let sizes = bySize(results.rows)
        let sweep = results.sweep.map {
            "    {\"mask_thres\": \($0.threshold),\n"
                + bySize($0.rows).joined(separator: ",\n") + "}"
        }
        let categories = results.categories.map {
            "    {\"id\": \($0.id), \"name\": \(jsonText($0.name)), "
                + "\"objects\": \($0.count), \"mean_iou\": \(number($0.meanIoU))}"
        }
        let skipped = results.skipped.map {
            "    {\"id\": \($0.id), \"reason\": \(jsonText($0.reason))}"
        }
        let confidence = results.confidence.map { "\n  \"confidence\": \($0.json)," } ?? ""
        let adaptive = (request.settings.adaptive?.sizes ?? []).map(String.init)
            .joined(separator: ", ")
        let kpi = results.kpi.map { "    \(jsonText($0.name)): \(jsonNumber($0.value))" }
        return """
            {
              "kpi": {
            \(kpi.joined(separator: ",\n"))
              },
              "sizes": {
            \(sizes.joined(separator: ",\n"))
              },\(confidence)
              "sweep": [
            \(sweep.joined(separator: ",\n"))
              ],
              "categories": [
            \(categories.joined(separator: ",\n"))
              ],
              "skipped": [
            \(skipped.joined(separator: ",\n"))
              ],
              "options": {
                "crop_size": \(request.settings.cropSize),
                "test_margin_rate": \(jsonNumber(request.settings.marginRate)),
                "mask_thres": [\(request.thresholds.map { "\($0)" }.joined(separator: ", "))],
                "batch_size": \(request.settings.batchSize),
                "adaptive_crop": [\(adaptive)],
                "cleanup": \(request.cleanup != nil),
                "networks": \(jsonText(predictor.summary))
              }
            }

            """
    }
}

private struct MeasuredBatch: Sendable, Codable {
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

private func measured(
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
        let iou = MeanIoU.iou(mask, truth)
        let bucket = SizeBucket(area: Double(item.planned.area))
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
                    MeanIoU.iou(RLE(pasted: $0, imageSize: item.imageSize), truth)
                }, line: line))
    }
    return MeasuredBatch(
        index: batch.index, instances: instances,
        failures: failures.map { .init(annotation: $0.annotation, reason: $0.reason) })
}

/// An id as the file spells its kind: a number or a string.
package func jsonID(_ id: RecordID) -> String {
    switch id {
    case .integer(let number): "\(number)"
    case .text(let text): jsonText(text)
    case .large(let digits): digits
    }
}
