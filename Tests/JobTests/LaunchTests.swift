import Foundation
import Glibc
import Specs
import Testing
import TestSupport
import Torch
import Training

/// Real processes: `mal launch` on loopback, with tiny networks.
@Suite("Runs of several processes")
struct LaunchTests {
    let folder: TemporaryFolder
    let scenes: SyntheticScenes

    init() throws {
        folder = try TemporaryFolder()
        scenes = try SyntheticScenes(in: folder)
    }

    static let common = [
        "model.vit_dpr=0", "train.num_epochs=2", "train.checkpoint_interval=1",
        "train.validation_interval=1", "rank_timeout=5",
    ]

    /// `mal train` in the run folder `name`, as the spec's batch size on each of `processes`.
    func train(
        _ name: String, processes: Int, batch: Int, _ overrides: [String] = [], code: Int32 = 0
    ) throws -> MalRun.Outcome {
        let spec = try folder.file(name + ".yaml", scenes.spec(results: folder.path + "/" + name))
        let command =
            ["train", "-e", spec, "--threads", "1", "train.batch_size=\(batch)"] + Self.common
            + overrides
        let outcome = try MalRun.run(
            (processes > 1 ? ["launch", "--processes", "\(processes)", "--"] : []) + command)
        #expect(outcome.code == code, "\(outcome.errors)")
        return outcome
    }

    func weights(_ name: String, _ file: String) throws -> [String: [Float]] {
        let path = folder.path + "/\(name)/train/model_latest/\(file).safetensors"
        return Dictionary(
            uniqueKeysWithValues: try Safetensors(path: path).tensors.map {
                ($0.name, $0.tensor().floats())
            })
    }

