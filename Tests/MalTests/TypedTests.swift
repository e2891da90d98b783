import Foundation
import TestSupport
import Testing

/// The command line as people type it.
extension CommandLineTests {
    @Test("--help fits a screen of 24 lines and 80 columns")
    func screen() throws {
        let texts = try [["--help"], ["-h"], ["help"], []].map { try mal($0).output }
        let lines = texts[0].split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        #expect(lines.count <= 24)
        #expect(lines.allSatisfy { $0.count <= 80 })
        #expect(texts.allSatisfy { $0 == texts[0] })
    }

    @Test("--version names mal, libtorch and the devices")
    func version() throws {
        let result = try mal("--version")
        #expect(result.code == 0)
        let lines = result.output.split(separator: "\n")
        #expect(try lines.first?.wholeMatch(of: Regex(#"mal \d+\.\d+\.\d+"#)) != nil)
        #expect(
            try lines.dropFirst().first?.wholeMatch(of: Regex(#"libtorch \d+\.\d+\.\d+.*"#)) != nil)
        #expect(lines.last?.hasPrefix("devices: cpu") == true)
        #expect(lines.count == 3)
    }

    @Test(
        "a mistyped command names the nearest one",
        arguments: [
            ("lable", "mal has no command lable; did you mean mal label?"),
            ("trian -e x", "mal has no command trian; did you mean mal train?"),
            ("help lable", "mal has no command lable; did you mean mal label?"),
            (
                "auto-lable generate -e x",
                "mal has no command auto-lable; did you mean mal auto-label?"
            ),
            (
                "checkpoint inof x",
                "mal checkpoint has no command inof; did you mean mal checkpoint info?"
            ),
            ("photosynthesis", "mal has no command photosynthesis; mal --help lists them"),
        ])
    func mistyped(_ line: String, _ message: String) throws {
        let result = try mal(line.split(separator: " ").map(String.init))
        #expect(result.code == 64)
        #expect(result.output.isEmpty)
        #expect(result.errors == "Error: \(message)\n")
    }

    @Test("a mistyped model lists those that come with mal")
    func mistypedModel() throws {
        let result = try mal(
            "label", "photos", "--boxes", "b.json", "--out", "o.json", "--checkpoint", "defualt")
        #expect(result.code == 64)
        #expect(
            result.errors.hasPrefix(
                "Error: --checkpoint defualt: no such file; the models that come with mal are "
                    + "default, tiny\n"))
        let info = try mal("checkpoint", "info", "tniy")
        #expect(info.code == 1)
        #expect(info.errors.contains("default, tiny"))
    }

    @Test("a missing checkpoint, or a whole run's folder, names the checkpoints that are there")
    func missingCheckpoint() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let checkpoint = folder + "/run/train/model_best"
        try FileManager.default.createDirectory(
            atPath: checkpoint, withIntermediateDirectories: true)
        try FileManager.default.copyItem(
            atPath: fixture("micro_vit_trained.safetensors"),
            toPath: checkpoint + "/student.safetensors")
        let missing = try mal("checkpoint", "info", "run/train/mal_model_latest.pth", in: folder)
        #expect(missing.code == 1)
        #expect(
            missing.errors == "Error: run/train/mal_model_latest.pth: no such file; beside it: "
                + "run/train/model_best\n")
        let whole = try mal("checkpoint", "info", "run", in: folder)
        #expect(whole.code == 1)
        #expect(
            whole.errors
                == "Error: run: the folder of a run; its checkpoints: run/train/model_best\n")
        #expect(try mal("checkpoint", "info", "run/train/model_best", in: folder).code == 0)
    }

    @Test("shell completions know the commands", arguments: ["bash", "zsh", "fish"])
    func completions(_ shell: String) throws {
        let result = try mal("--generate-completion-script", shell)
        #expect(result.code == 0)
        #expect(result.output.contains("auto-label") && result.output.contains("evaluate"))
    }

    @Test("every option and argument has a help text that begins with a word")
    func optionTexts() throws {
        let dump = try mal("--experimental-dump-help")
        let tool = try JSONSerialization.jsonObject(with: Data(dump.output.utf8)) as? [String: Any]
        var commands = [try #require(tool?["command"] as? [String: Any])]
        var count = 0
        while let command = commands.popLast() {
            commands += command["subcommands"] as? [[String: Any]] ?? []
            guard command["commandName"] as? String != "help" else { continue }
            for argument in command["arguments"] as? [[String: Any]] ?? [] {
                let text = argument["abstract"] as? String ?? ""
                let name = "\(command["commandName"] ?? "") \(argument["valueName"] ?? "")"
                #expect(text.first?.isUppercase == true, "\(name): \(text)")
                #expect(text.hasSuffix("."), "\(name): \(text)")
                count += 1
            }
        }
        #expect(count > 100)
    }

    @Test("TAO's command line is taken as it is spelled, and status.json tells how it went")
    func fromTAO() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try """
        autolabel_type: mal
        gpu_ids: [0]
        batch_size: 8
        mal:
          checkpoint: \(fixture("micro_vit_trained.pth"))
          dataset: {crop_size: 64}
          model: {num_heads: 3}
          inference:
            ann_path: \(fixture("coco/instances.json"))
            img_dir: \(fixture("coco/images"))
            label_dump_path: masks.json
        """.write(toFile: folder + "/spec.yaml", atomically: true, encoding: .utf8)
        for (index, command) in [["auto_label", "generate"], ["inference"]].enumerated() {
            let result = try mal(
                command + ["-e", "spec.yaml", "-r", "out\(index)", "-k", "KEY", "--gpus", "1"],
                in: folder)
            #expect(result.code == 0, "\(result.errors)")
            let told = "warning: -k has no effect: mal neither encrypts nor decrypts models"
            #expect(result.errors.components(separatedBy: told).count == 2)
            #expect(!result.errors.contains("old spelling"))
            let status = try String(
                contentsOfFile: folder + "/out\(index)/inference/status.json", encoding: .utf8)
            let lines = status.split(separator: "\n")
            #expect(lines.count == 2)
            #expect(lines[0].contains(#""status": "STARTED""#))
            #expect(lines[0].contains(#""message": "Starting MAL inference.""#))
            #expect(lines[1].contains(#""status": "SUCCESS""#))
        }
        let wrong = try mal("inference", "-e", "spec.yaml", "--gpus", "0", in: folder)
        #expect(wrong.code == 64)
        #expect(wrong.errors.contains("Error: --gpus: must be 1 or more, is 0"))
    }

    @Test("checkpoint convert writes TAO's .pth, which holds no metadata")
    func convertForTAO() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let model = fixture("micro_vit_trained.pth")
        let ours = try mal(
            "checkpoint", "convert", model, "a.safetensors", "--metadata", "crop_size=64",
            in: folder)
        #expect(ours.code == 0, "\(ours.errors)")
        let theirs = try mal("checkpoint", "convert", "a.safetensors", "b.pth", in: folder)
        #expect(theirs.code == 0, "\(theirs.errors)")
        #expect(
            theirs.output.contains("format: PyTorch zip (torch.save) (in state_dict)\nwhat: Mask"))
        #expect(
            theirs.output.hasSuffix(
                "for the spec, as a .pth holds no metadata: dataset.crop_size 64\n"))
        let wrong = try mal(
            "checkpoint", "convert", model, "c.pth", "--metadata", "crop_size=64", in: folder)
        #expect(wrong.code == 64)
        #expect(
            wrong.errors.hasPrefix("Error: --metadata goes into .safetensors; a .pth holds none"))
    }
}
