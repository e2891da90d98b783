import ArgumentParser
import Inference
import MaskAutoLabeler
import Specs

struct PruneCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Makes a smaller, faster model of a model.",
        discussion: """
            Keeps the directions, attention heads and hidden units that matter most on crops of your \
            photographs, and fits what is left to what the whole model computes there. Masks are not \
            needed, and nothing is trained: `mal train` does that, with the model as its guide \
            (docs/prune.md).

              mal prune --images photos --boxes boxes.json --keep 0.5 --out small.safetensors
              mal prune --images photos --boxes boxes.json --target-ms 40 --out small.safetensors
            """)

    @Option(help: "Folder of the images that the boxes file names.")
    var images: String

    @Option(help: "File or folder with the boxes (see `mal help validate` for formats).")
    var boxes: String

    @Option(help: "Model file to write; its name ends in .safetensors.")
    var out: String

    @Option(help: "Model file, checkpoint folder of mal train, or default or tiny.")
    var checkpoint = ModelFiles.defaultName

    @Flag(help: "Prune the teacher, not the student.")
    var teacher = false

    @Option(
        help: "Share of the attention heads, and with them of the width, that stays, up to 1.")
    var keep: Double?

    @Option(
        name: .customLong("target-ms"),
        help: "Instead: the largest model whose network takes no longer for a box here.")
    var milliseconds: Double?

    @Option(help: "Number of crops that the model is measured on.")
    var crops = 256

    @Option(help: "Side of the smaller model's patches in pixels (default: as the model's).")
    var patch: Int?

    @Option(help: "Channels of the smaller model's mask head (default: by the share).")
    var channels: Int?

    @Option(help: "Side of the square crop in pixels (default: what the model was trained for).")
    var cropSize: Int?

    @Option(help: "Where to compute: auto (a GPU if there is one), cpu, cuda or cuda:N.")
    var device: String?

    @Option(help: "Number of CPU threads (default: one a core).")
    var threads: Int?

    @Flag(help: "Replace a file that is there.")
    var overwrite = false

    @Flag(name: .shortAndLong, help: "Show only warnings and errors.")
    var quiet = false

    @OptionGroup var input: InputFormatOptions

    @Argument(help: "Spec keys to set, dotted: dataset.min_obj_size=100.")
    var overrides: [String] = []

    func validate() throws {
        guard (keep == nil) != (milliseconds == nil) else {
            throw ValidationError("give one of --keep and --target-ms")
        }
        try checkThreads(threads)
    }

    @MainActor
    func run() async throws {
        var options = PruneJob.Options()
        options.checkpoint = checkpoint
        options.usesTeacher = teacher
        options.patchSize = patch
        options.channelCount = channels
        options.cropCount = crops
        options.threads = threads
        options.overrides = overrides
        if let device { options.settings.append(SpecSetting("--device", "device", .text(device))) }
        if let cropSize {
            options.settings.append(
                SpecSetting("--crop-size", "dataset.crop_size", .integer(cropSize)))
        }
        options.overwrites = overwrite
        options.input = input.options
        ThisProcess.prepare(idleThreadsSleep: false)
        StopSignal.install()
        let console = ConsoleProgress(quiet: quiet)
        do {
            let job = try PruneJob(
                images: images, boxes: boxes, output: out,
                amount: keep.map(PruneJob.Amount.share) ?? .milliseconds(milliseconds ?? 0),
                options: options, onEvent: console.handle)
            let text = try await job.run(shouldStop: { StopSignal.isRequested })
            console.finish()
            if !quiet { try StandardStreams.show(text) }
        } catch let error as LabelingError {
            console.finish()
            guard case .interrupted = error else { throw error }
            console.handle(.warning("stopped; nothing was written"))
            throw ExitCode(130)
        }
    }
}
