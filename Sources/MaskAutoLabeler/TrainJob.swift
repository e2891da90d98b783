import Annotations
public import Distributed
import Files
import Formats
import Foundation
import Imaging
import Inference
import MaskModel
public import Specs
import Torch
public import Training

/// A training run from a spec: reads and checks everything first, then trains.
public struct TrainJob {
    let spec: Spec
    let set: TrainingSet
    private let broken: [(image: Int, reason: String)]
    private let validation: TrainingValidation?
    let runtime: Runtime
    private let model: TrainingModel
    let guide: LabelingModel?
    let annotationHash: String
    let asksToResume: Bool
    /// As asked for; nil leaves the choice to the run that is gone on with, or to libtorch.
    let threads: Int?
    private let profiles: Bool
    private let rank: RankEnvironment?
    let onEvent: TrainEventHandler

    /// - Parameters:
    ///   - overrides: `key=value`, as after the command.
    ///   - threads: CPU threads of the network; nil takes those that the run had before, in a new run
    ///     libtorch's choice.
    ///   - resume: go on in a run folder even if the spec has changed since.
    ///   - profiles: tell at the end where the steps' time went.
    ///   - rank: which of the run's processes this is; nil when it is alone.
    /// - Throws: `SpecError`, `AnnotationError`, `CheckpointError`, `MaskModelError`, `TorchError`,
    ///   `LabelingError`: what is wrong with the inputs, before any training.
    public init(
        specPath: String?, overrides: [String] = [], settings: [SpecSetting] = [],
        threads: Int? = nil, resume: Bool = false, profiles: Bool = false,
        rank: RankEnvironment? = nil, onEvent: @escaping TrainEventHandler
    ) throws {
        try self.init(
            specPath: specPath, overrides: overrides, settings: settings, boxes: nil,
            threads: threads, resume: resume, profiles: profiles, rank: rank, onEvent: onEvent)
    }

    /// - Parameter boxes: annotations that were read before, and the positions of those to learn from; nil
    ///   reads what the spec names.
    init(
        specPath: String?, overrides: [String], settings: [SpecSetting],
        boxes: (file: AnnotationFile, given: Set<Int>)?, threads: Int?, resume: Bool = false,
        profiles: Bool = false, rank: RankEnvironment? = nil,
        onEvent all: @escaping TrainEventHandler
    ) throws {
        let onEvent = rank?.isQuiet == true ? warningsOnly(all) : all
        let (spec, warnings) = try Spec.read(
            path: specPath, overrides: overrides, settings: settings, command: .train)
        for warning in warnings { onEvent(.run(.warning(warning))) }
        self.spec = spec
        self.rank = rank
        self.onEvent = onEvent
        asksToResume = resume
        self.threads = threads
        self.profiles = profiles
        runtime = try Runtime(
            spec: spec, command: .train, isFromFile: specPath != nil, rank: rank
        ) { onEvent(.run($0)) }
        if spec.strategy.shardsOptimizer, spec.strategy != .zero1 {
            onEvent(
                .run(
                    .note(
                        "strategy: \(spec.strategy.rawValue) is taken as zero1: optimizer state is "
                            + "divided among the processes, parameters are not")))
        }
        model = try TrainingModel(spec)
        for warning in model.warnings { onEvent(.run(.warning(warning))) }
        guide = try Self.guide(spec) { onEvent(.run($0)) }
        let path = spec.dataset.trainAnnotationPath ?? ""
        let imagesDirectory = spec.dataset.trainImageDir ?? ""
        try checkFolder(imagesDirectory, "dataset.train_img_dir")
        let file =
            try boxes?.file
            ?? readAnnotations(
                AnnotationSource(
                    path: path, imagesDirectory: imagesDirectory,
                    appliesEXIF: spec.dataset.appliesEXIF)
            ) { onEvent(.run($0)) }
        annotationHash = String(FNV1a.hash(file), radix: 16)
        set = try TrainingSet(
            file: file, imagesDirectory: imagesDirectory,
            filter: TAOFilter(
                minArea: spec.dataset.minObjectSize, maxArea: spec.dataset.maxObjectSize),
            decoding: spec.dataset.decoding, given: boxes?.given,
            masks: spec.train.maskSupervision)
        guard set.count > 0 else {
            throw LabelingError.wrongUse(
                file.annotations.isEmpty
                    ? "\(path): has no annotations to train on"
                    : "\(path): none of its \(file.annotations.count) boxes can be trained on: "
                        + dropLines(of: set).joined(separator: "; "))
        }
        try Self.requireMasks(spec, set) { onEvent(.run($0)) }
        broken = set.brokenImages()
        validation = try Self.validation(spec, runtime) { onEvent(.run($0)) }
        var paths = RunPaths()
        paths.reads("spec", specPath)
        paths.reads("annotations", file)
        if let validation { paths.reads("annotations", validation.request.file) }
        paths.reads("weights", spec.train.pretrainedModelPath)
        paths.readsImages(imagesDirectory, of: file)
        paths.writes(
            "results", spec.resultsDirectory(for: .train),
            as: .files(
                ["metrics.jsonl", "status.json"]
                    + (spec.train.writesTAOCheckpoints ? ["mal_model_latest.pth"] : [])))
        try paths.check()
    }

