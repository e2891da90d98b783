import Annotations
import Files
import Foundation
public import Inference
import MaskModel
public import Specs
import Torch

/// Makes a smaller model of a model, on some crops of photographs with boxes; nothing is trained.
public struct PruneJob {
    /// How small the model becomes.
    public enum Amount: Sendable, Equatable {
        /// The share of the attention heads that stays, and with them of the width.
        case share(Double)
        /// The largest model whose network takes no longer for a box, on this machine.
        case milliseconds(Double)
    }

    /// What may differ from `mal prune` without options.
    public struct Options: Sendable {
        /// A path, or the name of a model that ships.
        public var checkpoint = ModelFiles.defaultName
        /// Whether the teacher is pruned, not the student.
        public var usesTeacher = false
        /// Side of the smaller model's patches; nil keeps that of the model.
        public var patchSize: Int?
        /// Channels of the smaller model's mask head; nil takes the share.
        public var channelCount: Int?
        /// How many crops the model is measured on.
        public var cropCount = 256
        /// CPU threads; nil leaves libtorch's choice.
        public var threads: Int?
        /// `key=value` of the spec, such as `model.num_heads=3`.
        public var overrides: [String] = []
        /// Of options such as `--device`.
        public var settings: [SpecSetting] = []
        public var overwrites = false
        /// How the boxes are read.
        public var input = InputOptions()

        public init() {}
    }

    public var outputPath: String { output.path }
    private let output: ModelOutput
    private let amount: Amount
    private let options: Options
    private let plan: BoxPlan
    private let settings: CropSettings
    private let thresholds: [Float]
    private let model: LabelingModel
    private let device: Device
    private let onEvent: RunEventHandler

    /// - Parameters:
    ///   - images: folder of the photographs.
    ///   - boxes: file or folder with the boxes, in any format that mal reads.
    ///   - output: the model file to write, .safetensors.
    /// - Throws: `SpecError`, `AnnotationError`, `CheckpointError`, `MaskModelError`, `LabelingError`: what is
    ///   wrong with the inputs, before any work.
    public init(
        images: String, boxes: String, output: String, amount: Amount,
        options: Options = Options(), onEvent: @escaping RunEventHandler
    ) throws {
        (self.amount, self.options, self.onEvent) = (amount, options, onEvent)
        guard output.lowercased().hasSuffix(".safetensors") else {
            throw LabelingError.wrongOption("\(output) must end in .safetensors")
        }
        try Self.check(amount, cropCount: options.cropCount)
        let (spec, warnings) = try Spec.read(
            path: nil, overrides: options.overrides,
            settings: options.settings + [
                SpecSetting("--images", "inference.img_dir", .text(images)),
                SpecSetting("--boxes", "inference.ann_path", .text(boxes)),
                SpecSetting("--out", "inference.label_dump_path", .text(output)),
                SpecSetting("--checkpoint", "inference.checkpoint", .text(options.checkpoint)),
            ], command: .inference)
        for warning in warnings { onEvent(.warning(warning)) }
        try checkFolder(images, "--images")
        let file = try readAnnotations(
            options.input.source(
                boxes, imagesDirectory: images, appliesEXIF: spec.dataset.appliesEXIF),
            onEvent: onEvent)
        device = try Runtime(
            spec: spec, command: .inference, isFromFile: false, onEvent: onEvent
        ).device
        model = try LabelingModel(
            checkpoint: options.checkpoint, spec: spec.model, onEvent: onEvent)
        guard model.configuration.canBePruned else {
            throw LabelingError.wrongUse(
                "\(model.path): only a ViT with one patch convolution can be pruned (timm's, DINOv2); "
                    + "this is a \(model.configuration.backbone.layout.rawValue)")
        }
        var paths = RunPaths()
        paths.reads("checkpoint", model.path)
        paths.reads("boxes", file)
        paths.reads("images and categories", options.input.imagesFrom)
        paths.readsImages(images, of: file)
        paths.writes("model", output)
        try paths.check()
        self.output = try ModelOutput(output, overwrites: options.overwrites)
        let (cropSize, thresholds) = model.settings(of: spec, isFromFile: false, onEvent: onEvent)
        try model.check(cropSize: cropSize, of: spec.dataset)
        self.thresholds = thresholds
        let side = cropSize / model.configuration.backbone.tokenStride
        settings = CropSettings(
            cropSize: cropSize, marginRate: spec.train.testMarginRate,
            // As many tokens as keep a processor busy.
            batchSize: max(1, 2048 / (side * side)), decoding: spec.dataset.decoding)
        var plan = BoxPlan(
            file: file, imagesDirectory: images,
            selection: .tao(
                TAOFilter(
                    minArea: spec.dataset.minObjectSize, maxArea: spec.dataset.maxObjectSize)),
            decoding: spec.dataset.decoding, onEvent: onEvent)
        for (_, reason) in plan.brokenImages.prefix(3) { onEvent(.warning(reason)) }
        if plan.brokenImages.count > 3 {
            onEvent(.warning("\(plan.brokenImages.count - 3) more images cannot be used"))
        }
        guard !plan.boxes.isEmpty else {
            throw LabelingError.wrongUse(
                "\(boxes): no box to prune on: of \(file.annotations.count) boxes none lies in a "
                    + "readable image with more than \(Int(spec.dataset.minObjectSize)) pixels "
                    + "(dataset.min_obj_size)")
        }
        var generator = Generator(seed: 1)
        plan.keepOnly(
            Set(plan.boxes.map(\.annotation).shuffled(using: &generator).prefix(options.cropCount)))
        self.plan = plan
        try checkSizes()
    }

