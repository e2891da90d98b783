public import ArgumentParser
import Exporting
import Inference
import MaskAutoLabeler
import Specs

struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Writes a model as ONNX, for other runtimes.",
        discussion: """
            The file takes crops of boxes and gives the logits of their masks: inputs image (N, 3, S, S), \
            RGB from 0 to 255, and area (N), the pixels of the box; output logits. docs/export.md has \
            programs in Python and C++ that label a photograph with it.

            Every command that takes a model file takes the ONNX file too; --precision fp32 keeps the \
            weights as they are.

              mal export model.onnx
              mal export model.onnx --checkpoint runs/a/train/model_best --precision fp16
              mal export model.onnx --precision int8 --calibrate photos --boxes boxes.json
            """)

    enum Network: EnumerableFlag {
        case student, teacher

        static func help(for value: Self) -> ArgumentHelp? {
            value == .student ? "Write the student (default)." : "Write the teacher."
        }
    }

    @Argument(help: "File to write; its name ends in .onnx.")
    var output: String

    @Option(help: "Model file, checkpoint folder of mal train, or default or tiny.")
    var checkpoint = ModelFiles.defaultName

    @Option(help: "Side of the crops in pixels (default: what the model was trained for).")
    var cropSize: Int?

    @Option(help: "Version of ONNX's operator set, 17 to 22.")
    var opset = 17

    @Option(help: "Type of weights and arithmetic: fp32, fp16 or int8, which needs --calibrate.")
    var precision = ONNXSettings.Precision.fp32

    @Option(help: "For int8: folder of photographs like those that the model will see.")
    var calibrate: String?

    @Option(help: "Boxes in these photographs (see `mal help validate` for formats).")
    var boxes: String?

    @Option(help: "How many of the boxes are looked at.")
    var calibrationBoxes = 128

    @Option(help: "Type of the input image: float32 or uint8; both from 0 to 255.")
    var image = ONNXSettings.ImageType.float32

    @Flag var network = Network.student

    @Flag(help: "Replace a file that is there.")
    var overwrite = false

    @Flag(name: .shortAndLong, help: "Show only warnings and errors.")
    var quiet = false

    @Argument(help: "Spec keys to set, dotted: model.num_heads=3.")
    var overrides: [String] = []

    func validate() throws {
        guard (calibrate == nil) == (boxes == nil) else {
            throw ValidationError(
                "--calibrate, a folder of photographs, and --boxes, a file with boxes in them, go together"
            )
        }
    }

    @MainActor
    func run() async throws {
        let console = ConsoleProgress(quiet: quiet)
        StopSignal.install()
        var calibration: ExportJob.Calibration?
        if let calibrate, let boxes {
            calibration = ExportJob.Calibration(images: calibrate, boxes: boxes)
            calibration?.boxCount = calibrationBoxes
        }
        let job = try ExportJob(
            checkpoint: checkpoint, output: output, cropSize: cropSize,
            usesTeacher: network == .teacher, calibration: calibration, overrides: overrides,
            overwrites: overwrite,
            configure: {
                ($0.opset, $0.precision, $0.image) = (opset, precision, image)
            }, onEvent: console.handle)
        do {
            let text = try await job.run(shouldStop: { StopSignal.isRequested })
            console.finish()
            if !quiet { try StandardStreams.show(text) }
        } catch let error as LabelingError {
            console.finish()
            guard case .interrupted(let done, let total) = error else { throw error }
            console.handle(.warning("stopped after \(done) of \(total) boxes; nothing was written"))
            throw ExitCode(130)
        }
    }
}

extension ONNXSettings.Precision: ExpressibleByArgument {}
extension ONNXSettings.ImageType: ExpressibleByArgument {}
