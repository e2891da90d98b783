import Foundation
import Inference
import MaskAutoLabeler
import Specs
import Testing
import TestSupport
import Torch
import Training

/// What a training run finds when it goes on: whole, damaged, older, or left in the middle.
@Suite("Resumed training")
struct TrainResumeTests {
    let folder: TemporaryFolder
    let scenes: SyntheticScenes

    init() throws {
        folder = try TemporaryFolder()
        scenes = try SyntheticScenes(in: folder)
    }

    var run: String { folder.path + "/run/train" }

    func spec(_ name: String = "run") throws -> String {
        try folder.file(name + ".yaml", scenes.spec(results: folder.path + "/" + name))
    }

    func job(_ overrides: [String] = [], log: TrainingLog = TrainingLog()) throws -> TrainJob {
        try TrainJob(
            specPath: try spec(), overrides: overrides, threads: 1, onEvent: log.record)
    }

    func state(_ checkpoint: String) throws -> [String: Any] {
        try json(run + "/" + checkpoint + "/state.json")
    }

    func link(_ name: String) throws -> String {
        try FileManager.default.destinationOfSymbolicLink(atPath: run + "/" + name)
    }

    @Test("One flipped bit anywhere in a checkpoint is refused, and the one before it is offered")
    func flippedBits() async throws {
        let overrides = [
            "train.checkpoint_interval=1", "train.checkpoint_interval_unit=step",
            "train.max_steps=2", "dataset.val_ann_path=null",
        ]
        _ = try await job(overrides).run()
        let (before, newest) = (
            run + "/model_epoch_000_step_00001", run + "/model_epoch_000_step_00002"
        )
        _ = try TrainingCheckpoint(path: newest)
        var random = SystemRandomNumberGenerator()
        for file in ["student", "teacher", "optimizer"].map({ $0 + ".safetensors" }) + [
            "spec.yaml", "state.json",
        ] {
            let path = newest + "/" + file
            let whole = try Data(contentsOf: URL(fileURLWithPath: path))
            // Every bit of the smallest file, which holds the others' checksums.
            let bits =
                file == "state.json"
                ? Array(0..<whole.count * 8)
                : (0..<20).map { _ in Int.random(in: 0..<whole.count * 8, using: &random) }
            for bit in bits {
                var damaged = whole
                damaged[bit / 8] ^= 1 << UInt8(bit % 8)
                try damaged.write(to: URL(fileURLWithPath: path))
                #expect(throws: LabelingError.self, "\(file), bit \(bit)") {
                    try TrainingCheckpoint(path: newest)
                }
            }
            let error = await #expect(throws: LabelingError.self) {
                try await job(overrides + ["train.max_steps=3"]).run()
            }
            let text = "\(try #require(error))"
            if !text.contains("of format") {
                #expect(text.hasPrefix("\(newest): a damaged checkpoint: \(path): "), "\(text)")
                #expect(text.hasSuffix("to go on from the checkpoint before it, \(before)"))
            }
            if file == "student.safetensors" || file == "optimizer.safetensors" {
                #expect(throws: LabelingError.self) {
                    try CheckpointReport(file: newest, listsKeys: false)
                }
            }
            try whole.write(to: URL(fileURLWithPath: path))
        }
        let report = try CheckpointReport(file: newest, listsKeys: false).text
        #expect(report.contains("checkpoint of mal train: step 2, epoch 0"))
        #expect(report.contains("checksums: all files are as they were written"))
        #expect(report.contains("threads 1"))
    }

    @Test("Other photographs and another guide under the same names are told, and need --resume")
    func otherSources() async throws {
        let guide = folder.path + "/guide.safetensors"
        func writeGuide(_ note: String) throws {
            try Safetensors.write(
                Safetensors(path: fixture("micro_vit_trained.safetensors")).tensors,
                metadata: ["num_heads": "3", "note": note], to: guide)
        }
        try writeGuide("one")
        func run(_ steps: Int, _ log: TrainingLog = TrainingLog(), resume: Bool = false)
            async throws
        {
            _ = try await TrainJob(
                specPath: try spec(),
                overrides: [
                    "train.max_steps=\(steps)", "train.guide_checkpoint=" + guide,
                    "dataset.val_ann_path=null",
                ], threads: 1, resume: resume, onEvent: log.record
            ).run()
        }
        try await run(1)
        let picture = URL(fileURLWithPath: scenes.images + "/3.png")
        let whole = try Data(contentsOf: picture)
        try FileManager.default.copyItem(
            atPath: scenes.images + "/2.png", toPath: folder.path + "/2.png")
        try Data(contentsOf: URL(fileURLWithPath: folder.path + "/2.png")).write(to: picture)
        let images = await #expect(throws: LabelingError.self) { try await run(2) }
        #expect(
            images?.description.contains("changed: the images in dataset.train_img_dir.") == true)
        // A copy is the same image.
        try whole.write(to: picture)
        try writeGuide("two")
        let other = await #expect(throws: LabelingError.self) { try await run(2) }
        #expect(
            other?.description.contains("changed: the content of train.guide_checkpoint.") == true)
        let log = TrainingLog()
        try await run(2, log, resume: true)
        #expect(
            log.texts.contains(
                "going on with another spec; changed: the content of train.guide_checkpoint"))
        try await run(3)
    }

    @Test("A checkpoint from before there were checksums is gone on from, and that is said")
    func olderFormat() async throws {
        _ = try await job(["train.max_steps=2"]).run()
        let path = run + "/model_latest/state.json"
        var state = try json(path)
        for key in ["checksum", "checksums", "environment"] { state[key] = nil }
        state["format"] = 1
        try JSONSerialization.data(withJSONObject: state).write(to: URL(fileURLWithPath: path))
        let log = TrainingLog()
        #expect(try await job(["train.max_steps=3"], log: log).run().stepCount == 3)
        #expect(
            log.texts.contains {
                $0.hasPrefix("it is from before checkpoints had checksums")
            })
        #expect(try self.state("model_latest")["format"] as? Int == 2)
    }

    @Test("Stopped inside a validation, a run validates once more, and links what is best")
    func stoppedInValidation() async throws {
        // Step 20 ends an epoch with both a checkpoint and a validation.
        var log = TrainingLog()
        await #expect(throws: LabelingError.self) {
            try await job(log: log).run(shouldStop: { log.steps.last?.step == 20 })
        }
        #expect(try state("model_latest")["step"] as? Int == 20)
        #expect(try state("model_latest")["validatedStep"] as? Int == 0)
        for _ in 0..<2 {
            log = TrainingLog()
            // A new step is begun, and the next start has the same checkpoint before it.
            await #expect(throws: LabelingError.self) {
                try await job(["train.checkpoint_interval=100"], log: log).run(shouldStop: {
                    log.steps.last?.step == 21
                })
            }
            for name in ["model_epoch_005_step_00021"] {
                try FileManager.default.removeItem(atPath: run + "/" + name)
            }
            #expect(try link("model_best") == "model_epoch_004_step_00020")
            #expect(try state("model_best")["validatedStep"] as? Int == 20)
        }
        #expect(
            !log.events.contains { if case .validation = $0 { true } else { false } })
        let text = try String(contentsOfFile: run + "/metrics.jsonl", encoding: .utf8)
        #expect(text.components(separatedBy: "val_mIoU\"").count == 2)
    }

    @Test("A run goes on with the thread count that it had; another one is told")
    func threads() throws {
        func train(_ name: String, _ more: [String]) throws -> MalRun.Outcome {
            let outcome = try MalRun.run(["train", "-e", try spec(name)] + more)
            #expect(outcome.code == 0, "\(outcome.errors)")
            return outcome
        }
        func student(_ name: String) throws -> Data {
            let path = folder.path + "/\(name)/train/model_latest/student.safetensors"
            return try Data(contentsOf: URL(fileURLWithPath: path))
        }
        _ = try train("whole", ["--threads", "3", "train.max_steps=4"])
        _ = try train("run", ["--threads", "3", "train.max_steps=2"])
        let resumed = try train("run", ["train.max_steps=4"])
        #expect(resumed.errors.contains("threads: 3, as the run had before"), "\(resumed.errors)")
        #expect(try student("whole") == student("run"))
        let other = try train("run", ["--threads", "1", "train.max_steps=5"])
        #expect(other.errors.contains("threads (was 3, is 1)"), "\(other.errors)")
        let environment = try state("model_latest")["environment"] as? [String: String]
        #expect(environment?["threads"] == "1")
        #expect(environment?["libtorch"] == Libtorch.version)
        #expect(environment?["instruction set"] == Libtorch.instructionSet)
    }
}
