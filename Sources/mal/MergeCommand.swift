import Annotations
import ArgumentParser
import Formats
import Inference
import MaskAutoLabeler

struct MergeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge",
        abstract: "Makes one output of the journals of `mal label --shard`.",
        discussion: """
            The parts may come from other machines: copy their journals here. The output is, byte for \
            byte, what one process would have written. Nothing is merged before every box is in a \
            journal.

              mal label photos --boxes boxes.json --out masks.json --shard 1/2
              mal label photos --boxes boxes.json --out masks.json --shard 2/2
              mal merge photos --boxes boxes.json --out masks.json
            """)

    @Argument(help: "Folder of the images that the boxes file names.")
    var images: String

    @Argument(help: "Journals; default: OUT.shard-*.journal, else OUT.rank-*.journal.")
    var journals: [String] = []

    @Option(help: "File or folder with the boxes, as for `mal label`.")
    var boxes: String

    @Option(help: "COCO JSON file to write; `mal convert` makes other formats of it.")
    var out: String

    @OptionGroup var input: InputFormatOptions

    @Option(help: "Folder for pictures of the images with their masks drawn.")
    var overlays: String?

    @Flag(
        name: .customLong("no-score"), help: "Leave the masks' confidence out of the output.")
    var leavesScores = false

    @Flag(help: "Replace an output that is there and was not made of the same journals.")
    var overwrite = false

    @Flag(name: .shortAndLong, help: "Show only warnings and errors.")
    var quiet = false

    func run() throws {
        let target = try OutputTarget(out)
        guard target.format == .coco else {
            throw ValidationError(
                "--out \(out): merge writes COCO JSON; `mal convert` makes \(target.format.name) of it"
            )
        }
        let out = target.path
        let console = ConsoleProgress(quiet: quiet)
        let job = try MergeJob(
            imagesDirectory: images, boxesPath: boxes, outputPath: out, journalPaths: journals,
            writesScores: !leavesScores, overlaysDirectory: overlays, overwrites: overwrite,
            input: input.options,
            onEvent: console.handle)
        let summary = try job.run()
        console.finish()
        try StandardStreams.show(summary.text(outputPath: out))
    }
}
