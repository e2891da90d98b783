package import Annotations
import Files
public import Formats
import Foundation
package import Imaging
package import Specs
package import Torch

/// How the output file looks.
public enum OutputStyle: String, Sendable, Equatable {
    /// Every input annotation as it came, with `segmentation` and `area` set.
    case lossless
    /// Exactly what the reference writes (SPEC §9): boxes that its filter drops are absent.
    case tao
}

/// Everything that a labelling run depends on.
package struct LabelRequest: Sendable {
    package var imagesDirectory: String
    package var outputPath: String
    /// Folder for one PNG an image with its masks drawn; nil for none.
    package var overlaysDirectory: String?
    package var checkpointPath: String
    package var source = MaskSource.student
    package var flipTest = false
    package var cropSize: Int
    /// `test_margin_rate[0]`.
    package var marginRate = 0.6
    /// For small, medium and large boxes.
    package var thresholds: [Float]
    package var batchSize: Int
    package var device: Device
    /// float32, or what autocast computes in.
    package var arithmetic: DType
    package var style = OutputStyle.lossless
    /// Adds the IoU with the annotation's own mask (`load_mask`).
    package var measuresIoU = false
    /// Nil leaves masks as the network gives them.
    package var cleanup: MaskCleanup?
    /// Adds the estimated IoU of each mask; never to a file of `OutputStyle.tao`.
    package var writesScores = false
    package var confidence = ConfidenceModel.Fit.standard
    /// File for each mask's features, a line each; nil for none.
    package var featuresPath: String?
    package var decoding = DecodeOptions()
    /// Nil gives every box a crop of `cropSize`.
    package var adaptiveCrop: AdaptiveCrop?
    package var journalMode = JournalMode.automatic
    /// CPU threads of an operator.
    package var threadCount = 1
    /// Refuses to go on where something else computes now.
    package var isStrict = false
    /// The output is there already, made by the same run.
    package var isDone = false
    /// Names of the overrides and options that shape the network, for the fingerprint.
    package var modelDescription = ""

    package init(
        imagesDirectory: String, outputPath: String, checkpointPath: String,
        cropSize: Int, thresholds: [Float], batchSize: Int, device: Device, arithmetic: DType
    ) {
        self.imagesDirectory = imagesDirectory
        self.outputPath = outputPath
        self.checkpointPath = checkpointPath
        self.cropSize = cropSize
        self.thresholds = thresholds
        self.batchSize = batchSize
        self.device = device
        self.arithmetic = arithmetic
    }

    package var cropSettings: CropSettings {
        CropSettings(
            cropSize: cropSize, marginRate: marginRate, batchSize: batchSize, decoding: decoding,
            adaptive: adaptiveCrop)
    }

    package var selection: BoxPlan.Selection { style == .tao ? .tao(.validation) : .all }

    /// What a journal must have been begun with for its results to be of this run.
    package func fingerprint(_ file: AnnotationFile) throws -> RunFingerprint {
        var print = RunFingerprint()
        print.add("boxes file", hex(FNV1a.hash(file)))
        print.add("images folder", imagesDirectory)
        print.add("checkpoint", hex(try ContentHash.hash(file: checkpointPath)))
        print.add("model", modelDescription)
        print.add("networks", "\(source.rawValue)\(flipTest ? ", flip" : "")")
        print.add("crop size", cropSize)
        if let adaptiveCrop { print.add("adaptive crop", adaptiveCrop) }
        print.add("margin rate", marginRate)
        print.add("thresholds", thresholds)
        print.add("batch size", batchSize)
        // Which of a machine's GPUs it is makes no difference.
        print.add("device", device == .cpu ? "cpu" : "cuda")
        print.add("precision", "\(arithmetic)")
        print.add("output style", style.rawValue)
        print.add("load_mask", measuresIoU)
        print.add("clean-up", cleanup.map { "\($0.islandShare), \($0.holeShare)" } ?? "off")
        print.add("features", measuresFeatures)
        if measuresFeatures { print.add("scores", confidence.rawValue) }
        print.add("EXIF", decoding.applyEXIF)
        if decoding.scales16Bit { print.add("16-bit grey", "scaled") }
        print.add("max pixels", decoding.maxPixels)
        return print
    }

    var measuresFeatures: Bool { featuresPath != nil || (writesScores && style == .lossless) }

    private func hex(_ value: UInt64) -> String { String(value, radix: 16) }
}

