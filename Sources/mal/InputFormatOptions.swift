import ArgumentParser
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

    var options: InputOptions { InputOptions(format: format, imagesFrom: imagesFrom) }

    func validate() throws {
        if let format, !InputOptions.formatNames.contains(format) {
            throw ValidationError(
                "--format must be one of \(InputOptions.formatNames.joined(separator: ", ")), "
                    + "is \(format)")
        }
    }
}
