import Annotations
import ArgumentParser
import Formats
import Inference

/// How a command reads annotations; without these it is told by their content.
struct InputFormatOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Format of the annotations: \(InputOptions.formatNames.joined(separator: ", ")). "
                + "Default: told by content and layout.", valueName: "name"))
    var format: String?

    @Option(
        help: ArgumentHelp(
            "File with the images and categories that a list of detections means.",
            valueName: "file"))
    var imagesFrom: String?

    @Option(
        help: ArgumentHelp(
            "What yolo-seg's polygons go through, written and read: centres of border pixels, as "
                + "ultralytics fills them, or edges of pixels, as pycocotools does. Default: centres.",
            valueName: "fill"))
    var polygonFill: String?

    @Flag(
        help: "Look for images in all folders below the images folder, where a name occurs once.")
    var searchNames = false

    var options: InputOptions {
        InputOptions(
            format: format, imagesFrom: imagesFrom, searchesNames: searchNames,
            polygonFill: polygonFill)
    }

    func validate() throws {
        if let polygonFill, !["edges", "centres"].contains(polygonFill) {
            throw ValidationError("--polygon-fill must be edges or centres, is \(polygonFill)")
        }
        if let format, !InputOptions.formatNames.contains(format) {
            throw ValidationError(
                "--format \(format): " + AnnotationFormat.unknown(format))
        }
    }
}