    /// - Parameter shouldStop: asked after every step; true saves and throws.
    /// - Throws: `LabelingError.trainingStopped` when `shouldStop` ended it.
    public func run(
        isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool = { false }
    ) async throws -> TrainingSummary {
        guard rank != nil || spec.train.gpus.count * spec.train.gpus.nodeCount == 1 else {
            throw LabelingError.wrongUse(
                "train.num_gpus is \(spec.train.gpus.count) and train.num_nodes "
                    + "\(spec.train.gpus.nodeCount), but this is one process: `mal train` starts "
                    + "one for each device")
        }
        let path = spec.resultsDirectory(for: .train)
        let isFirst = rank?.rank ?? 0 == 0
        return try await withRanks(
            rank, timeout: .seconds(spec.rankTimeout),
            onLoss: { text in
                if isFirst { try? StatusLog(directory: path).write(.failure, text) }
            }
        ) { ranks in
            try await Libtorch.withThreads(threads) {
                try await run(ranks, shouldStop: shouldStop)
            }
        }
    }

    private func run(
        _ ranks: Ranks?, isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool
    ) async throws -> TrainingSummary {
        if let ranks { try requireEqualInputs(inputs, ranks) }
        try requireImages()
        let isFirst = ranks?.isFirst ?? true
        let directory = try RunDirectory(spec.resultsDirectory(for: .train), isOwn: isFirst)
        // The others may not see the folder: they get all there is to know from rank 0.
        let sources = isFirst ? try sources() : [:]
        let checkpoint =
            isFirst ? try checkpointToResume(in: directory, sources: sources) : nil
        var state = checkpoint?.state ?? TrainingState()
        if checkpoint == nil {
            state.seed =
                spec.train.seed < 0 ? .random(in: 0...UInt64.max) : UInt64(spec.train.seed)
        }
        state.version = Product.version
        state.sampleCount = set.count
        state.annotations = annotationHash
        state.sources = sources
        if state.samplesInEpoch ?? 0 >= set.count {
            // Only after a change of the data.
            state.epoch += 1
            state.stepInEpoch = 0
            state.samplesInEpoch = 0
        }
        var newest = checkpoint?.path
        var isNewestHere = newest.map(directory.holds) ?? false
        if isFirst, checkpoint != nil {
            try directory.restoreLinks(best: isNewestHere ? state.best?.step : nil)
        }
        if let ranks {
            (state, newest) = (try ranks.fromFirst(state), try ranks.fromFirst(newest))
            isNewestHere = try ranks.fromFirst(isNewestHere)
        }
        state.environment = environment(
            goingOnFrom: state.environment, processes: ranks?.count ?? 1, tells: isFirst)
        let begin = state
        return try await Libtorch.withThreads(state.environment?["threads"].flatMap { Int($0) }) {
            try await train(
                ranks, begin, checkpoint, newest: newest, isNewestHere: isNewestHere,
                in: directory, shouldStop: shouldStop)
        }
    }

    private func train(
        _ ranks: Ranks?, _ begin: TrainingState, _ checkpoint: TrainingCheckpoint?,
        newest: String?, isNewestHere: Bool, in directory: RunDirectory,
        isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool
    ) async throws -> TrainingSummary {
        var state = begin
        let run = TrainingRun(
            spec: spec, set: set, configuration: model.configuration, device: runtime.device,
            seed: state.seed,
            validation: validation, metadata: model.metadata, ranks: ranks,
            rankCount: ranks?.count ?? 1, state: state)
        state.stepInEpoch = run.firstStepInEpoch
        let step = try withRecoverableMemory { try trainingStep(run, state, checkpoint) }
        onEvent(
            .run(
                .note(
                    "training on \(set.count) boxes, \(run.stepsPerEpoch) steps an epoch, "
                        + "\(run.stepCount) steps in all, on "
                        + (ranks.map { "\($0.count) processes, this one on " } ?? "")
                        + "\(runtime.device) in \(runtime.arithmetic); results in "
                        + directory.path)))
        return try await Trainer(
            run, step: step, state: state, newest: newest, isNewestHere: isNewestHere,
            directory: directory, onEvent: onEvent
        ).run(shouldStop: shouldStop)
    }

