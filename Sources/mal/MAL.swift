import ArgumentParser
import CProgram
import Files
import Foundation
import Inference
import Serving
import Specs

@main
struct MAL: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mal",
        abstract: "Turns bounding boxes into instance masks (Mask Auto-Labeler).",
        version: Product.version,
        subcommands: tasks.flatMap { $0.commands })

    /// All commands, by what they are for.
    private static var tasks: [(name: String, commands: [any ParsableCommand.Type])] {
        [
            (
                "Label boxes:",
                [
                    LabelCommand.self, InferenceCommand.self, AutoLabelCommand.self,
                    MergeCommand.self, ServeCommand.self,
                ]
            ),
            (
                "Check, correct and convert:",
                [
                    ValidateCommand.self, ReportCommand.self, ReviewCommand.self,
                    ConvertCommand.self, SemanticCommand.self,
                ]
            ),
            (
                "Train and evaluate:",
                [
                    TrainCommand.self, AdaptCommand.self, EvaluateCommand.self,
                    LaunchCommand.self, CheckpointCommand.self, PruneCommand.self,
                    ExportCommand.self, SpecCommand.self,
                ]
            ),
        ]
    }

    /// `mal --help`: fits a screen of 24 lines.
    private static var help: String {
        var lines = [
            "Turns bounding boxes into instance masks. The three most common calls:",
            "  mal label photos --boxes boxes.json --out masks.json",
            "  mal review masks.json --images photos      mal train -e spec.yaml",
        ]
        for (name, commands) in tasks {
            lines.append(name)
            // auto-label is another name of inference, whose line names it.
            for command in commands where command != AutoLabelCommand.self {
                let column = command._commandName.padding(toLength: 12, withPad: " ", startingAt: 0)
                lines.append("  \(column) \(command.configuration.abstract)")
            }
        }
        lines += [
            "mal help COMMAND tells more. Exit codes: 0 done, 1 failed, 64 usage, 130 Ctrl-C."
        ]
        return lines.joined(separator: "\n")
    }

    /// ArgumentParser's own, but that what can't be printed is known.
    static func main() async {
        StandardStreams.prepare()
        program_explain_lost_memory()
        refuseNamesOfOtherEncodings()
        do {
            switch Array(CommandLine.arguments.dropFirst()) {
            case [], ["-h"], ["--help"], ["help"]: try StandardStreams.show(help)
            case ["--version"]: try StandardStreams.show(Product.parts)
            default: try await runCommand()
            }
            ThisProcess.end(.success)
        } catch {
            end(with: error)
        }
    }

    private static func runCommand() async throws {
        refuseUnknownCommands()
        var command = try parseAsRoot()
        if var waiting = command as? any AsyncParsableCommand {
            try await waiting.run()
        } else {
            try command.run()
        }
    }

    /// A word where a command should be that is none: names the nearest one.
    private static func refuseUnknownCommands() {
        var words = CommandLine.arguments.dropFirst()
        if words.first == "help" { words.removeFirst() }
        var command: any ParsableCommand.Type = MAL.self
        var path = "mal"
        while let word = words.popFirst(), !word.hasPrefix("-") {
            let known = command.configuration.subcommands
            let found = known.first {
                $0._commandName == word || $0.configuration.aliases.contains(word)
            }
            guard !known.isEmpty, word != "help" else { return }
            guard let found else {
                let near = nearestWord(to: word, among: known.map { $0._commandName })
                StandardStreams.say(
                    "Error: \(path) has no command \(word)"
                        + (near.map { "; did you mean \(path) \($0)?" }
                            ?? "; \(path) --help lists them") + "\n")
                ThisProcess.end(.validationFailure)
            }
            command = found
            path += " " + found._commandName
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
            ThisProcess.end(.validationFailure)
        }
    }

    /// Help and version come as errors too, of exit code 0.
    private static func end(with error: any Error) -> Never {
        if isWrongUsage(error) {
            StandardStreams.say("Error: \(error)\n")
            ThisProcess.end(.validationFailure)
        }
        let code = exitCode(for: error)
        let text = fullMessage(for: error)
        guard code == .success else {
            if !text.isEmpty { StandardStreams.say(text + "\n") }
            ThisProcess.end(code)
        }
        do {
            try StandardStreams.show(text)
            ThisProcess.end(.success)
        } catch {
            end(with: error)
        }
    }

    /// What ArgumentParser can't know is wrong with an option; its own errors end with 64 by themselves.
    private static func isWrongUsage(_ error: any Error) -> Bool {
        switch error {
        case LabelingError.wrongOption, ServingError.wrongOption: true
        case let error as SpecError: error.problems.contains(where: \.isOfCommandLine)
        default: false
        }
    }
}