    /// - Parameter validates: with the lines of validations; a run in parts has one more.
    func losses(_ name: String, validates: Bool) throws -> [[String: Double]] {
        let path = folder.path + "/\(name)/train/metrics.jsonl"
        return try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
            let line = try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
            return (line ?? [:]).compactMapValues { $0 as? Double }
                .filter { !["seconds", "memory_mb"].contains($0.key) }
        }.filter { validates || $0["loss"] != nil }
    }

    func expectEqual(
        _ one: String, _ other: String, within tolerance: Float = 2e-5, validates: Bool = true,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        for file in ["student", "teacher"] {
            let (a, b) = (try weights(one, file), try weights(other, file))
            #expect(!a.isEmpty && a.keys == b.keys, sourceLocation: sourceLocation)
            let worst = a.map { name, values in
                zip(values, b[name] ?? []).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
            }.max()
            #expect(
                try #require(worst) <= tolerance, "\(file) differs by \(worst ?? 0)",
                sourceLocation: sourceLocation)
        }
        let (a, b) = (
            try losses(one, validates: validates), try losses(other, validates: validates)
        )
        #expect(!a.isEmpty && a.count == b.count, sourceLocation: sourceLocation)
        for (x, y) in zip(a, b) {
            #expect(x.keys == y.keys, sourceLocation: sourceLocation)
            for (key, value) in x {
                #expect(
                    abs(value - (y[key] ?? .nan)) <= 1e-4, "\(key) at step \(x["step"] ?? -1)",
                    sourceLocation: sourceLocation)
            }
        }
    }

    @Test("2 ranks are 1 with twice the batch, also where the epoch does not divide; one story")
    func equality() throws {
        // 12 samples in batches of 10: the second batch of an epoch has 2.
        let masks = ["train.mask_supervision=all"]
        let one = try train("one", processes: 1, batch: 10, masks)
        let two = try train("two", processes: 2, batch: 5, masks)
        try expectEqual("one", "two")
        #expect(!two.errors.contains("[rank 1]"), "\(two.errors)")
        #expect(
            two.output.components(separatedBy: "\n").count
                == one.output.components(separatedBy: "\n").count)
        let status = try String(
            contentsOfFile: folder.path + "/two/train/status.json", encoding: .utf8)
        #expect(status.components(separatedBy: "\"STARTED\"").count == 2)
        #expect(status.components(separatedBy: "\"SUCCESS\"").count == 2)
        let files = try FileManager.default.contentsOfDirectory(
            atPath: folder.path + "/two/train")
        #expect(files.count { $0.hasPrefix("events.out.tfevents") } == 1)
    }

    @Test("Sums within the backward pass are those after it, and bfloat16 ones are near")
    func overlapAndTransport() throws {
        _ = try train("after", processes: 2, batch: 3)
        _ = try train("within", processes: 2, batch: 3, ["train.gradient_overlap=true"])
        try expectEqual("after", "within", within: 0)
        // AdamW moves a weight by up to the learning rate (6e-3) a step, whatever its gradient's size.
        let coarse = ["train.gradient_transport=bf16"]
        _ = try train("coarse", processes: 2, batch: 3, coarse)
        try expectEqual("after", "coarse", within: 3e-3)
        let (exact, rounded) = (
            try weights("after", "student"), try weights("coarse", "student")
        )
        #expect(exact != rounded)
    }

    @Test("An error that all have is not told by each")
    func commonError() throws {
        let missing = ["dataset.train_img_dir=\(folder.path)/missing"]
        let outcome = try train("common", processes: 4, batch: 3, missing, code: 1)
        let lines = outcome.errors.components(separatedBy: "\n").filter {
            $0.contains("Error: dataset.train_img_dir")
        }
        #expect(!lines.isEmpty && lines.count <= 2, "\(outcome.errors)")
    }

    @Test("NCCL is for GPUs, and says so", .enabled(if: !Device.cudaIsAvailable))
    func collectivesWithoutGPU() throws {
        let outcome = try train(
            "nccl", processes: 2, batch: 3, ["train.collectives=nccl"], code: 1)
        #expect(
            outcome.errors.contains("train.collectives: nccl cannot be used"), "\(outcome.errors)")
        #expect(!outcome.errors.contains("died"), "\(outcome.errors)")
    }

    @Test("Sums by NCCL are those over host memory", .enabled(if: Device.cudaCount > 1))
    func collectives() throws {
        let onGPUs = ["--device", "cuda", "train.precision=fp32"]
        _ = try train("gloo", processes: 2, batch: 3, onGPUs)
        let further = [
            "train.collectives=nccl", "train.gradient_overlap=true", "strategy=zero1",
        ]
        _ = try train("nccl", processes: 2, batch: 3, onGPUs + further)
        try expectEqual("gloo", "nccl")
    }

    @Test(
        "zero1 with accumulation is the same, and its checkpoint goes on on another number of ranks"
    )
    func shardedAndResumed() throws {
        let accumulation = ["train.accum_grad_batches=2"]
        _ = try train("one", processes: 1, batch: 4, accumulation)
        let sharded = try train(
            "zero", processes: 2, batch: 2, accumulation + ["strategy=fsdp", "train.max_steps=1"])
        #expect(sharded.errors.contains("fsdp is taken as zero1"))
        // In the middle of an epoch, with the same batch over all ranks.
        _ = try train("zero", processes: 1, batch: 4, accumulation + ["--resume"])
        try expectEqual("one", "zero", validates: false)
        let (a, b) = (try weights("one", "optimizer"), try weights("zero", "optimizer"))
        #expect(!a.isEmpty && a.keys == b.keys)
    }

    @Test("A rank that is killed ends the run with its name; restarted, it ends as if nothing was")
    func killed() throws {
        _ = try train("whole", processes: 2, batch: 2, ["train.num_epochs=3"])
        let spec = try folder.file(
            "killed.yaml", scenes.spec(results: folder.path + "/killed"))
        let arguments =
            ["train", "-e", spec, "--threads", "1", "train.batch_size=2"] + Self.common
            + ["train.num_epochs=3"]
        let run = try MalRun.start(
            ["launch", "--processes", "2", "--max-restarts", "1", "--"] + arguments)
        let checkpoint = folder.path + "/killed/train/model_epoch_000_step_00003"
        try run.wait(until: "the first checkpoint") {
            FileManager.default.fileExists(atPath: checkpoint)
        }
        try run.killRank(1)
        let outcome = run.finish()
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(outcome.errors.contains("rank 1 was ended by signal 9"), "\(outcome.errors)")
        #expect(outcome.errors.contains("starting over with 2 processes"))
        try expectEqual("whole", "killed", within: 0)
    }

    @Test("A rank that hangs ends the run in time on all ranks, and is named")
    func stopped() throws {
        let spec = try folder.file(
            "stopped.yaml", scenes.spec(results: folder.path + "/stopped"))
        let run = try MalRun.start(
            ["launch", "--processes", "2", "--", "train", "-e", spec, "--threads", "1"]
                + Self.common + ["train.num_epochs=100000", "rank_timeout=2"])
        let metrics = folder.path + "/stopped/train/metrics.jsonl"
        try run.wait(until: "the first steps") {
            (try? String(contentsOfFile: metrics, encoding: .utf8).count) ?? 0 > 2000
        }
        // What ps and top show.
        #expect(try run.commands(ofRank: 1) == ["mal", "mal"])
        let start = ContinuousClock.now
        try run.killRank(1, with: SIGSTOP)
        let outcome = run.finish()
        #expect(outcome.code == 1)
        #expect(
            outcome.errors.contains("rank 1 gave no sign of life for 2 s"), "\(outcome.errors)")
        #expect(ContinuousClock.now - start < .seconds(40))
    }
}