/// What a finished run did.
public struct LabelSummary: Sendable {
    public var annotationCount = 0
    public var labelledCount = 0
    public var clippedCount = 0
    /// A box without a mask; the ids as JSON has them.
    public typealias Unlabelled = (id: String, image: String, reason: String)

    /// In file order.
    public var unlabelled: [Unlabelled] = []
    /// Of those, boxes whose mask came out empty.
    public var emptyCount = 0
    /// The same command had made the output before: nothing was labelled now.
    public var wasDone = false
    /// Boxes that `--compat tao` leaves out, as the reference does.
    public var filteredCount = 0
    public var seconds = 0.0
    /// Boxes that the network saw in this run, not in an earlier one.
    public var newlyLabelledCount = 0
    public var overlayCount = 0
    public var cleanup = CleanupTotals()
    /// The key that the masks' scores have in the output; nil when there are none.
    public var scoreKey: String?
    public var meanScore: Double?
    /// Where the report is, when there is one.
    public var reportPath: String?
    /// The outputs in other formats.
    public var conversions: [ConversionSummary] = []

    package init() {}
}

extension LabelSummary {
    /// The lines shown at the end of a run.
    public func text(outputPath: String) -> String {
        var lines = [
            wasDone
                ? "\(outputPath): done already, by the same command: \(labelledCount) of "
                    + "\(annotationCount) boxes have a mask; --fresh labels them anew"
                : "\(outputPath): \(labelledCount) of \(annotationCount) boxes have a mask"
                    + String(format: " (%.1f s", seconds)
                    + String(
                        format: ", %.2f boxes/s)",
                        seconds > 0 ? Double(newlyLabelledCount) / seconds : 0)
        ]
        if clippedCount > 0 {
            lines.append("\(clippedCount) boxes reached over their image's edge and were clipped")
        }
        if filteredCount > 0 {
            lines.append("\(filteredCount) boxes were left out by TAO's filter (--compat tao)")
        }
        if cleanup.masks > 0 {
            lines.append(
                "clean-up changed \(cleanup.masks) masks: \(cleanup.islands) islands, "
                    + "\(cleanup.holes) pin-holes, \(cleanup.outsidePixels) pixels outside their box "
                    + "(undone by \(CleanupFile.path(forOutput: outputPath)))")
        }
        if let scoreKey, let meanScore {
            lines.append(
                String(format: "mean confidence %.2f (`", meanScore) + scoreKey
                    + "`, an estimate of each mask's IoU)")
        }
        if let reportPath { lines.append("report: \(reportPath)") }
        lines += conversions.map(\.text)
        if overlayCount > 0 { lines.append("\(overlayCount) overlays drawn") }
        if !unlabelled.isEmpty {
            let shown = 5
            let empty = emptyCount > 0 ? " (\(emptyCount) came out empty)" : ""
            lines.append("\(unlabelled.count) boxes have no mask\(empty):")
            lines += unlabelled.prefix(shown).map { "  annotation \($0.id): \($0.reason)" }
            let more = unlabelled.count > shown ? "\(unlabelled.count - shown) more, " : ""
            lines.append("  \(more)all in \(UnlabelledFile.path(forOutput: outputPath))")
        }
        return lines.joined(separator: "\n")
    }
}

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
    /// - Throws: `LabelingError`, `COCOError`.
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
            tell(progress, file)
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
                cleanup: request.cleanup, measuresFeatures: request.measuresFeatures),
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

