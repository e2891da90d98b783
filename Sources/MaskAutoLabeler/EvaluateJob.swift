import Annotations
public import Distributed
import Files
import Formats
import Imaging
public import Inference
import MaskModel
public import Specs
import Torch

/// An evaluation run from a spec: reads and checks everything first, then runs.
public struct EvaluateJob {
    private let request: Evaluator.Request
    private let predictor: MaskPredictor
    private let status: StatusLog
    private let lock: OutputLock?
    private let rank: RankEnvironment?
    private let rankTimeout: Duration
    private let threads: Int?
    private let onEvent: RunEventHandler

    /// - Parameters:
    ///   - threads: CPU threads of the network; nil leaves libtorch's choice.
    ///   - rank: which of the run's processes this is; nil when it is alone.
    /// - Throws: what is wrong with the inputs, before any network time.
    public init(
        specPath: String?, overrides: [String], settings: [SpecSetting], threads: Int?,
        rank: RankEnvironment? = nil, onEvent all: @escaping RunEventHandler
    ) throws {
        let onEvent = rank?.isQuiet == true ? warningsOnly(all) : all
        let (spec, warnings) = try Spec.read(
            path: specPath, overrides: overrides, settings: settings, command: .evaluate)
        for warning in warnings { onEvent(.warning(warning)) }
        let evaluate = spec.evaluate
        self.rank = rank
        rankTimeout = .seconds(spec.rankTimeout)
        guard spec.dataset.loadsMasks else {
            throw LabelingError.wrongUse(
                "dataset.load_mask is false: without the true masks there is nothing to evaluate")
        }
        let imagesDirectory = spec.dataset.validationImageDir ?? ""
        try checkFolder(imagesDirectory, "dataset.val_img_dir")
        let file = try readAnnotations(
            AnnotationSource(
                path: spec.dataset.validationAnnotationPath ?? "",
                imagesDirectory: imagesDirectory, appliesEXIF: spec.dataset.appliesEXIF),
            onEvent: onEvent)
        try requireSegmentations(
            file, selection: .tao(.validation), key: "mal evaluate")
        let broken = file.checkSegmentations()
        guard broken.errorCount == 0 else { throw AnnotationError.invalid(broken) }
        let runtime = try Runtime(
            spec: spec, command: .evaluate, isFromFile: specPath != nil,
            rank: rank, onEvent: onEvent)
        self.threads = threads
        let model = try LabelingModel(
            checkpoint: evaluate.checkpoint ?? ModelFiles.defaultName, spec: spec.model,
            onEvent: onEvent)
        let (cropSize, thresholds) = model.settings(
            of: spec, isFromFile: specPath != nil, onEvent: onEvent)
        try model.check(cropSize: cropSize, of: spec.dataset)
        let source: MaskSource =
            evaluate.usesMixedModel ? .mixed : evaluate.usesTeacher ? .teacher : .student
        predictor = MaskPredictor(
            networks: try Libtorch.withThreads(threads) {
                try model.networks(source, runtime)
            }, source: source,
            device: runtime.device,
            arithmetic: runtime.arithmetic, flipTest: evaluate.usesFlip,
            repairsBucketBorders: false, readsLate: runtime.readsLate)
        let directory = spec.resultsDirectory(for: .evaluate)
        let names = ["results.json", "per_instance.jsonl"]
        var paths = RunPaths()
        paths.reads("spec", specPath)
        paths.reads("checkpoint", model.path)
        paths.reads("annotations", file)
        paths.readsImages(imagesDirectory, of: file)
        paths.writes("results", directory, as: .files(names + ["status.json"]))
        try paths.check()
        try OwnFiles.check(names, in: directory)
        if rank?.isQuiet != true {
            lock = try OutputLock(directory + "/results.json")
            OwnFiles.clearLeftovers(of: names, in: directory)
        } else {
            lock = nil
        }
        if rank?.isQuiet != true { try makeDirectory(directory) }
        status = StatusLog(directory: directory)
        var request = Evaluator.Request(
            file: file, imagesDirectory: imagesDirectory, resultsDirectory: directory,
            settings: CropSettings(
                cropSize: cropSize, marginRate: spec.train.testMarginRate,
                batchSize: spec.batchSize(for: .evaluate),
                decoding: spec.dataset.decoding),
            thresholds: thresholds)
        if spec.dataset.usesAdaptiveCrops {
            request.settings.adaptive = AdaptiveCrop(
                cropSize: cropSize,
                stride: model.configuration.backbone.tokenStride)
        }
        if evaluate.cleansUp { request.cleanup = MaskCleanup() }
        request.confidence = model.confidence
        request.sweep = evaluate.sweep.map(Float.init)
        self.request = request
        self.onEvent = onEvent
    }

    /// - Parameter shouldStop: asked between batches.
    /// - Throws: `LabelingError.interrupted` when `shouldStop` ended it.
    public func run(
        isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool
    ) async throws -> EvaluationResults {
        let status = rank?.isQuiet == true ? nil : status
        return try await withRanks(
            rank, timeout: rankTimeout, onLoss: { try? status?.write(.failure, $0) }
        ) { ranks in
            try await Libtorch.withThreads(threads) {
                try await run(ranks, status, shouldStop: shouldStop)
            }
        }
    }

    private func run(
        _ ranks: Ranks?, _ status: StatusLog?, isolation: isolated (any Actor)? = #isolation,
        shouldStop: () -> Bool
    ) async throws -> EvaluationResults {
        try status?.write(.started, "Starting MAL evaluation.")
        do {
            let results = try await Evaluator(
                request: request, predictor: predictor, ranks: ranks, onEvent: onEvent
            ).run(shouldStop: shouldStop)
            try status?.write(.running, "Evaluation metrics generated.", kpi: results.kpi)
            try status?.write(.success, "Evaluation finished successfully.")
            return results
        } catch {
            try? status?.write(.failure, "\(error)")
            throw error
        }
    }
}
