import Foundation
import Inference
import MaskAutoLabeler
import MaskModel
import Specs
import Testing
import TestSupport
import Torch
import Training

/// What a training run leaves for TAO.
extension TrainJobTests {
    @Test("status.json has TAO's line for each epoch, also without validation")
    func epochLines() async throws {
        _ = try await job(
            "run", ["train.num_epochs=3", "dataset.val_ann_path=null"]
        ).run()
        let text = try String(contentsOfFile: directory("run") + "/status.json", encoding: .utf8)
        let lines = text.split(separator: "\n").filter { $0.contains("Training loop in progress") }
        #expect(lines.count == 3)
        for (index, line) in lines.enumerated() {
            #expect(
                line.hasPrefix(
                    "{\"epoch\": \(index), \"max_epoch\": 2, \"time_per_epoch\": \"0:"))
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            #expect((object?["eta"] as? String)?.hasPrefix("0:") == true)
            #expect(object?["status"] as? String == "RUNNING")
            #expect(object?["date"] is String && object?["time"] is String)
        }
        #expect(lines[2].contains("\"eta\": \"0:00:00\""))
    }

    @Test("train.tao_checkpoints keeps mal_model_latest.pth as new as the newest checkpoint")
    func checkpointsForTAO() async throws {
        let overrides = ["train.num_epochs=2", "train.checkpoint_interval=1"]
        _ = try await job("without", overrides).run()
        _ = try await job("with", overrides + ["train.tao_checkpoints=true"]).run()
        let path = directory("with") + "/mal_model_latest.pth"
        #expect(
            !FileManager.default.fileExists(atPath: directory("without") + "/mal_model_latest.pth"))
        let file = try StoredCheckpoint(path: path)
        #expect(file.container == ["state_dict"])
        #expect(
            file.extras.map { "\($0.key): \($0.summary)" } == [
                "epoch: 1", "global_step: 8", "pytorch-lightning_version: 2.0.0", "tao_model: mal",
            ])
        let found = try MaskCheckpoint(file)
        for (name, network) in [("student", found.student), ("teacher", found.teacher)] {
            let expected = try weights("with", name + ".safetensors")
            #expect(
                network.filter { !MaskNetwork.isIgnored($0.key) }.mapValues { $0.floats() }
                    == expected)
            #expect(network["backbone.head.weight"]?.shape == [1000, 16])
        }
    }

    @Test("a checkpoint folder is converted with its teacher")
    func convertFolder() async throws {
        _ = try await job("run", ["train.max_steps=3"]).run()
        for name in ["out.safetensors", "out.pth"] {
            let output = folder.path + "/" + name
            let report = try CheckpointReport(
                converting: directory("run") + "/model_latest", to: output, heads: nil, halves: nil,
                metadata: [:])
            #expect(report.text.contains("student and teacher"))
            let found = try MaskCheckpoint(path: output)
            let teacher = found.teacher.filter { !MaskNetwork.isIgnored($0.key) }
            #expect(
                teacher.mapValues { $0.floats() } == (try weights("run", "teacher.safetensors")))
        }
    }

    @Test("a finished run that is started again says so")
    func finishedRun() async throws {
        let first = try await job("run", ["train.num_epochs=1"]).run()
        #expect(!first.wasDone)
        let log = TrainingLog()
        let again = try await job("run", ["train.num_epochs=1"], log: log).run()
        #expect(again.text.hasPrefix("done already: 4 steps done, newest checkpoint "))
        #expect(log.steps.isEmpty)
        #expect(log.texts.contains("the run is finished: all 4 steps are done"))
    }

    @Test("a run's folder to resume from names its checkpoints")
    func resumeFromRun() async throws {
        _ = try await job("run", ["train.max_steps=1"]).run()
        let path = directory("run") + "/mal_model_latest.pth"
        let error = await #expect(throws: LabelingError.self) {
            try await job("next", ["train.resume_training_checkpoint_path=\(path)"]).run()
        }
        #expect(error?.description.contains("beside it: \(directory("run"))/model_") == true)
    }

    @Test(
        "times are written as Python writes them",
        arguments: [
            (0, "0:00:00"), (1594.352468, "0:26:34.352468"), (3600.5, "1:00:00.500000"),
            (93_600, "1 day, 2:00:00"), (200_000, "2 days, 7:33:20"), (-1, "0:00:00"),
        ])
    func durations(_ seconds: Double, _ text: String) {
        #expect(pythonDuration(seconds) == text)
    }
}