    private static func check(_ amount: Amount, cropCount: Int) throws(LabelingError) {
        switch amount {
        case .share(let share) where !(share > 0 && share <= 1):
            throw .wrongOption("--keep must be above 0 and at most 1, is \(share)")
        case .milliseconds(let time) where !(time > 0 && time < 1e9):
            throw .wrongOption("--target-ms must be above 0, is \(time)")
        default: break
        }
        guard (1...4096).contains(cropCount) else {
            throw .wrongOption("--crops must be 1 to 4096, is \(cropCount)")
        }
    }

    /// What depends on the model.
    private func checkSizes() throws {
        let head = model.configuration.maskHead
        let most = min(head.hiddenChannels, head.outputChannels)
        if let count = options.channelCount, !(1...most).contains(count) {
            throw LabelingError.wrongOption(
                "--channels must be 1 to \(most), those of the model, is \(count)")
        }
        if let patch = options.patchSize {
            guard (4...64).contains(patch), prunedCropSize(patch) >= 2 * patch else {
                throw LabelingError.wrongOption(
                    "--patch must be 4 to 64 pixels, and half a crop at most, is \(patch)")
            }
        }
        if case .share(let share) = amount { _ = try target(share) }
    }

    private func target(_ share: Double) throws(MaskModelError) -> MaskNetworkConfiguration {
        try model.configuration.pruned(
            keeping: share, patchSize: options.patchSize, channels: options.channelCount)
    }

    /// The crop of the smaller model: the model's own, in whole patches.
    private func prunedCropSize(_ patch: Int) -> Int {
        (settings.cropSize + patch / 2) / patch * patch
    }

    /// Writes the model.
    ///
    /// - Parameter shouldStop: asked between batches.
    /// - Returns: what it is, in two lines.
    /// - Throws: `LabelingError.interrupted` when `shouldStop` ended it; nothing is written then.
    public func run(
        isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool
    ) async throws -> String {
        let patch = options.patchSize ?? model.configuration.backbone.patchSize
        let cropSize = prunedCropSize(patch)
        // The model sees as many patches a side as the smaller one.
        let wideSize = cropSize / patch * model.configuration.backbone.patchSize
        var crops = try await self.crops(ofSize: wideSize, shouldStop: shouldStop)
        if cropSize != wideSize {
            let resized = try await self.crops(ofSize: cropSize, shouldStop: shouldStop)
            let found = Dictionary(
                uniqueKeysWithValues: resized.map { ($0.planned.place, $0.pixels) })
            for index in crops.indices { crops[index].resized = found[crops[index].planned.place] }
            crops.removeAll { $0.resized == nil }
        }
        guard !crops.isEmpty else {
            throw LabelingError.wrongUse("no image with one of the chosen boxes could be decoded")
        }
        return try Libtorch.withThreads(options.threads) {
            try withRecoverableMemory {
                try prune(crops, cropSize: cropSize, wideSize: wideSize, shouldStop: shouldStop)
            }
        }
    }

