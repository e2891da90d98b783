import Annotations
public import Exporting
import Files
import Formats
import Foundation
import Imaging
import Inference
import MaskModel
public import Specs
import Torch

/// Writes a model as ONNX.
public struct ExportJob {
    /// Photographs that show which numbers a network in int8 has to hold.
    public struct Calibration: Sendable {
        /// Folder of the images that the boxes file names.
        public var images: String
        /// File or folder with the boxes.
        public var boxes: String
        /// The most boxes that are looked at, from all over the file.
        public var boxCount = 128

        public init(images: String, boxes: String) { (self.images, self.boxes) = (images, boxes) }
    }

    public var outputPath: String { output.path }
    private let output: ModelOutput
    private let model: LabelingModel
    private let settings: ONNXSettings
    private let metadata: [String: String]
    private let role: MaskCheckpoint.Role
    private let calibration: (amount: Calibration, boxes: AnnotationFile)?
    private let crops: CropSettings
    private let onEvent: RunEventHandler

    /// - Parameters:
    ///   - checkpoint: a path, or the name of a model that ships.
    ///   - cropSize: side of the crops; nil is what the model was trained for.
    ///   - usesTeacher: whether the teacher is written, not the student.
    ///   - overrides: spec keys, such as `model.num_heads=3`.
    ///   - calibration: for int8, and only there.
    ///   - configure: sets what else is up to the user.
    /// - Throws: `SpecError`, `CheckpointError`, `MaskModelError`, `LabelingError`: what is wrong with the
    ///   inputs, before any work.
    public init(
        checkpoint: String, output: String, cropSize: Int? = nil, usesTeacher: Bool = false,
        calibration: Calibration? = nil, overrides: [String] = [], overwrites: Bool = false,
        configure: (inout ONNXSettings) -> Void = { _ in }, onEvent: @escaping RunEventHandler
    ) throws {
        guard output.lowercased().hasSuffix(".onnx") else {
            throw LabelingError.wrongOption("\(output) must end in .onnx")
        }
        let unused = ["inference.img_dir", "inference.ann_path", "inference.label_dump_path"]
        var given = unused.map { SpecSetting($0, $0, .text("-")) }
        given.append(SpecSetting("results_dir", "results_dir", .text(".")))
        given.append(SpecSetting("--checkpoint", "inference.checkpoint", .text(checkpoint)))
        if let cropSize {
            given.append(SpecSetting("--crop-size", "dataset.crop_size", .integer(cropSize)))
        }
        let (spec, warnings) = try Spec.read(
            path: nil, overrides: overrides, settings: given, command: .inference)
        for warning in warnings { onEvent(.warning(warning)) }
        var settings = ONNXSettings(cropSize: 0)
        configure(&settings)
        guard ONNXSettings.opsets.contains(settings.opset) else {
            throw LabelingError.wrongOption(
                "--opset must be \(ONNXSettings.opsets.lowerBound) to "
                    + "\(ONNXSettings.opsets.upperBound), is \(settings.opset)")
        }
        guard (settings.precision == .int8) == (calibration != nil) else {
            throw LabelingError.wrongOption(
                calibration == nil
                    ? "--precision int8 needs photographs like those that the model will see: give "
                        + "their folder as --calibrate, and a file with boxes in them as --boxes"
                    : "--calibrate goes with --precision int8, not with \(settings.precision.rawValue)"
            )
        }
        self.calibration = try calibration.map { calibration in
            guard (1...1_000_000).contains(calibration.boxCount) else {
                throw LabelingError.wrongOption(
                    "--calibration-boxes must be 1 to 1000000, is \(calibration.boxCount)")
            }
            try checkFolder(calibration.images, "--calibrate")
            let source = AnnotationSource(
                path: calibration.boxes, imagesDirectory: calibration.images)
            return (calibration, try readAnnotations(source, onEvent: onEvent))
        }
        self.onEvent = onEvent
        try Libtorch.start()
        model = try LabelingModel(checkpoint: checkpoint, spec: spec.model, onEvent: onEvent)
        var paths = RunPaths()
        paths.reads("checkpoint", model.path)
        if let (calibration, boxes) = self.calibration {
            paths.reads("boxes", boxes)
            paths.readsImages(calibration.images, of: boxes)
        }
        paths.writes("model", output)
        try paths.check()
        self.output = try ModelOutput(output, overwrites: overwrites)
        let (side, thresholds) = model.settings(of: spec, isFromFile: false, onEvent: onEvent)
        try model.check(cropSize: side, of: spec.dataset)
        settings.cropSize = side
        self.settings = settings
        crops = CropSettings(
            cropSize: side, marginRate: spec.train.testMarginRate, batchSize: 4,
            decoding: spec.dataset.decoding)
        role = usesTeacher ? .teacher : .student
        var metadata = model.metadata
        if metadata["licence"] == nil, ModelFiles.isShipped(checkpoint) {
            metadata["licence"] = "Apache-2.0"
        }
        let backbone = model.configuration.backbone
        let own: [(CheckpointInfo.MetadataKey, String)] = [
            (.cropSize, "\(settings.cropSize)"), (.layout, backbone.layout.rawValue),
            (.maskThresholds, thresholds.map { "\($0)" }.joined(separator: ",")),
            (.embedDim, "\(backbone.width)"), (.depth, "\(backbone.depth)"),
            (.headCount, "\(backbone.headCount)"), (.patchSize, "\(backbone.patchSize)"),
            (.version, Product.version),
        ]
        for (key, value) in own { metadata[key.rawValue] = value }
        metadata["margin_rate"] = "\(spec.train.testMarginRate)"
        metadata["network"] = role.rawValue
        metadata["precision"] = settings.precision.rawValue
        metadata["size_buckets"] = "\(model.configuration.adjustsScale)"
        self.metadata = metadata
    }

