package import Annotations
import Foundation
package import Imaging
import MaskModel
import Specs

/// What to make of a crop's probabilities besides its mask.
package struct MaskExtras: Sendable {
    /// Nil leaves masks as the network gives them.
    package var cleanup: MaskCleanup?
    /// What features are measured for; nil measures none.
    package var confidence: ConfidenceModel?
    /// Thresholds, for boxes of any size, at which masks are wanted besides.
    package var sweep: [Float] = []

    package init(
        cleanup: MaskCleanup? = nil, confidence: ConfidenceModel? = nil, sweep: [Float] = []
    ) {
        self.cleanup = cleanup
        self.confidence = confidence
        self.sweep = sweep
    }
}

/// What is known of a mask besides its pixels.
package struct MaskNotes: Equatable, Sendable {
    /// Nil when they were not asked for.
    package var features: MaskFeatures?
    /// Nil when clean-up was off or had nothing to do.
    package var cleanup: CleanupRecord?

    package init(features: MaskFeatures? = nil, cleanup: CleanupRecord? = nil) {
        self.features = features
        self.cleanup = cleanup
    }
}

/// One finished batch: the masks of its crops inside their windows.
package struct PredictedBatch: Sendable {
    package let index: Int
    package let masks: [(item: CropItem, mask: WindowMask, notes: MaskNotes)]
    /// For each of `masks`, one at each threshold of the sweep.
    package let sweeps: [[WindowMask]]
    package let failures: [(annotation: Int, reason: String)]
    /// Its images as they were read.
    package let images: [(image: Int, identity: ImageIdentity)]
}

/// Runs every batch of a plan through the network, in order. Decoding and cropping run ahead of the
/// network, pasting and `consume` behind it.
///
/// - Parameters:
///   - file: whose annotations the plan's boxes are.
///   - extras: what to do with the masks besides.
///   - completed: batches whose results are there already.
///   - more: gives the next batches instead; see ``CropBatchLoader``.
///   - shouldStop: asked between batches; true ends the loop early.
///   - consume: turns a batch into what is kept of it, off the network's thread.
///   - keep: takes that, in batch order, on the caller's side.
/// - Returns: false when `shouldStop` ended it.
/// - Throws: `LabelingError.outputNotFinite` for a batch that the network gave no numbers for.
package func predict<Kept: Sendable>(
    plan: BoxPlan, file: AnnotationFile, settings: CropSettings, predictor: MaskPredictor,
    thresholds: [Float], extras: MaskExtras = MaskExtras(), skipping completed: Set<Int> = [],
    more: (() -> [Int])? = nil, isolation: isolated (any Actor)? = #isolation,
    shouldStop: () -> Bool,
    consume: @escaping @Sendable (PredictedBatch) throws -> Kept,
    keep: (Kept) throws -> Void
) async throws -> Bool {
    var loader = CropBatchLoader(
        plan: plan, settings: settings, skipping: completed, more: more)
    let neighbours = extras.confidence == nil ? nil : BoxNeighbours(plan)
    var pending: Task<Kept, any Error>?
    var started: [(batch: CropBatch, prediction: Prediction)] = []
    var isDone = false
    let profile = predictor.profile
    while !isDone {
        let start = ContinuousClock.now
        if !shouldStop(), let batch = await loader.next() {
            profile?.add(.data, ContinuousClock.now - start)
            started.append(
                (batch, try predictor.start(batch, measuresContrast: neighbours != nil)))
            if predictor.readsLate && started.count < 2 { continue }
        } else {
            isDone = true
        }
        guard !started.isEmpty else { continue }
        let (batch, prediction) = started.removeFirst()
        let output = try profile.measure(.probabilities, prediction.output)
        let read = ContinuousClock.now
        if let pending { try keep(await pending.value) }
        profile?.add(.masks, ContinuousClock.now - read)
        profile?.endStep()
        let stride = batch.cropSize * batch.cropSize
        let lost = batch.items.indices.filter { output.probabilities[$0 * stride].isNaN }
        guard lost.isEmpty else {
            throw LabelingError.outputNotFinite(
                annotationIDs: lost.map {
                    "\(file.annotations[batch.items[$0].planned.annotation].id)"
                })
        }
        pending = Task.detached {
            try consume(
                await paste(
                    batch, output: output, thresholds: thresholds, extras: extras,
                    neighbours: neighbours))
        }
    }
    if let pending { try keep(await pending.value) }
    loader.cancel()
    return !shouldStop()
}

