import ArgumentParser
import Foundation
import Labeling

@main
struct MAL: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mal",
        abstract: "Turns bounding boxes into instance masks (Mask Auto-Labeler).",
        discussion: """
            A vision transformer looks at the crop around each box and gives the object's mask. \
            Boxes come in COCO's, YOLO's, VOC's and other formats; masks go out as COCO JSON.

              mal label photos --boxes boxes.json --out masks.json --overlays look
              mal validate boxes.json --images photos
              mal convert masks.json dataset --to yolo-seg
              mal train -e spec.yaml
              mal evaluate -e spec.yaml

            Results go to standard output, progress and messages to standard error. Exit codes: \
            0 done, 1 failed, 64 wrong usage, 130 stopped by Ctrl-C (the same command continues).
            """,
        version: Product.version,
        subcommands: [
            LabelCommand.self, TrainCommand.self, EvaluateCommand.self, InferenceCommand.self,
            AutoLabelCommand.self, LaunchCommand.self, MergeCommand.self, ConvertCommand.self,
            SemanticCommand.self, ReportCommand.self, ValidateCommand.self,
            CheckpointCommand.self, SpecCommand.self,
        ])

    static func main() async {
        for place in 0..<Int(CommandLine.argc) {
            guard let argument = CommandLine.unsafeArgv[place],
                String(validatingCString: argument) == nil
            else { continue }
            // Swift would read, or write, a file of another name.
            let text = String(cString: argument)
            FileHandle.standardError.write(
                Data("Error: \(text): names must be UTF-8, these bytes are not\n".utf8))
            Foundation.exit(64)
        }
        await main(nil)
    }
}
