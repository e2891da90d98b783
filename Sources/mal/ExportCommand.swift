public import ArgumentParser
import Exporting
import Inference
import MaskAutoLabeler

struct ExportCommand: ParsableCommand {
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

    @Option(help: "Type of weights and arithmetic: fp32 or fp16.")
    var precision = ONNXSettings.Precision.fp32

    @Option(help: "Type of the input image: float32 or uint8; both from 0 to 255.")
    var image = ONNXSettings.ImageType.float32

    @Flag var network = Network.student

    @Flag(help: "Replace a file that is there.")
    var overwrite = false

    @Flag(name: .shortAndLong, help: "Show only warnings and errors.")
    var quiet = false

    @Argument(help: "Spec keys to set, dotted: model.num_heads=3.")
    var overrides: [String] = []

    func run() throws {
        let console = ConsoleProgress(quiet: quiet)
        let job = try ExportJob(
            checkpoint: checkpoint, output: output, cropSize: cropSize,
            usesTeacher: network == .teacher, overrides: overrides, overwrites: overwrite,
            configure: {
                ($0.opset, $0.precision, $0.image) = (opset, precision, image)
            }, onEvent: console.handle)
        let text = try job.run()
        if !quiet { try StandardStreams.show(text) }
    }
}

extension ONNXSettings.Precision: ExpressibleByArgument {}
extension ONNXSettings.ImageType: ExpressibleByArgument {}