    /// What a run would do, without one; and a picture of a batch in the results folder.
    public func dryRun(
        isolation: isolated (any Actor)? = #isolation
    ) async throws -> DryRunReport {
        let run = TrainingRun(
            spec: spec, set: set, configuration: model.configuration, device: runtime.device,
            seed: UInt64(max(spec.train.seed, 0)), validation: validation,
            metadata: model.metadata,
            rankCount: rank?.worldSize ?? spec.train.gpus.count * spec.train.gpus.nodeCount)
        return try await Libtorch.withThreads(threads) {
            let pair = try withRecoverableMemory {
                try model.freshPair(seed: run.seed, device: .cpu, onEvent: onEvent)
            }
            return try await DryRunReport(
                run: run, pair: pair, broken: broken.map(\.reason),
                directory: spec.resultsDirectory(for: .train))
        }
    }

    private func trainingStep(
        _ run: TrainingRun, _ state: TrainingState, _ checkpoint: TrainingCheckpoint?
    ) throws -> TrainingStep {
        let pair: StudentTeacher
        if let checkpoint {
            pair = try model.pair(of: checkpoint, device: runtime.device)
        } else {
            pair = try model.freshPair(
                seed: state.seed, device: runtime.device, onEvent: onEvent)
        }
        let optimizer = model.optimizer(for: pair)
        if let checkpoint {
            try optimizer.importState(
                checkpoint.optimizer.mapValues { $0.tensor(device: runtime.device) })
        }
        var settings = run.stepSettings
        settings.options = TrainingOptions(
            arithmetic: runtime.arithmetic, dropPathRate: spec.model.dropPathRate,
            recomputesActivations: spec.train.checkpointsActivations)
        let step = TrainingStep(pair, optimizer, settings)
        if profiles { step.profile = StepProfile(device: runtime.device) }
        if let ranks = run.ranks {
            try connect(ranks)
            let exchange = TrainingExchange(
                ranks, pair.studentParameters,
                statistics: (pair.studentBuffers + pair.teacherBuffers).map(\.tensor),
                transport: spec.train.gradientTransport == .bf16 ? .bfloat16 : .float32,
                shardsOptimizer: spec.strategy.shardsOptimizer,
                overlaps: spec.train.overlapsGradients)
            try TrainingExchange.shareFromFirst(pair.exportParameters().map(\.tensor), ranks)
            try exchange.shareState(of: optimizer)
            optimizer.ownPlaces = exchange.ownPlaces
            step.exchange = exchange
        }
        step.guide = try guide?.network(.student, runtime)
        step.meanFieldKernel = try meanFieldKernel(settings.meanField)
        step.scaler = LossScaler(scale: state.lossScale, goodStepCount: state.goodStepCount)
        return step
    }

    /// Lets sums go from GPU to GPU where the spec asks for it, or leaves the choice and every process has one.
    private func connect(_ ranks: Ranks) throws {
        let choice = spec.train.collectives
        guard choice == .nccl || choice == .auto && runtime.device != .cpu,
            let reason = try ranks.connect(runtime.device)
        else { return }
        guard choice == .auto else {
            throw LabelingError.wrongUse(
                "train.collectives: nccl cannot be used (\(reason)); gloo works everywhere")
        }
        onEvent(.run(.note("no NCCL (\(reason)): gradients cross through the hosts' memory")))
    }

    /// The mean field as one kernel; nil leaves it to libtorch's operators, or to mal's own code on a CPU.
    private func meanFieldKernel(_ field: MeanField) throws -> MeanFieldKernel? {
        let choice = spec.train.meanFieldKernel
        guard runtime.device != .cpu, choice != .libtorch else { return nil }
        let side =
            model.configuration.logitsSide(cropSize: spec.dataset.cropSize)
            * spec.train.crfSizeRatio
        do {
            return try MeanFieldKernel(field, height: side, width: side, device: runtime.device)
        } catch {
            guard choice == .auto else { throw error }
            onEvent(.run(.note("\(error); libtorch's operators do it instead")))
            return nil
        }
    }

    /// What all processes of a run must agree on.
    private var inputs: [String: String] {
        var inputs = Dictionary(
            // Machines may have their files elsewhere.
            spec.values.filter { entry in
                !["_dir", "_path", "gpu_ids"].contains { entry.key.hasSuffix($0) }
            }.map { ($0.key, "\($0.value)") },
            uniquingKeysWith: { first, _ in first })
        inputs["the content of dataset.train_ann_path"] = annotationHash
        return inputs
    }

    private func requireImages() throws {
        guard !broken.isEmpty else { return }
        let images = Set(broken.map(\.image))
        let count = set.annotations.count {
            set.file.annotations[$0].imageIndex.map(images.contains) ?? false
        }
        guard count * 100 <= set.count else {
            throw LabelingError.tooManyBrokenImages(
                broken: count, total: set.count, reasons: broken.map(\.reason))
        }
    }
}

/// For the processes whose story rank 0 tells.
private func warningsOnly(_ onEvent: @escaping TrainEventHandler) -> TrainEventHandler {
    { event in
        if case .run(.warning) = event { onEvent(event) }
    }
}
