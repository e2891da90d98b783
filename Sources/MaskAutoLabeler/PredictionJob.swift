import Annotations
import Files
import Formats
import Foundation
import Inference
import MaskModel
public import Specs

/// Measures a file of detections or masks against the truth, without a network.
public struct PredictionJob {
    private let truth: AnnotationFile
    private let predictions: DetectionFile
    private let kinds: [OverlapKind]
    private let lock: OutputLock?
    private let onEvent: RunEventHandler

    /// - Parameters:
    ///   - scoreKey: the key of a prediction's score.
    ///   - jsonPath: the file that the numbers will be written to.
    /// - Throws: `AnnotationError`: what is wrong with the files.
    public init(
        predictionsPath: String, truthPath: String, scoreKey: String = "score",
        jsonPath: String? = nil,
        onEvent: @escaping RunEventHandler
    ) throws {
        truth = try readAnnotations(AnnotationSource(path: truthPath), onEvent: onEvent)
        guard !truth.categories.isEmpty else {
            throw LabelingError.wrongUse(
                "\(truthPath): average precision is a mean over categories, but the file has none")
        }
        let predictions = try DetectionFile.read(
            path: predictionsPath, truth: truth, scoreKey: scoreKey)
        for problem in predictions.problems.warnings { onEvent(.warning(problem.message)) }
        self.predictions = predictions
        let unmasked = truth.annotations.count { $0.segmentationRange == nil }
        kinds = unmasked == truth.annotations.count ? [.bbox] : OverlapKind.allCases
        if kinds.count == 1 {
            onEvent(.note("\(truthPath) has no masks: only boxes are measured"))
        } else if predictions.detections.contains(where: { !predictions.hasMask($0) }) {
            onEvent(
                .note("predictions without a mask count as the mask of their box, as in COCO"))
        }
        if let jsonPath, !OutputFile.isStream(jsonPath) {
            var paths = RunPaths()
            paths.reads("predictions", predictionsPath)
            paths.reads("truth", truth)
            paths.writes("numbers", jsonPath)
            try paths.check()
            let place = try OutputPlace(jsonPath)
            try OwnFiles.check([place.name], in: place.folder)
            lock = try OutputLock(jsonPath)
        } else {
            lock = nil
        }
        self.onEvent = onEvent
    }

    public func run() async throws -> PredictionResults {
        let start = ContinuousClock.now
        let total = truth.images.count
        let onEvent = onEvent
        let results = try await DetectionEvaluation(
            truth: truth, detections: predictions, kinds: kinds
        ).run { done in
            onEvent(.progress(stage: "measuring", done: done, total: total, unit: "images"))
        }
        let ids = predictions.detections.compactMap(\.id)
        if results.pairs.isEmpty, kinds.count > 1, let first = ids.first,
            let other = truth.annotations.first
        {
            onEvent(
                .warning(
                    "no mIoU: none of the \(ids.count) ids in \(predictions.path) (such as "
                        + "\(first)) is one of the \(truth.annotations.count) ids in "
                        + "\(truth.path) (such as \(other.id)) in the same image"))
        }
        var masks = MeanIoU(categoryCount: truth.categories.count)
        var boundaries = masks
        for pair in results.pairs {
            let annotation = truth.annotations[pair.truth]
            guard let category = annotation.categoryIndex else { continue }
            let bucket = SizeBucket(annotation.box)
            masks.add(iou: pair.iou, category: category, bucket: bucket)
            boundaries.add(iou: pair.boundaryIoU, category: category, bucket: bucket)
        }
        return PredictionResults(
            truth: truth, predictionCount: predictions.detections.count, kinds: kinds,
            precision: results.precision, masks: masks, boundaries: boundaries,
            seconds: (ContinuousClock.now - start) / .seconds(1))
    }
}
