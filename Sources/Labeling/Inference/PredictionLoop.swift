import COCO
package import Imaging

/// One finished batch: the masks of its crops inside their windows.
package struct PredictedBatch: Sendable {
    package let index: Int
    package let masks: [(item: CropItem, mask: WindowMask)]
    package let failures: [(annotation: Int, reason: String)]
}

/// Runs every batch of a plan through the network, in order. Decoding and cropping run ahead of the
/// network, pasting and `consume` behind it.
///
/// - Parameters:
///   - completed: batches whose results are there already.
///   - shouldStop: asked between batches; true ends the loop early.
///   - consume: turns a batch into what is kept of it, off the network's thread.
///   - keep: takes that, in batch order, on the caller's side.
/// - Returns: false when `shouldStop` ended it.
package func predict<Kept: Sendable>(
    plan: BoxPlan, settings: CropSettings, predictor: MaskPredictor, thresholds: [Float],
    skipping completed: Set<Int> = [],
    isolation: isolated (any Actor)? = #isolation,
    shouldStop: () -> Bool,
    consume: @escaping @Sendable (PredictedBatch) throws -> Kept,
    keep: (Kept) throws -> Void
) async throws -> Bool {
    var loader = CropBatchLoader(plan: plan, settings: settings, skipping: completed)
    var pending: Task<Kept, any Error>?
    while !shouldStop(), let batch = await loader.next() {
        let probabilities = try predictor.probabilities(of: batch, cropSize: settings.cropSize)
        if let pending { try keep(await pending.value) }
        pending = Task.detached {
            try consume(
                paste(
                    batch, probabilities: probabilities, cropSize: settings.cropSize,
                    thresholds: thresholds))
        }
    }
    if let pending { try keep(await pending.value) }
    loader.cancel()
    return !shouldStop()
}

/// - Parameter probabilities: n·S·S values of the batch's crops.
private func paste(
    _ batch: CropBatch, probabilities: [Float], cropSize: Int, thresholds: [Float]
) -> PredictedBatch {
    let stride = cropSize * cropSize
    let masks = batch.items.enumerated().map { index, item in
        probabilities.withUnsafeBufferPointer { values in
            let crop = UnsafeBufferPointer(rebasing: values[index * stride..<(index + 1) * stride])
            // SPEC §8 leaves a mask of no bucket un-thresholded; its non-zero pixels are the mask.
            let bucket = SizeBucket(area: Double(item.planned.area))
            let threshold = bucket.map { thresholds[$0.rawValue] } ?? 0
            return (
                item,
                pasteMask(
                    probabilities: crop, cropSize: cropSize, window: item.window,
                    imageSize: item.imageSize, threshold: threshold)
            )
        }
    }
    return PredictedBatch(index: batch.index, masks: masks, failures: batch.failures)
}
