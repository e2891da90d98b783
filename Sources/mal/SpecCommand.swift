import ArgumentParser
import Specs

struct SpecCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "spec",
        abstract: "Prints a complete commented default spec.",
        discussion: "mal spec inference > spec.yaml")

    @Argument(
        help: "Command whose spec to print: train, evaluate or inference; markdown: docs/spec.md.")
    var command: Topic

    enum Topic: String, ExpressibleByArgument, CaseIterable {
        case train, evaluate, inference, markdown
    }

    func run() throws {
        let command = Spec.Command(rawValue: command.rawValue)
        try StandardStreams.show(
            command.map(SpecText.template) ?? SpecText.markdown(), terminator: "")
    }
}
