import ArgumentParser
import CProgram
import Foundation
import Inference
import Specs

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

    /// ArgumentParser's own, but that what can't be printed is known.
    static func main() async {
        StandardStreams.prepare()
        program_explain_lost_memory()
        refuseNamesOfOtherEncodings()
        do {
            var command = try parseAsRoot()
            if var waiting = command as? any AsyncParsableCommand {
                try await waiting.run()
            } else {
                try command.run()
            }
        } catch {
            end(with: error)
        }
    }

    /// Swift would read, or write, a file of another name.
    private static func refuseNamesOfOtherEncodings() {
        for place in 0..<Int(CommandLine.argc) {
            guard let argument = CommandLine.unsafeArgv[place],
                String(validatingCString: argument) == nil
            else { continue }
            StandardStreams.say(
                "Error: \(String(cString: argument)): names must be UTF-8, these bytes are not\n")
            Foundation.exit(ExitCode.validationFailure.rawValue)
        }
    }

    /// Help and version come as errors too, of exit code 0.
    private static func end(with error: any Error) -> Never {
        if isWrongUsage(error) {
            StandardStreams.say("Error: \(error)\n")
            Foundation.exit(ExitCode.validationFailure.rawValue)
        }
        let code = exitCode(for: error)
        let text = fullMessage(for: error)
        guard code == .success else {
            if !text.isEmpty { StandardStreams.say(text + "\n") }
            Foundation.exit(code.rawValue)
        }
        do {
            try StandardStreams.show(text)
            Foundation.exit(0)
        } catch {
            end(with: error)
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