/// What a complete run writes.
package struct OutputFiles {
    package let request: LabelRequest
    /// What the output is made of.
    package let run: String
    package let onEvent: RunEventHandler

    package init(request: LabelRequest, run: String, onEvent: @escaping RunEventHandler) {
        self.request = request
        self.run = run
        self.onEvent = onEvent
    }

    package func write(
        _ file: AnnotationFile, _ plan: BoxPlan, _ progress: LabelProgress,
        start: ContinuousClock.Instant
    ) throws -> LabelSummary {
        precondition(progress.isComplete, "\(progress.missingBatchCount) batches are missing")
        var summary = try writeMasks(plan: plan, file: file, journal: progress)
        if let directory = request.overlaysDirectory {
            summary.overlayCount = try drawOverlays(
                plan: plan, file: file, directory: directory, decoding: request.decoding,
                onEvent: onEvent
            ) { annotation in
                guard
                    case .mask(let counts, _, let size, _, _)? = try progress.outcome(
                        annotation: annotation)
                else { return nil }
                return try RLE(size: size, compressed: counts)
            }
        }
        summary.seconds = (ContinuousClock.now - start) / .seconds(1)
        return summary
    }

    private static let emptyReason =
        "the mask is empty: no pixel of the box reaches the threshold (train.mask_thres)"

    private func writeMasks(
        plan: BoxPlan, file: AnnotationFile, journal: LabelProgress
    ) throws -> LabelSummary {
        onEvent(.note("writing \(request.outputPath)"))
        var summary = LabelSummary()
        summary.annotationCount = file.annotations.count
        summary.clippedCount = plan.clippedCount
        var reasons = Dictionary(
            plan.unlabelled.filter { !journal.hasResult(annotation: $0.annotation) }
                .map { ($0.annotation, $0.reason) }, uniquingKeysWith: { a, _ in a })
        var notes = NotesFiles(request: request, file: file)
        func result(
            _ annotation: Int
        ) throws -> (mask: AnnotationResult, iou: Double?, score: Double?)? {
            switch try journal.outcome(annotation: annotation) {
            case .mask(let counts, let area, let size, let iou, let found):
                if area == 0 {
                    summary.emptyCount += 1
                    reasons[annotation] = Self.emptyReason
                    // The reference writes it like any other.
                    return request.style == .tao
                        ? (AnnotationResult(size: size, counts: counts, area: area), iou, nil) : nil
                }
                summary.labelledCount += 1
                let score = notes.add(found, annotation: annotation, size: size, iou: iou)
                return (AnnotationResult(size: size, counts: counts, area: area), iou, score)
            case .unlabelled(let reason):
                reasons[annotation] = reason
                return nil
            case nil:
                return nil
            }
        }
        // The lists beside the masks are there when these are: who finds the masks finds all.
        func writeLists() throws {
            try notes.write()
            summary.unlabelled = reasons.keys.sorted().map { index in
                let annotation = file.annotations[index]
                return (
                    id: jsonID(annotation.id), image: jsonID(annotation.imageID),
                    reason: reasons[index] ?? ""
                )
            }
            try writeUnlabelledReport(summary)
        }
        switch request.style {
        case .lossless:
            try AnnotationWriter(file).write(
                to: request.outputPath, run: run, beforeCommit: writeLists
            ) { annotation in
                guard let (found, iou, score) = try result(annotation) else { return nil }
                var mask = found
                if let iou { mask.extra.append(.init("iou", iou)) }
                if let score, let key = notes.scoreKey { mask.extra.append(.init(key, score)) }
                return mask
            }
        case .tao:
            try TAOWriter(file).write(
                to: request.outputPath, run: run, beforeCommit: writeLists
            ) { annotation in
                try result(annotation).map {
                    let score =
                        file.format == .detections
                        ? file.number("score", of: file.annotations[annotation]) : nil
                    return TAOWriter.Prediction($0.mask, score: score, iou: $0.iou)
                }
            }
            summary.filteredCount =
                file.annotations.count - plan.boxes.count - plan.unlabelled.count
        }
        summary.cleanup = notes.cleanup
        summary.scoreKey = notes.scoreKey
        summary.meanScore = notes.meanScore
        return summary
    }

    /// One line for each box without a mask; no file when there is none.
    private func writeUnlabelledReport(_ summary: LabelSummary) throws {
        let path = UnlabelledFile.path(forOutput: request.outputPath)
        guard !summary.unlabelled.isEmpty else { return OwnFiles.remove(path) }
        try OwnFiles.write(summary.unlabelled.map(UnlabelledFile.line).joined(), to: path)
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
            iou = truth.map { MeanIoU.iou(rle, $0) }
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