    /// Writes the file.
    ///
    /// - Parameter shouldStop: asked between batches of photographs.
    /// - Returns: what it is, in a few lines.
    /// - Throws: `LabelingError.interrupted` when `shouldStop` ended it.
    public func run(
        isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool = { false }
    ) async throws -> String {
        let parameters = try model.parameters(role)
        var metadata = metadata
        var recorder: InputRecorder?
        var lines: [String] = []
        if let (calibration, boxes) = calibration {
            let (inputs, count) = try await inputs(
                of: parameters, calibration, boxes, shouldStop: shouldStop)
            recorder = inputs
            metadata["calibration"] = "\(count) boxes"
        }
        let file = try ONNXFile(
            model.configuration, parameters: parameters, recorder: recorder, metadata: metadata,
            version: Product.version, settings)
        if recorder != nil {
            let kept = file.floatLayers
            lines.append(
                "\(metadata["calibration"] ?? "") looked at; \(file.int8Count) layers in int8"
                    + (kept.isEmpty
                        ? "" : ", in float32: " + kept.joined(separator: ", ")))
        }
        try output.requireFree()
        let count = try file.write(to: outputPath)
        lines.append(
            "\(outputPath): \(role.rawValue), opset \(settings.opset), "
                + "\(settings.precision.rawValue), \(count) bytes")
        return (lines + [file.signature]).joined(separator: "\n")
    }

    /// What goes into the network's layers on photographs, and how many boxes they were.
    private func inputs(
        of parameters: [(name: String, tensor: Tensor)], _ calibration: Calibration,
        _ boxes: AnnotationFile, isolation: isolated (any Actor)? = #isolation,
        shouldStop: () -> Bool
    ) async throws -> (InputRecorder, boxCount: Int) {
        let plan = BoxPlan(
            file: boxes, imagesDirectory: calibration.images, selection: .all,
            decoding: crops.decoding, onEvent: onEvent)
        let all = BatchPlan(plan, crops).count
        let wanted = min(all, (calibration.boxCount + crops.batchSize - 1) / crops.batchSize)
        let chosen = Set((0..<wanted).map { $0 * all / wanted })
        var broken = Dictionary(
            plan.brokenImages.map { ($0.image, $0.reason) }, uniquingKeysWith: { a, _ in a })
        let recorder = InputRecorder()
        var count = 0
        var loader = CropBatchLoader(
            plan: plan, settings: crops, skipping: Set(0..<all).subtracting(chosen))
        defer { loader.cancel() }
        let network = try withRecoverableMemory {
            try MaskNetwork(
                model.configuration,
                parameters: Dictionary(
                    uniqueKeysWithValues: parameters.map { ($0.name, $0.tensor) }),
                recorder: recorder)
        }
        while let batch = await loader.next() {
            guard !shouldStop() else {
                throw LabelingError.interrupted(done: count, total: wanted * crops.batchSize)
            }
            for failure in batch.failures {
                guard let image = boxes.annotations[failure.annotation].imageIndex else { continue }
                broken[image] = failure.reason
            }
            guard !batch.items.isEmpty else { continue }
            let (number, side) = (batch.items.count, batch.cropSize)
            try withRecoverableMemory {
                withoutGradients {
                    let pixels = Tensor(bytes: batch.pixels, [number, side, side, 3])
                    _ = network(
                        image: normalized(pixels), areas: batch.items.map(\.planned.area))
                }
            }
            count += number
            onEvent(
                .progress(
                    stage: "calibrating", done: count,
                    total: min(plan.boxes.count, wanted * crops.batchSize),
                    unit: "boxes"))
        }
        for (image, reason) in broken.sorted(by: { $0.key < $1.key }) {
            let name = (try? boxes.images[image].relativePath()) ?? "image \(image)"
            onEvent(.warning("\(name): not calibrated with: \(reason)"))
        }
        guard count > 0 else {
            throw LabelingError.wrongUse(
                "\(calibration.boxes): no box can be calibrated with"
                    + (plan.unlabelled.first.map { "; first reason: \($0.reason)" } ?? ""))
        }
        return (recorder, count)
    }
}
