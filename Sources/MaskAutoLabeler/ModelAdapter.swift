import Annotations
import Files
import Foundation
import Glibc
public import Inference
import MaskModel
public import Specs
import Torch
public import Training

/// Teaches a model on the very boxes that are to be labelled, and keeps the result where it is better.
///
/// It is a short run of ``TrainJob``. What it makes lies in a folder of its own, by a hash of all that it
/// depends on: the same again goes on, or is done at once.
public struct ModelAdapter {
    /// What may differ from `mal adapt` without options.
    public struct Options: Sendable {
        public var amount = AdaptationAmount.automatic
        /// A path, or the name of a model that ships.
        public var checkpoint = ModelFiles.defaultName
        /// CPU threads of the network; nil takes those that the run had before, else libtorch's choice.
        public var threads: Int?
        /// `key=value` on top of the recipe.
        public var overrides: [String] = []
        /// Of options such as `--device`, on top of both.
        public var settings: [SpecSetting] = []
        /// How the boxes are read.
        public var input = InputOptions()

        public init() {}
    }

    /// The fewest boxes that a model is adapted to.
    private static let fewestBoxes = 24

    private let options: Options
    private let images: String
    private let file: AnnotationFile
    private let plan: BoxPlan
    private let heldOut: Set<Int>
    private let recipe: AdaptationRecipe
    private let boxesPath: String
    /// The model that it begins with.
    private let info: CheckpointInfo
    /// Where the chosen model is copied to; nil leaves it in ``folder``.
    private let output: String?
    private let overwrites: Bool
    private let lock: OutputLock?
    private let onEvent: TrainEventHandler
    /// The folder of this very adaptation.
    let folder: String

    /// - Parameters:
    ///   - images: folder of the images.
    ///   - boxes: file or folder with the boxes, in any format that mal reads.
    ///   - workspace: a folder for what is kept between runs; others' files in it stay.
    ///   - output: a .safetensors file for the chosen model, the adapted one or the one before; nil for none.
    /// - Throws: `SpecError`, `AnnotationError`, `CheckpointError`, `LabelingError`: what is wrong with the inputs.
    public init(
        images: String, boxes: String, workspace: String, output: String? = nil,
        overwrites: Bool = false, options: Options = Options(), onEvent: @escaping TrainEventHandler
    ) throws {
        self.options = options
        self.output = output
        self.overwrites = overwrites
        self.onEvent = onEvent
        self.images = images
        boxesPath = boxes
        try checkFolder(images, "images")
        let path = try ModelFiles.path(for: options.checkpoint)
        info = try MaskCheckpoint(path: path).info
        guard info.hasHeads, info.hasBackbone else {
            throw LabelingError.wrongUse(
                "\(path): only a model with a backbone and heads can be adapted; it is: "
                    + info.what)
        }
        let spec = try Self.spec(
            AdaptationRecipe(
                info, areas: [], amount: options.amount, given: options.overrides),
            options, images: images, boxes: boxes, results: workspace)
        file = try readAnnotations(
            options.input.source(
                boxes, imagesDirectory: images, appliesEXIF: spec.dataset.appliesEXIF)
        ) { onEvent(.run($0)) }
        var plan = BoxPlan(
            file: file, imagesDirectory: images,
            selection: .tao(
                TAOFilter(minArea: 0, maxArea: spec.dataset.maxObjectSize)),
            decoding: spec.dataset.decoding, onEvent: { _ in })
        recipe = AdaptationRecipe(
            info, areas: plan.boxes.map(\.area), amount: options.amount, given: options.overrides)
        let smallest = try Self.spec(
            recipe, options, images: images, boxes: boxes, results: workspace
        ).dataset.minObjectSize
        plan.keepOnly(
            Set(plan.boxes.filter { Double($0.area) > smallest }.map(\.annotation)))
        self.plan = plan
        heldOut = Self.heldOut(of: plan, file)
        folder =
            workspace + "/"
            + Self.key(
                try ContentHash.hash(file: path), file, plan, recipe.overrides,
                options.settings.filter { $0.key.hasPrefix("dataset.") }, options.amount)
        var paths = RunPaths()
        paths.reads("boxes", file)
        paths.readsImages(images, of: file)
        paths.reads("checkpoint", path)
        paths.writes("model", output)
        try paths.check()
        lock = try output.map { (path) throws in try OutputLock(path) }
        if earlierVerdict == nil { try requireFreeOutput() }
    }

    /// Adapts, or finds what was done before.
    ///
    /// - Parameter shouldStop: asked after every step; true saves and throws.
    /// - Throws: `LabelingError.trainingStopped` or `interrupted` when `shouldStop` ended it.
    public func run(
        isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool
    ) async throws -> Adaptation {
        if let verdict = earlierVerdict {
            return Adaptation(model: try chosen(verdict), wasDone: true, verdict: verdict)
        }
        try makeDirectory(folder)
        var verdict = AdaptationVerdict()
        do {
            try await adapt(&verdict, shouldStop: shouldStop)
        } catch {
            guard let reason = (error as? Unusable)?.reason else { throw error }
            verdict.reason = reason
        }
        try writeWholeFile(JSONEncoder().encode(verdict), to: verdictPath)
        try? FileManager.default.removeItem(atPath: folder + "/train")
        if !verdict.isKept { try? FileManager.default.removeItem(atPath: modelPath) }
        return Adaptation(model: try chosen(verdict), wasDone: false, verdict: verdict)
    }

