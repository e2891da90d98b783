import ArgumentParser
import Files
import Serving
import Specs

struct ReviewCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "review",
        abstract: "Corrects masks in the browser, worst first.",
        discussion: """
            Opens a page on this machine: accept, reject, redraw a box, paint, merge, split. Every step \
            is kept in MASKS.review.sqlite the moment it is made. MASKS itself stays as it is: Save, or \
            --export, writes the corrected masks as COCO JSON (docs/review-the-result.md).

              mal review masks.json --images photos
              mal review masks.json --images photos --export corrected.json
            """)

    @Argument(help: "Masks as `mal label` writes them: COCO JSON.")
    var masks: String

    @Option(help: "Folder of the images that the file names.")
    var images: String

    @Option(help: "Write the corrected masks to this file and end.")
    var export: String?

    @Option(help: "Where the page's Save writes (default: MASKS.reviewed.json).")
    var out: String?

    @Flag(help: "Let Save and --export replace a file that this review did not write.")
    var overwrite = false

    @Option(help: "Where to listen, on this machine; port 0 takes a free one.")
    var listen = "127.0.0.1:0"

    @Option(help: "Who reviews, as the output says (default: $USER).")
    var by: String?

    @OptionGroup var model: ModelOptions

    @Option(help: "Refuse images with more pixels than this.")
    var maxPixels = 200_000_000

    @Flag(name: .customLong("apply-exif"), help: "Turn images as their EXIF orientation says.")
    var appliesEXIF = false

    @Flag(name: .shortAndLong, help: "Show only warnings and errors.")
    var quiet = false

    func validate() throws {
        try checkMaxPixels(maxPixels)
        if export != nil, out != nil {
            throw ValidationError("--out names the file of the page's Save; --export opens no page")
        }
    }

    @MainActor
    func run() async throws {
        var options = ReviewOptions(masks: masks, images: images, output: export ?? out)
        options.overwrites = overwrite
        options.listen = listen
        options.model = model.model
        options.labeler = try model.labelerOptions()
        options.appliesEXIF = appliesEXIF
        options.maxPixels = maxPixels
        if let by { options.author = by }
        if let export {
            let message = try await ReviewServer.export(options)
            // Standard output may be where the masks went.
            if OutputFile.isStream(export) {
                StandardStreams.say(message + "\n")
            } else {
                try StandardStreams.show(message)
            }
            return
        }
        try await review(options, quiet: quiet)
    }
}

/// Serves the page until Ctrl-C. Its address goes to standard output.
@MainActor
func review(_ options: ReviewOptions, quiet: Bool) async throws {
    ThisProcess.prepare(idleThreadsSleep: true)
    let console = ConsoleProgress(quiet: quiet)
    let server = try await ReviewServer(options, onEvent: console.handle)
    try await server.run { url in
        console.handle(.note("open this address in a browser; Ctrl-C ends"))
        do {
            try StandardStreams.show(url)
        } catch {
            StandardStreams.say("\(url)\n")
        }
    }
}
