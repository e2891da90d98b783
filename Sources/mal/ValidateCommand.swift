import ArgumentParser
import MaskAutoLabeler

struct ValidateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Checks annotations, and their images, before any network time.",
        discussion: """
            Prints every finding with file, line or record, field, what was expected and what was \
            found. Exit code 1 when there is an error or a box that can't be labelled.

            Formats, told by content and layout: COCO, LVIS, Objects365 and YouTube-VIS JSON; a list \
            of detections; a CSV table with a header (image, x, y, w, h, label); a file or folder of \
            Pascal VOC XML, KITTI label_2 or LabelMe JSON; a YOLO data.yaml, labels folder or file.

              mal validate boxes.json --images photos
              mal validate VOC2012 --images VOC2012/JPEGImages
              mal validate data.yaml --images yolo/images/train
              mal validate detections.json --images-from instances.json
            """)

    @Argument(help: "Annotations: a file or a folder.")
    var boxes: String

    @Option(help: "Folder of its images: each one's header is read and its size compared.")
    var images: String?

    @OptionGroup var input: InputFormatOptions

    @Option(help: "Number of findings to print.")
    var limit = 100

    @Option(help: "Refuse images with more pixels than this.")
    var maxPixels = 200_000_000

    @Flag(name: .customLong("apply-exif"), help: "Turn images as their EXIF orientation says.")
    var appliesEXIF = false

    func validate() throws {
        try checkMaxPixels(maxPixels)
        guard limit >= 0 else { throw ValidationError("--limit must be 0 or more, is \(limit)") }
    }

    func run() throws {
        let console = ConsoleProgress()
        let report = try ValidationReport(
            boxesPath: boxes, imagesDirectory: images, maxPixels: maxPixels,
            appliesEXIF: appliesEXIF, limit: limit, input: input.options,
            onEvent: console.handle)
        console.finish()
        try StandardStreams.show(report.text)
        if report.findingCount > 0 { throw ExitCode(1) }
    }
}