    /// Why the model before is taken without a comparison.
    private struct Unusable: Error {
        let reason: String
    }

    private func adapt(
        _ verdict: inout AdaptationVerdict, isolation: isolated (any Actor)? = #isolation,
        shouldStop: () -> Bool
    ) async throws {
        guard plan.boxes.count >= Self.fewestBoxes else {
            throw Unusable(
                reason: "\(plan.boxes.count) boxes can be learned from, "
                    + "\(Self.fewestBoxes) are needed")
        }
        let given = Set(plan.boxes.map(\.annotation)).subtracting(heldOut)
        verdict.boxCount = given.count
        let spec = try Self.spec(
            recipe, options, images: images, boxes: boxesPath, results: folder)
        let job = try TrainJob(
            specPath: nil, overrides: recipe.overrides, settings: settings,
            boxes: (file, given), threads: options.threads, onEvent: timed(onEvent))
        defer { (verdict.stepCount, verdict.seconds) = progress }
        try await train(job, shouldStop: shouldStop)
        try convert()
        let found = try await comparison(
            with: modelPath, spec, job.runtime, shouldStop: shouldStop)
        guard let found else { throw LabelingError.interrupted(done: 0, total: heldOut.count) }
        (verdict.comparison, verdict.reason) = (found, found.fault)
    }

    /// Compares the model with another one on the boxes that an adaptation would hold out.
    ///
    /// - Returns: what the two are like; nil when `shouldStop` ended it.
    public func compare(
        with other: String, isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool
    ) async throws -> String? {
        let spec = try Self.spec(
            recipe, options, images: images, boxes: boxesPath, results: folder)
        let runtime = try Runtime(
            spec: spec, command: .train, isFromFile: false,
            onEvent: { [onEvent] in onEvent(.run($0)) })
        let found = try await comparison(with: other, spec, runtime, shouldStop: shouldStop)
        return found.map { found in
            (found.lines + [found.fault.map { "  the second is worse: \($0)" } ?? ""])
                .joined(separator: "\n")
        }
    }

    // MARK: Files

    private var verdictPath: String { folder + "/verdict.json" }
    private var modelPath: String { folder + "/model.safetensors" }

    /// What to label with; writes the output if there is to be one.
    private func chosen(_ verdict: AdaptationVerdict) throws -> String {
        let model = verdict.isKept ? modelPath : options.checkpoint
        guard let output else { return model }
        var source = modelPath
        if !verdict.isKept {
            try makeDirectory(folder)
            source = folder + "/before.safetensors"
            try CheckpointConversion.convert(
                info.file, to: source, version: Product.version)
        }
        if let there = try? ContentHash.hash(file: output),
            there == (try ContentHash.hash(file: source))
        {
            return output
        }
        try requireFreeOutput()
        try makeDirectory(output.folderPath.isEmpty ? "." : output.folderPath)
        try writeWholeFile(Data(contentsOf: URL(fileURLWithPath: source)), to: output)
        return output
    }

    private func requireFreeOutput() throws {
        if let output { try ModelOutput.requireFree(output, overwrites: overwrites) }
    }

    private var earlierVerdict: AdaptationVerdict? {
        guard let data = FileManager.default.contents(atPath: verdictPath),
            let verdict = try? JSONDecoder().decode(AdaptationVerdict.self, from: data),
            !verdict.isKept || access(modelPath, R_OK) == 0
        else { return nil }
        return verdict
    }

    /// Steps and seconds of the training so far, as its checkpoints have them.
    private var progress: (stepCount: Int, seconds: Double) {
        struct Line: Decodable {
            let step: Int
            let seconds: Double?
        }
        let text = FileManager.default.contents(atPath: folder + "/train/metrics.jsonl") ?? Data()
        return text.split(separator: UInt8(ascii: "\n")).reduce((0, 0)) { sum, line in
            guard let line = try? JSONDecoder().decode(Line.self, from: line) else { return sum }
            return (max(sum.0, line.step), sum.1 + (line.seconds ?? 0))
        }
    }

    /// The teacher as a model file like the one that it began as.
    private func convert() throws {
        let half = info.parameters.contains { $0.elementType == .float16 }
        do {
            try CheckpointConversion.convert(
                folder + "/train/model_latest/teacher.safetensors", to: modelPath,
                elementType: half ? .float16 : .float32,
                metadata: info.metadata.merging(["adapted": "\(progress.stepCount) steps"]) { $1 },
                version: Product.version)
        } catch {
            // Weights that are not finite, or too large for float16.
            guard [.damaged, .unsupported].contains(error.kind) else { throw error }
            throw Unusable(reason: error.message)
        }
    }

