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
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let error where isWrongUsage(error) {
            FileHandle.standardError.write(Data("Error: \(error)\n".utf8))
            exit(withError: ExitCode.validationFailure)
        } catch {
            exit(withError: error)
        }
    }

    /// What ArgumentParser can't know is wrong with an option; its own errors end with 64 by themselves.
    private static func isWrongUsage(_ error: any Error) -> Bool {
        switch error {
        case LabelingError.wrongOption: true
        case let error as SpecError: error.problems.contains(where: \.isOfCommandLine)
        default: false
        }
    }
}
