import Annotations
import ArgumentParser
import Formats
import MaskAutoLabeler
import Specs

struct ConvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Writes annotations in another format.",
        discussion: """
            INPUT is a file or folder in any of the formats below, told by its content and \
            layout (or by --format).

            Formats:
            \(formatTable)

            What a format can't hold is counted in a warning. docs/formats.md says what each one \
            keeps.

              mal convert masks.json dataset --to yolo-seg --tolerance 1
              mal convert masks.json polygons.json --to coco-polygons --subpixel
            """)

    @Argument(help: "Annotations to read.")
    var input: String

    @OptionGroup var reading: InputFormatOptions

    @Argument(help: "File or folder to write.")
    var output: String

    @Option(help: "Format to write; default: by OUTPUT's name, .json is coco, .csv is csv.")
    var to: String?

    @Option(help: "Folder of the images, for sizes that INPUT does not give.")
    var images: String?

    @Flag(name: .customLong("apply-exif"), help: "Turn images as their EXIF orientation says.")
    var appliesEXIF = false

    @OptionGroup var export: ExportOptions

    @Flag(help: "Replace an earlier output; of a folder only what mal wrote there.")
    var overwrite = false

    @Flag(name: .shortAndLong, help: "Show only warnings and errors.")
    var quiet = false

    func run() throws {
        try convert(
            input: input, output: output, format: to, images: images,
            appliesEXIF: appliesEXIF, reading: reading,
            export: export.settings(overwrites: overwrite, reading), quiet: quiet)
    }
}

/// A line a format, for the help.
private let formatTable = AnnotationFormat.allCases.map { format in
    let padding = String(repeating: " ", count: max(16 - format.name.count, 1))
    return "  " + format.name + padding + format.summary + (format.isWritten ? "" : " (read only)")
}.joined(separator: "\n")

struct SemanticCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "semantic",
        abstract: "Draws masks into label images: a category a pixel.",
        discussion: """
            Writes NAME.png for each image (0 is the background, 8 bits with a palette; 16 bits \
            grey for over 254 categories) and categories.csv, which says what the numbers mean. \
            The same as `mal convert --to semantic`.

              mal semantic masks.json --out labels
              mal semantic masks.json --out labels --overlap score --void-border 2
            """)

    @Argument(help: "Annotations with masks.")
    var masks: String

    @OptionGroup var reading: InputFormatOptions

    @Option(help: "Folder to write.")
    var out: String

    @Option(help: "Folder of the images, for sizes that the annotations do not give.")
    var images: String?

    @Option(help: "Winner of a pixel where masks overlap: area (the smaller mask) or score.")
    var overlap = "area"

    @Option(help: "Width in pixels of the void (255) on both sides of every edge.")
    var voidBorder = 0

    @Flag(help: "Replace an earlier output; only what mal wrote there.")
    var overwrite = false

    @Flag(name: .customLong("apply-exif"), help: "Turn images as their EXIF orientation says.")
    var appliesEXIF = false

    @Flag(name: .shortAndLong, help: "Show only warnings and errors.")
    var quiet = false

    func run() throws {
        var export = ExportSettings()
        (export.overlap, export.voidBorder, export.overwrites) = (overlap, voidBorder, overwrite)
        try convert(
            input: masks, output: out, format: "semantic", images: images,
            appliesEXIF: appliesEXIF, reading: reading, export: export, quiet: quiet)
    }
}

/// How masks are written in formats other than COCO's run lengths.
struct ExportOptions: ParsableArguments {
    @Option(
        help: "Distance in pixels that polygons may be off the outline; 0 keeps every pixel.")
    var tolerance = 0.0

    @Flag(help: "Draw polygons through the middles of pixel edges, which cuts corners.")
    var subpixel = false

    @Option(
        help: "Winner of a pixel in label images where masks overlap: area (the smaller) or score.")
    var overlap = "area"

    @Option(help: "Width in pixels of the void on both sides of edges, in voc-png and semantic.")
    var voidBorder = 0

    @Flag(help: "Copy the photographs into data sets that have a folder for them.")
    var copyImages = false

    @Flag(help: "The same without taking space: a second name for each (a hard link).")
    var linkImages = false

    func settings(overwrites: Bool, _ reading: InputFormatOptions) -> ExportSettings {
        var settings = ExportSettings()
        settings.polygonFill = reading.polygonFill
        settings.tolerance = tolerance
        settings.isSubpixel = subpixel
        (settings.copiesImages, settings.linksImages) = (copyImages, linkImages)
        settings.overlap = overlap
        settings.voidBorder = voidBorder
        settings.overwrites = overwrites
        return settings
    }
}

private func convert(
    input: String, output: String, format: String?, images: String?,
    appliesEXIF: Bool, reading: InputFormatOptions, export: ExportSettings, quiet: Bool
) throws {
    let console = ConsoleProgress(quiet: quiet)
    StopSignal.install()
    do {
        let job = try ConvertJob(
            input: input, output: output, format: format,
            imagesDirectory: images, appliesEXIF: appliesEXIF, settings: export,
            reading: reading.options, onEvent: console.handle)
        let summary = try job.run(shouldStop: { StopSignal.isRequested })
        console.finish()
        // Beside the annotations it would be in their way.
        if job.writesStandardOutput {
            console.handle(.note(summary.text))
        } else {
            try StandardStreams.show(summary.text)
        }
    } catch let error as LabelingError {
        console.finish()
        guard case .interrupted(let done, let total) = error else { throw error }
        console.handle(.warning("stopped after \(done) of \(total) images; nothing was written"))
        throw ExitCode(130)
    }
}