    private func prune(
        _ crops: [Crop], cropSize: Int, wideSize: Int, shouldStop: () -> Bool
    ) throws -> String {
        let network = try MaskNetwork(
            model.configuration,
            parameters: Dictionary(
                uniqueKeysWithValues: model.parameters(
                    options.usesTeacher ? .teacher : .student
                ).map { ($0.name, $0.tensor) }), device: device)
        let batches = batches(crops, cropSize: cropSize, wideSize: wideSize)
        let target = try target(crops, cropSize: cropSize, shouldStop: shouldStop)
        return try withoutActuallyEscaping(shouldStop) { shouldStop in
            let pruner = NetworkPruner(network, to: target, batches: batches) {
                if shouldStop() { throw LabelingError.interrupted(done: $1, total: $2) }
                onEvent(.progress(stage: $0, done: $1, total: $2, unit: "batches"))
            }
            guard let found = try pruner.run() else {
                throw LabelingError.wrongUse(
                    "\(model.path): its features of these crops are not all finite numbers")
            }
            return try write(found, target, cropSize: cropSize)
        }
    }

    // MARK: Crops

    private struct Crop {
        let planned: PlannedBox
        /// S · S · 3, RGB rows.
        let pixels: ArraySlice<UInt8>
        /// The same for other patches.
        var resized: ArraySlice<UInt8>?
        var bucket: SizeBucket { SizeBucket(area: planned.area) ?? .large }
    }

    private func crops(
        ofSize size: Int, isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool
    ) async throws -> [Crop] {
        var settings = settings
        settings.cropSize = size
        var loader = CropBatchLoader(plan: plan, settings: settings)
        defer { loader.cancel() }
        var crops: [Crop] = []
        while let batch = await loader.next() {
            guard !shouldStop() else {
                throw LabelingError.interrupted(done: crops.count, total: plan.boxes.count)
            }
            for failure in batch.failures { onEvent(.warning(failure.reason)) }
            let length = size * size * 3
            for (index, item) in batch.items.enumerated() {
                let pixels = batch.pixels[index * length..<(index + 1) * length]
                crops.append(Crop(planned: item.planned, pixels: pixels))
            }
            onEvent(
                .progress(
                    stage: "reading crops", done: crops.count, total: plan.boxes.count,
                    unit: "crops"))
        }
        return crops
    }

    /// As a network takes them, (n, 3, S, S).
    private func image(_ crops: [ArraySlice<UInt8>], _ side: Int) -> () -> Tensor {
        { [device] in
            normalized(
                Tensor([crops.count, side, side, 3], .uint8, device: device) { memory in
                    var rest = memory[...]
                    for crop in crops {
                        crop.withUnsafeBytes {
                            UnsafeMutableRawBufferPointer(rebasing: rest).copyMemory(from: $0)
                        }
                        rest = rest.dropFirst(crop.count)
                    }
                })
        }
    }

    /// Crops of objects of one size together.
    private func batches(_ crops: [Crop], cropSize: Int, wideSize: Int) -> [PruningBatch] {
        return SizeBucket.allCases.flatMap { bucket in
            let own = crops.filter { $0.bucket == bucket }
            return stride(from: 0, to: own.count, by: settings.batchSize).map {
                let some = own[$0..<min($0 + settings.batchSize, own.count)]
                return PruningBatch(
                    bucket: bucket, image: image(some.map(\.pixels), wideSize),
                    resized: image(some.map { $0.resized ?? $0.pixels }, cropSize))
            }
        }
    }

