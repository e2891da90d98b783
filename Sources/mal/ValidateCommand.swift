import ArgumentParser
import Labeling

struct ValidateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Checks a COCO file, and its images, before any network time.",
        discussion: """
            Prints every finding with file, record, field, what was expected and what was found. \
            Exit code 1 when there is an error or a box that can't be labelled.
            """)

    @Argument(help: "COCO JSON file.")
    var boxes: String

    @Option(help: "Folder of its images: each one's header is read and its size compared.")
    var images: String?

    @Option(help: "Findings to print.")
    var limit = 100

    @Option(help: "Refuse images with more pixels than this.")
    var maxPixels = 200_000_000

    @Flag(name: .customLong("apply-exif"), help: "Turn images as their EXIF orientation says.")
    var appliesEXIF = false

    func run() throws {
        let console = ConsoleProgress()
        let report = try ValidationReport(
            boxesPath: boxes, imagesDirectory: images, maxPixels: maxPixels,
            appliesEXIF: appliesEXIF, limit: limit, onEvent: console.handle)
        console.finish()
        print(report.text)
        if report.findingCount > 0 { throw ExitCode(1) }
    }
}
