import ArgumentParser
import Reporting
import Specs

struct ReportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Writes web pages that show the masks, worst first.",
        discussion: """
            The folder needs nothing but a browser: open its index.html. Boxes are sorted by their \
            confidence, or with --truth by their IoU; filters find categories, sizes, files and \
            ids. MASKS.unlabelled.jsonl and MASKS.cleanup.jsonl are read when they are there.

              mal report masks.json --images photos --out look
              mal report masks.json --images photos --out look --truth instances.json
            """)

    @Argument(help: "Masks as `mal label` writes them, or annotations of another format.")
    var masks: String

    @Option(help: "Folder of the images that the file names.")
    var images: String

    @Option(help: "Folder to write; an earlier report there is replaced.")
    var out: String

    @Option(help: "COCO JSON file with true masks under the same annotation ids.")
    var truth: String?

    @OptionGroup var input: InputFormatOptions

    @Option(help: "Number of boxes, worst first, that open at own pixels (11 to 40 kB each).")
    var views = ReportJob.defaultViewCount

    @Option(help: "Leave out the pictures of images with more pixels than this.")
    var maxPixels = 200_000_000

    @Flag(name: .customLong("apply-exif"), help: "Turn images as their EXIF orientation says.")
    var appliesEXIF = false

    @Flag(name: .shortAndLong, help: "Show only warnings and errors.")
    var quiet = false

    func validate() throws {
        try checkMaxPixels(maxPixels)
        guard views >= 0 else { throw ValidationError("--views must be 0 or more, is \(views)") }
    }

    @MainActor
    func run() async throws {
        let console = ConsoleProgress(quiet: quiet)
        StopSignal.install()
        let job = try ReportJob(
            masksPath: masks, imagesDirectory: images, truthPath: truth, outputDirectory: out,
            maxPixels: maxPixels, appliesEXIF: appliesEXIF, input: input.options,
            viewCount: views, onEvent: console.handle)
        do {
            let summary = try await job.run(shouldStop: { StopSignal.isRequested })
            console.finish()
            try StandardStreams.show(summary.text)
        } catch let error as LabelingError {
            console.finish()
            guard case .interrupted(let done, let total) = error else { throw error }
            console.handle(.warning("stopped after \(done) of \(total) boxes; nothing was written"))
            throw ExitCode(130)
        }
    }
}