    // MARK: Training and comparing

    /// What is left of the time that was given; nil where steps end the run.
    private var timeLeft: Duration? {
        guard case .seconds(let limit) = options.amount else { return nil }
        return .seconds(Double(limit) - progress.seconds)
    }

    /// The clock ends a run by time: what its events say of steps and epochs to come is by the clock too.
    private func timed(_ onEvent: @escaping TrainEventHandler) -> TrainEventHandler {
        guard let left = timeLeft else { return onEvent }
        let end = ContinuousClock.now + left
        let steps = "\(recipe.stepCount) steps in all"
        return { event in
            switch event {
            case .step(var progress):
                progress.secondsLeft = max(0, (end - .now) / .seconds(1))
                let count = (progress.secondsLeft / max(progress.secondsPerStep, 1e-3)).rounded(.up)
                progress.stepCount = min(progress.stepCount, progress.step + Int(count))
                progress.epochCount = progress.epoch + 1
                onEvent(.step(progress))
            case .run(.note(let text)):
                onEvent(.run(.note(text.replacing(steps, with: "until the time is over"))))
            default: onEvent(event)
            }
        }
    }

    private func train(
        _ job: TrainJob, isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool
    ) async throws {
        let left = timeLeft
        let latest = folder + "/train/model_latest/state.json"
        if let left, left <= .zero, access(latest, R_OK) == 0 { return }
        let start = ContinuousClock.now
        func isOver() -> Bool { left.map { ContinuousClock.now - start >= $0 } ?? false }
        do {
            _ = try await job.run { shouldStop() || isOver() }
        } catch {
            switch error {
            case LabelingError.trainingStopped where !shouldStop() && isOver(): break
            case LabelingError.lossNotFinite(let step, _, _, _):
                throw Unusable(reason: "the loss was not finite in step \(step)")
            default: throw error
            }
        }
    }

    private func comparison(
        with other: String, _ spec: Spec, _ runtime: Runtime,
        isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool
    ) async throws -> ModelComparison? {
        var plan = plan
        plan.keepOnly(heldOut)
        let settings = CropSettings(
            cropSize: spec.dataset.cropSize, marginRate: spec.train.testMarginRate, batchSize: 8,
            decoding: spec.dataset.decoding)
        let networks = try [options.checkpoint, other].map { path in
            try LabelingModel(checkpoint: path, spec: spec.model, onEvent: { _ in })
                .network(.student, runtime)
        }
        return try await Libtorch.withThreads(options.threads) {
            try await ModelComparison(
                networks[0], networks[1], plan: plan, settings: settings,
                device: runtime.device, arithmetic: runtime.arithmetic,
                shouldStop: shouldStop, onEvent: { [onEvent] in onEvent(.run($0)) })
        }
    }

    // MARK: What it depends on

    private var settings: [SpecSetting] {
        Self.settings(options, images: images, boxes: boxesPath, results: folder)
    }

    private static func settings(
        _ options: Options, images: String, boxes: String, results: String
    ) -> [SpecSetting] {
        options.settings + [
            SpecSetting("IMAGES", "dataset.train_img_dir", .text(images)),
            SpecSetting("--boxes", "dataset.train_ann_path", .text(boxes)),
            SpecSetting("--checkpoint", "train.pretrained_model_path", .text(options.checkpoint)),
            SpecSetting("results", "results_dir", .text(results)),
        ]
    }

    private static func spec(
        _ recipe: AdaptationRecipe, _ options: Options, images: String, boxes: String,
        results: String
    ) throws -> Spec {
        try Spec.read(
            path: nil, overrides: recipe.overrides,
            settings: settings(options, images: images, boxes: boxes, results: results),
            command: .train
        ).spec
    }

    /// A tenth of the boxes, of few ones more, by a hash of their ids: always the same.
    private static func heldOut(of plan: BoxPlan, _ file: AnnotationFile) -> Set<Int> {
        let all = plan.boxes.map(\.annotation)
        let count = min(max(all.count / 10, min(all.count / 4, 24)), 200)
        let order = all.map { (FNV1a.hash(Array("\(file.annotations[$0].id)".utf8)), $0) }
            .sorted { $0 < $1 }
        return Set(order.prefix(count).map(\.1))
    }

    private static func key(
        _ model: UInt64, _ file: AnnotationFile, _ plan: BoxPlan, _ overrides: [String],
        _ settings: [SpecSetting], _ amount: AdaptationAmount
    ) -> String {
        var parts = [ContentHash.text(model), ContentHash.text(FNV1a.hash(file)), "\(amount)"]
        parts += overrides
        parts += settings.map { "\($0.key)=\($0.value)" }
        for path in plan.imagePaths.compactMap({ $0 }) {
            let identity = ImageIdentity(stampOf: path)
            parts.append("\(path.fileName) \(identity.byteCount) \(identity.modified)")
        }
        return ContentHash.text(FNV1a.hash(Array(parts.joined(separator: "\n").utf8)))
    }
}
