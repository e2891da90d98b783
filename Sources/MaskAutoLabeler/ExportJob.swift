public import Exporting
import Files
import Foundation
import Inference
import MaskModel
public import Specs
import Torch

/// Writes a model as ONNX.
public struct ExportJob {
    public let outputPath: String
    private let model: LabelingModel
    private let settings: ONNXSettings
    private let metadata: [String: String]
    private let role: MaskCheckpoint.Role

    /// - Parameters:
    ///   - checkpoint: a path, or the name of a model that ships.
    ///   - cropSize: side of the crops; nil is what the model was trained for.
    ///   - usesTeacher: whether the teacher is written, not the student.
    ///   - overrides: spec keys, such as `model.num_heads=3`.
    ///   - configure: sets what else is up to the user.
    /// - Throws: `SpecError`, `CheckpointError`, `MaskModelError`, `LabelingError`: what is wrong with the
    ///   inputs, before any work.
    public init(
        checkpoint: String, output: String, cropSize: Int? = nil, usesTeacher: Bool = false,
        overrides: [String] = [], overwrites: Bool = false,
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
        try Libtorch.start()
        model = try LabelingModel(checkpoint: checkpoint, spec: spec.model, onEvent: onEvent)
        var paths = RunPaths()
        paths.reads("checkpoint", model.path)
        paths.writes("model", output)
        try paths.check()
        guard overwrites || access(output, F_OK) != 0 else {
            throw LabelingError.wrongUse(
                "the output \(output) is there; --overwrite replaces it")
        }
        let (side, thresholds) = model.settings(of: spec, isFromFile: false, onEvent: onEvent)
        try model.check(cropSize: side, of: spec.dataset)
        var settings = ONNXSettings(cropSize: side)
        configure(&settings)
        guard ONNXSettings.opsets.contains(settings.opset) else {
            throw LabelingError.wrongOption(
                "--opset must be \(ONNXSettings.opsets.lowerBound) to "
                    + "\(ONNXSettings.opsets.upperBound), is \(settings.opset)")
        }
        self.settings = settings
        role = usesTeacher ? .teacher : .student
        outputPath = output
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
    /// - Returns: what it is, in two lines.
    public func run() throws -> String {
        let file = try ONNXFile(
            model.configuration, parameters: try model.parameters(role), metadata: metadata,
            version: Product.version, settings)
        let count = try file.write(to: outputPath)
        return "\(outputPath): \(role.rawValue), opset \(settings.opset), "
            + "\(settings.precision.rawValue), \(count) bytes\n" + file.signature
    }
}
