package import Annotations
import Foundation
package import Imaging
package import Specs

/// From boxes to masks: the whole run, restartable at any moment.
package struct Labeler {
    package let request: LabelRequest
    private let predictor: MaskPredictor
    package let onEvent: RunEventHandler

    package init(
        request: LabelRequest, predictor: MaskPredictor, onEvent: @escaping RunEventHandler
    ) {
        self.request = request
        self.predictor = predictor
        self.onEvent = onEvent
    }

    package static func journalPath(forOutput path: String) -> String { path + ".journal" }

    /// - Parameters:
    ///   - file: the annotations, already validated.
    ///   - shouldStop: asked between batches; true ends the run with `.interrupted`.
    /// - Throws: `LabelingError`, `AnnotationError`.
    package func run(
        file: AnnotationFile, isolation: isolated (any Actor)? = #isolation,
        shouldStop: () -> Bool
    ) async throws -> LabelSummary {
        let start = ContinuousClock.now
        let journal = try openJournal(Self.journalPath(forOutput: request.outputPath), file)
        var plan = plan(of: file)
        try note(plan, of: file, in: journal, tells: true)
        var batches = BatchPlan(plan, request.cropSettings)
        var progress = progress([journal], plan, batches, file)
        tell(progress, file)
        var told = progress.goneImages
        let before = batches.boxCount(ofBatches: progress.completed)
        tellContinuing(before, of: plan.boxes.count)
        var rounds = 0
        while !progress.isComplete {
            rounds += 1
            guard rounds <= Self.roundLimit else {
                throw LabelingError.wrongUse(
                    "\(journal.path) or images in \(request.imagesDirectory) changed during each of "
                        + "\(Self.roundLimit) rounds; repeat the command when nothing writes there")
            }
            let total = plan.boxes.count
            var finished = batches.boxCount(ofBatches: progress.completed)
            let completed = try await label(
                file, plan, into: journal, skipping: progress.completed, shouldStop: shouldStop
            ) { _, count in
                finished += count
                onEvent(.progress(stage: "labelling", done: finished, total: total, unit: "boxes"))
            }
            guard completed else { throw LabelingError.interrupted(done: finished, total: total) }
            tellDamage(at: try journal.recheck(), in: journal)
            progress = self.progress([journal], plan, batches, file)
            if !progress.changedImages.isEmpty {
                plan = self.plan(of: file)
                batches = BatchPlan(plan, request.cropSettings)
                progress = self.progress([journal], plan, batches, file)
            }
            tell(progress, file, except: told)
            told.formUnion(progress.goneImages)
        }
        var summary = try finish(file, plan, progress, start: start)
        summary.newlyLabelledCount = plan.boxes.count - before
        return summary
    }

    /// How often what was lost or changed while a run was going on is labelled anew.
    private static let roundLimit = 3

    package func plan(of file: AnnotationFile) -> BoxPlan {
        BoxPlan(
            file: file, imagesDirectory: request.imagesDirectory, selection: request.selection,
            decoding: request.decoding, onEvent: onEvent)
    }

    /// Labels batches of the plan into a journal.
    ///
    /// - Parameters:
    ///   - more: gives batches instead of all that are not in `done`.
    ///   - recorded: told of each batch that is in the journal: its number and its boxes.
    /// - Returns: false when `shouldStop` ended it.
    package func label(
        _ file: AnnotationFile, _ plan: BoxPlan, into journal: LabelJournal,
        skipping done: Set<Int> = [], more: (() -> [Int])? = nil,
        isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool,
        recorded: (_ batch: Int, _ boxCount: Int) throws -> Void
    ) async throws -> Bool {
        let measuresIoU = request.measuresIoU
        let completed = try await predict(
            plan: plan, file: file,
            settings: request.cropSettings,
            predictor: predictor, thresholds: request.thresholds,
            extras: MaskExtras(
                cleanup: request.cleanup,
                confidence: request.measuresFeatures ? request.confidence : nil),
            skipping: done, more: more, shouldStop: shouldStop,
            consume: { batch in
                try outcomes(of: batch, file: file, measuresIoU: measuresIoU)
            },
            keep: { (batch: BatchOutcomes) in
                try journal.append(results: batch.results, images: batch.images)
                try recorded(batch.index, batch.results.count)
            })
        try journal.sync()
        if let profile = predictor.profile { onEvent(.note(profile.text)) }
        return completed
    }

    /// Writes all files from complete journals, and removes those.
    package func finish(
        _ file: AnnotationFile, _ plan: BoxPlan, _ progress: LabelProgress,
        start: ContinuousClock.Instant
    ) throws -> LabelSummary {
        let summary = try OutputFiles(
            request: request, run: try request.record(file).text, onEvent: onEvent
        ).write(file, plan, progress, start: start)
        progress.removeJournals()
        return summary
    }
}

private struct BatchOutcomes: Sendable {
    let index: Int
    let results: [(annotation: Int, outcome: BoxOutcome)]
    let images: [(image: Int, identity: ImageIdentity)]
}

/// Masks as RLE at image size, with the IoU when it is asked for.
private func outcomes(
    of batch: PredictedBatch, file: AnnotationFile, measuresIoU: Bool
) throws -> BatchOutcomes {
    var results: [(annotation: Int, outcome: BoxOutcome)] = batch.failures.map {
        ($0.annotation, .unlabelled(reason: $0.reason))
    }
    for (item, mask, notes) in batch.masks {
        let rle = RLE(pasted: mask, imageSize: item.imageSize)
        var iou: Double?
        if measuresIoU {
            let annotation = file.annotations[item.planned.annotation]
            let truth = try file.truth(of: annotation, imageSize: item.imageSize)
            iou = truth.map { rle.referenceIoU(with: $0) }
        }
        results.append(
            (
                item.planned.annotation,
                .mask(
                    counts: rle.compressed, area: rle.area, size: item.imageSize, iou: iou,
                    notes: notes)
            ))
    }
    return BatchOutcomes(index: batch.index, results: results, images: batch.images)
}

extension RLE {
    package init(pasted mask: WindowMask, imageSize: Size) {
        self.init(
            window: mask.pixels, windowSize: mask.size, originX: mask.originX,
            originY: mask.originY, imageSize: imageSize)
    }
}