    // MARK: Time

    /// What the model becomes; where a time is given, the largest that is fast enough.
    private func target(
        _ crops: [Crop], cropSize: Int, shouldStop: () -> Bool
    ) throws -> MaskNetworkConfiguration {
        let limit: Double
        switch amount {
        case .share(let share): return try target(share)
        case .milliseconds(let time): limit = time
        }
        let heads = model.configuration.backbone.headCount
        let sample = Array(crops.prefix(settings.batchSize))
        let image = image(sample.map { $0.resized ?? $0.pixels }, cropSize)()
        func time(_ count: Int) throws -> (Double, MaskNetworkConfiguration) {
            let configuration = try target(Double(count) / Double(heads))
            let network = MaskNetwork(
                ParameterStore(seed: 1, device: device).root, configuration)
            func pass() -> Double {
                let start = ContinuousClock.now
                _ = network(image: image, areas: sample.map(\.planned.area)).floats()
                return (ContinuousClock.now - start) / .milliseconds(1) / Double(sample.count)
            }
            let best =
                try withoutGradients {
                    try (0..<4).map { _ in
                        guard !shouldStop() else {
                            throw LabelingError.interrupted(done: 0, total: crops.count)
                        }
                        return pass()
                    }
                }.min() ?? 0
            onEvent(
                .note(
                    "\(count) of \(heads) heads: a box takes the network "
                        + String(format: "%.1f ms", best)))
            return (best, configuration)
        }
        var (fits, fails) = (0, heads + 1)
        var found: MaskNetworkConfiguration?
        var last = 0.0
        while fails - fits > 1 {
            let count = (fits + fails) / 2
            let (milliseconds, configuration) = try time(count)
            last = milliseconds
            if milliseconds <= limit {
                (fits, found) = (count, configuration)
            } else {
                fails = count
            }
        }
        guard let found else {
            throw LabelingError.wrongUse(
                "--target-ms \(limit): with one of \(heads) heads a box takes the network "
                    + String(format: "%.1f ms here", last))
        }
        return found
    }

    // MARK: The file

    private func write(
        _ parameters: [(name: String, tensor: Tensor)], _ target: MaskNetworkConfiguration,
        cropSize: Int
    ) throws -> String {
        // As precise as the model it comes from.
        let isHalf = model.info.parameters.contains { $0.elementType == .float16 }
        let tensors = try parameters.map { name, tensor in
            try StoredTensor(name: "student." + name, tensor.to(.cpu).contiguous())
                .converted(to: isHalf ? .float16 : .float32, file: outputPath)
        }
        try tensors.requireFinite(file: outputPath)
        var metadata = model.metadata
        // These say what the larger model is.
        for key in ["arch", "confidence", "score_fit", "adapted", "precision"] {
            metadata[key] = nil
        }
        let own: [(CheckpointInfo.MetadataKey, String)] =
            target.metadata + [
                (.cropSize, "\(cropSize)"), (.version, Product.version),
                (.maskThresholds, thresholds.map { "\($0)" }.joined(separator: ",")),
            ]
        for (key, value) in own { metadata[key.rawValue] = value }
        metadata["pruned_from"] = model.path.fileName
        try output.requireFree()
        try Safetensors.write(tensors, metadata: metadata, to: outputPath)
        let info = try MaskCheckpoint(path: outputPath).info
        let (whole, part) = (model.configuration, target.backbone)
        return """
            \(outputPath): \(part.headCount) of \(whole.backbone.headCount) heads, width \
            \(part.width) of \(whole.backbone.width), mask head \(target.maskHead.hiddenChannels) of \
            \(whole.maskHead.hiddenChannels) channels; \(info.studentParameterCount) of \
            \(model.info.studentParameterCount) parameters
            to train it: \(info.modelOverrides.joined(separator: " "))
            """
    }
}
