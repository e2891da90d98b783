import Foundation
import Specs
import Testing
import TestSupport

@Suite struct SpecTextTests {
    @Test("docs/spec.md is what `mal spec markdown` prints")
    func documentation() throws {
        let root = URL(fileURLWithPath: fixture("")).deletingLastPathComponent()
            .deletingLastPathComponent()
        let path = root.appendingPathComponent("docs/spec.md").path
        #expect(
            try String(contentsOfFile: path, encoding: .utf8) == SpecText.markdown(),
            "run: mal spec markdown > docs/spec.md")
    }

    @Test("a printed spec reads back as the defaults", arguments: Spec.Command.allCases)
    func templateReadsBack(_ command: Spec.Command) throws {
        let text = SpecText.template(for: command)
        let checkpoints = command == .train ? [] : ["\(command.rawValue).checkpoint=m.pth"]
        let (spec, warnings) = try Spec.read(
            text: text, name: "t", overrides: checkpoints, command: command)
        let (standard, _) = try Spec.read(path: nil, overrides: checkpoints, command: command)
        #expect(spec == standard)
        #expect(warnings.isEmpty)
        for key in Spec.keys {
            let word = key.name.split(separator: ".").last ?? ""
            #expect(text.contains("\(word): \(key.defaultValue)\n"), "\(key.name) is missing")
        }
    }

    @Test("a printed spec says what each key means and takes")
    func templateComments() {
        let text = SpecText.template(for: .evaluate)
        #expect(
            text.contains(
                """
                evaluate:
                  # Number of GPUs. (whole number, 1 to 1024)
                  num_gpus: 1

                """))
        #expect(text.contains("\n  checkpoint: ???\n"))
        #expect(text.contains("\n# wandb.enable: true\n"))
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 100 })
    }

    @Test("the sample specs are right", arguments: Spec.Command.allCases)
    func samples(_ command: Spec.Command) throws {
        let root = URL(fileURLWithPath: fixture("")).deletingLastPathComponent()
            .deletingLastPathComponent()
        let path = root.appendingPathComponent("specs/\(command.rawValue).yaml").path
        let checkpoints = command == .train ? [] : ["\(command.rawValue).checkpoint=m.pth"]
        let (spec, warnings) = try Spec.read(
            path: path, overrides: checkpoints, command: command)
        #expect(warnings.isEmpty)
        #expect(spec.batchSize(for: command) == 4)
    }
}