/// Pastes on all cores: on a GPU one of them cannot keep up with the network.
///
/// - Parameter output: of the batch's crops.
private func paste(
    _ batch: CropBatch, output: NetworkOutput, thresholds: [Float], extras: MaskExtras,
    neighbours: BoxNeighbours?
) async -> PredictedBatch {
    let count = batch.items.count
    let taskCount = max(1, min(ProcessInfo.processInfo.activeProcessorCount, count))
    let pasted = await withTaskGroup(of: [(index: Int, crop: PastedCrop)].self) { group in
        for first in 0..<taskCount {
            group.addTask {
                stride(from: first, to: count, by: taskCount).map { index in
                    (
                        index,
                        batch.pasted(
                            index, output: output, thresholds: thresholds, extras: extras,
                            neighbours: neighbours)
                    )
                }
            }
        }
        return await group.reduce(into: []) { $0 += $1 }
    }.sorted { $0.index < $1.index }.map(\.crop)
    return PredictedBatch(
        index: batch.index,
        masks: zip(batch.items, pasted).map { ($0, $1.mask, $1.notes) },
        sweeps: pasted.map(\.sweep), failures: batch.failures, images: batch.images)
}

/// What is made of one crop's probabilities.
package struct PastedCrop: Sendable {
    package let mask: WindowMask
    let sweep: [WindowMask]
    package let notes: MaskNotes
}

extension CropBatch {
    /// - Parameters:
    ///   - index: of the crop.
    ///   - output: of the batch's crops; with their contrast where features are measured.
    ///   - neighbours: nil measures no features.
    package func pasted(
        _ index: Int, output: NetworkOutput, thresholds: [Float], extras: MaskExtras,
        neighbours: BoxNeighbours?
    ) -> PastedCrop {
        let item = items[index]
        let stride = cropSize * cropSize
        // SPEC §8 leaves a mask of no bucket un-thresholded; its non-zero pixels are the mask.
        let bucket = SizeBucket(area: item.planned.area)
        let threshold = bucket.map { thresholds[$0.rawValue] } ?? 0
        return output.probabilities.withUnsafeBufferPointer { values in
            let crop = UnsafeBufferPointer(rebasing: values[index * stride..<(index + 1) * stride])
            func pasted(_ threshold: Float) -> WindowMask {
                pasteMask(
                    probabilities: crop, cropSize: cropSize, window: item.window,
                    imageSize: item.imageSize, threshold: threshold)
            }
            func cleaned(_ mask: WindowMask) -> (mask: WindowMask, record: CleanupRecord)? {
                extras.cleanup?.clean(mask, box: item.planned.box, imageSize: item.imageSize)
            }
            let mask = pasted(threshold)
            let sweep = extras.sweep.map {
                let mask = pasted($0)
                return cleaned(mask)?.mask ?? mask
            }
            var notes = MaskNotes()
            if let neighbours, let confidence = extras.confidence,
                let row = output.contrastRow(index, of: items.count)
            {
                notes.features = features(
                    of: index, probabilities: crop, threshold: threshold, neighbours: neighbours,
                    contrast: row.prefix(TokenContrast.names.count),
                    token: confidence.tokenScore(row.dropFirst(TokenContrast.names.count)))
            }
            let changed = cleaned(mask)
            notes.cleanup = changed?.record
            return PastedCrop(mask: changed?.mask ?? mask, sweep: sweep, notes: notes)
        }
    }
}

extension CropBatch {
    fileprivate func features(
        of index: Int, probabilities: UnsafeBufferPointer<Float>, threshold: Float,
        neighbours: BoxNeighbours, contrast: ArraySlice<Float>, token: Float
    ) -> MaskFeatures {
        let stride = cropSize * cropSize
        return pixels.withUnsafeBufferPointer { pixels in
            boxMasks.withUnsafeBufferPointer { boxMasks in
                MaskFeatures(
                    probabilities: probabilities,
                    boxMask: UnsafeBufferPointer(
                        rebasing: boxMasks[index * stride..<(index + 1) * stride]),
                    pixels: UnsafeBufferPointer(
                        rebasing: pixels[index * stride * 3..<(index + 1) * stride * 3]),
                    side: cropSize, threshold: threshold, box: items[index].planned.box,
                    imageSize: items[index].imageSize,
                    neighbours: neighbours.overlapping(
                        items[index].planned.box, image: items[index].planned.image),
                    contrast: contrast, token: token)
            }
        }
    }
}
