package import Annotations
package import Distributed
import Files
import MaskModel
package import Specs

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
        package var confidence = ConfidenceModel.standard
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
        let confidence = request.confidence
        let completed = try await predict(
            plan: plan, file: file, settings: request.settings, predictor: predictor,
            thresholds: request.thresholds,
            extras: MaskExtras(
                cleanup: request.cleanup, confidence: confidence, sweep: request.sweep),
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
        try OwnFiles.write(
            results.json(request, networks: predictor.summary),
            to: request.resultsDirectory + "/results.json")
        return results
    }

    private func rows(_ metric: MeanIoU) -> [EvaluationResults.Row] {
        [.init(name: "all", means: metric.overall)]
            + SizeBucket.allCases.map { .init(name: "\($0)", means: metric[$0]) }
    }
}

/// An id as the file spells its kind: a number or a string.
package func jsonID(_ id: RecordID) -> String {
    switch id {
    case .integer(let number): "\(number)"
    case .text(let text): jsonText(text)
    case .large(let digits): digits
    }
}
