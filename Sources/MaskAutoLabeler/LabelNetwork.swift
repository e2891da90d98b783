import Distributed
import Inference
import MaskModel
import Specs
import Torch

/// Network, crops and masks as a spec and a model file have them: what a run over files and one in
/// memory share.
struct LabelNetwork {
    let runtime: Runtime
    let model: LabelingModel
    let cropSize: Int
    /// For small, medium and large boxes.
    let thresholds: [Float]
    let batchSize: Int
    let marginRate: Double
    let repairsBucketBorders: Bool
    /// Nil leaves masks as the network gives them.
    let cleanup: MaskCleanup?
    let writesScores: Bool
    /// Nil gives every box a crop of ``cropSize``.
    let adaptiveCrop: AdaptiveCrop?

    /// - Parameters:
    ///   - isFromFile: whether somebody wrote a spec: without one, what is not set is the model file's,
    ///     and masks are cleaned up and scored.
    ///   - rank: which of the run's processes this is; nil when it is alone.
    /// - Throws: `CheckpointError`, `MaskModelError`, `TorchError`, `SpecError`, `LabelingError`.
    init(
        spec: Spec, isFromFile: Bool, style: OutputStyle, rank: RankEnvironment? = nil,
        onEvent: RunEventHandler
    ) throws {
        let inference = spec.inference
        runtime = try Runtime(
            spec: spec, command: .inference, isFromFile: isFromFile, followsTAO: style == .tao,
            rank: rank, onEvent: onEvent)
        model = try LabelingModel(
            checkpoint: inference.checkpoint ?? ModelFiles.defaultName, spec: spec.model,
            onEvent: onEvent)
        let (cropSize, thresholds) = model.settings(
            of: spec, isFromFile: isFromFile, onEvent: onEvent)
        let stride = model.configuration.backbone.tokenStride
        try model.check(cropSize: cropSize, of: spec.dataset)
        self.cropSize = cropSize
        self.thresholds = thresholds
        batchSize = spec.batchSize(for: .inference)
        marginRate = spec.train.testMarginRate
        // A spec is TAO's until it says otherwise.
        let isOurs = !isFromFile && style == .lossless
        repairsBucketBorders = isOurs
        let cleansUp = inference.cleansUp || isOurs && !spec.isSet("inference.cleanup")
        cleanup = cleansUp ? MaskCleanup() : nil
        writesScores = inference.writesScores || isOurs && !spec.isSet("inference.score")
        adaptiveCrop =
            spec.dataset.usesAdaptiveCrops
            ? AdaptiveCrop(cropSize: cropSize, stride: stride) : nil
    }

    /// Loads the weights.
    ///
    /// - Parameter threads: CPU threads of an operator; nil leaves libtorch's choice.
    func predictor(threads: Int?) throws -> MaskPredictor {
        MaskPredictor(
            networks: [
                try Libtorch.withThreads(threads) { try model.network(.student, runtime) }
            ], source: .student, device: runtime.device, arithmetic: runtime.arithmetic,
            flipTest: false, repairsBucketBorders: repairsBucketBorders,
            readsLate: runtime.readsLate)
    }
}
