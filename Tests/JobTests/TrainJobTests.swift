import Foundation
import Inference
import MaskAutoLabeler
import Specs
import Testing
import TestSupport
import Torch
import Training

@Suite("Training runs")
struct TrainJobTests {
    let folder: TemporaryFolder
    let scenes: SyntheticScenes

    init() throws {
        folder = try TemporaryFolder()
        scenes = try SyntheticScenes(in: folder)
    }

    /// A job in the run folder `name`.
    func job(
        _ name: String, _ overrides: [String] = [], resume: Bool = false,
        log: TrainingLog = TrainingLog()
    ) throws -> TrainJob {
        let spec = try folder.file(name + ".yaml", scenes.spec(results: folder.path + "/" + name))
        return try TrainJob(
            specPath: spec, overrides: overrides, threads: 1, resume: resume, onEvent: log.record)
    }

    func directory(_ name: String) -> String { folder.path + "/" + name + "/train" }

    /// Runs until `step` is done, then stops as Ctrl-C does.
    func train(_ name: String, until step: Int, _ overrides: [String] = []) async throws {
        let log = TrainingLog()
        await #expect(throws: LabelingError.self) {
            try await job(name, overrides, log: log).run(shouldStop: {
                log.steps.last?.step == step
            })
        }
        #expect(log.steps.last?.step == step)
    }

    func weights(_ name: String, _ file: String) throws -> [String: [Float]] {
        let path = directory(name) + "/model_latest/" + file
        return Dictionary(
            uniqueKeysWithValues: try Safetensors(path: path).tensors.map {
                ($0.name, $0.tensor().floats())
            })
    }

    func lines(_ name: String, without keys: Set<String> = ["seconds", "memory_mb"]) throws
        -> [String]
    {
        let text = try String(contentsOfFile: directory(name) + "/metrics.jsonl", encoding: .utf8)
        return try text.split(separator: "\n").map { line in
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            return (object ?? [:]).filter { !keys.contains($0.key) }
                .map { "\($0.key)=\($0.value)" }.sorted().joined(separator: " ")
        }
    }

    @Test("20 steps on synthetic shapes, stopped and resumed, then labelled and evaluated")
    func endToEnd() async throws {
        try await train("run", until: 7, ["train.num_epochs=5"])
        let log = TrainingLog()
        let summary = try await job("run", ["train.num_epochs=5"], log: log).run()
        #expect(summary.stepCount == 20)
        #expect(log.steps.map(\.step) == Array(8...20))
        #expect(log.texts.contains { $0.hasPrefix("resuming ") })
        let scores = log.events.compactMap {
            if case .validation(let scores) = $0 { scores } else { nil }
        }
        #expect(scores.last?.step == 20)
        #expect(scores.last?.meanIoU != nil)
        #expect(summary.best?.metric == "mIoU")

        let student = directory("run") + "/model_latest"
        let out = folder.path + "/out.json"
        let label = try LabelJob(
            specPath: nil, overrides: [],
            settings: [
                SpecSetting("t", "device", .text("cpu")),
                SpecSetting("t", "inference.ann_path", .text(scenes.boxes)),
                SpecSetting("t", "inference.img_dir", .text(scenes.images)),
                SpecSetting("t", "inference.checkpoint", .text(student)),
                SpecSetting("t", "inference.label_dump_path", .text(out)),
            ], options: .with { $0.threads = 1 },
            onEvent: { _ in })
        #expect(try await label.run(shouldStop: { false }).labelledCount == 12)

        func meanIoU(_ checkpoint: String, _ overrides: [String] = []) async throws -> Double? {
            let evaluate = try EvaluateJob(
                specPath: folder.path + "/run.yaml",
                overrides: ["evaluate.checkpoint=\(checkpoint)"] + overrides, settings: [],
                threads: 1, onEvent: { _ in })
            return try await evaluate.run(shouldStop: { false }).kpi.first?.value
        }
        #expect(try await meanIoU(student) == scores.last?.meanIoU)
        // A checkpoint folder holds the teacher in a file of its own.
        let teacher = try await meanIoU(student, ["evaluate.use_teacher_test=true"])
        #expect(try await meanIoU(student + "/teacher.safetensors") == teacher)
        #expect(teacher != scores.last?.meanIoU)
    }

    @Test("another run's network guides; not together with the prior")
    func guide() async throws {
        _ = try await job("large", ["train.max_steps=1"]).run()
        let guide = "train.guide_checkpoint=" + directory("large") + "/model_latest"
        let log = TrainingLog()
        let summary = try await job("small", [guide, "train.max_steps=2"], log: log).run()
        #expect(summary.stepCount == 2)
        // The spec has more epochs than two steps begin.
        #expect(log.steps.map(\.epochCount) == [1, 1])
        #expect(log.texts.contains { $0.hasPrefix("guide, model: ") })
        let error = #expect(throws: LabelingError.self) {
            try job("both", [guide, "train.feature_prior_steps=3"])
        }
        #expect(error?.description.contains("train.guide_checkpoint and") == true)
    }

    @Test(
        "17 steps, then resumed to 40, are 40 steps, bit for bit",
        arguments: [
            [], ["train.accum_grad_batches=2", "train.num_epochs=20"],
            [
                "train.activation_checkpoint=true", "train.clip_grad_norm=0.1",
                "train.mask_supervision=all",
            ],
        ])
    func exactResume(overrides: [String]) async throws {
        let whole = try await job("whole", overrides).run()
        #expect(whole.stepCount == 40)
        try await train("parts", until: 17, overrides)
        let parts = try await job("parts", overrides).run()
        #expect(parts.stepCount == 40)
        for file in ["student", "teacher", "optimizer"] {
            let (one, other) = (
                try weights("whole", file + ".safetensors"),
                try weights("parts", file + ".safetensors")
            )
            #expect(!one.isEmpty && one == other, "\(file) differs")
        }
        #expect(try lines("whole") == lines("parts"))
        #expect(try lines("parts").count { !$0.contains("val_") } == 40)
    }

    @Test("A run killed after a checkpoint loses and repeats no step")
    func killed() async throws {
        let overrides = [
            "train.checkpoint_interval=6", "train.checkpoint_interval_unit=step",
            "train.max_steps=20",
        ]
        _ = try await job("whole", overrides).run()
        // What a kill leaves: lines after the last checkpoint, half a line, half a checkpoint.
        _ = try await job("killed", overrides).run()
        let run = directory("killed")
        for name in try FileManager.default.contentsOfDirectory(atPath: run)
        where name.hasPrefix("model_") && name != "model_epoch_002_step_00012" {
            try FileManager.default.removeItem(atPath: run + "/" + name)
        }
        try FileManager.default.createDirectory(
            atPath: run + "/.saving-model_epoch_004_step_00018", withIntermediateDirectories: true)
        let metrics = try FileHandle(
            forWritingTo: URL(fileURLWithPath: run + "/metrics.jsonl"))
        try metrics.seekToEnd()
        try metrics.write(contentsOf: Data("{\"step\": 21, \"ep".utf8))
        try metrics.close()
        _ = try await job("killed", overrides).run()
        #expect(
            try weights("whole", "student.safetensors") == weights("killed", "student.safetensors"))
        #expect(try lines("whole") == lines("killed"))
        #expect(
            !FileManager.default.fileExists(atPath: run + "/.saving-model_epoch_004_step_00018"))
    }

    @Test("The number of loader threads changes nothing")
    func loaderThreads() async throws {
        for count in [0, 5] {
            _ = try await job(
                "run\(count)", ["train.max_steps=6", "dataset.num_workers_per_gpu=\(count)"]
            ).run()
        }
        #expect(
            try weights("run0", "student.safetensors") == weights("run5", "student.safetensors"))
    }

    @Test("The newest checkpoints and the best one are kept")
    func keepsCheckpoints() async throws {
        let summary = try await job(
            "run",
            [
                "train.keep_checkpoints=2", "train.checkpoint_interval=2",
                "train.checkpoint_interval_unit=step", "train.max_steps=11",
                "dataset.val_ann_path=null",
            ]
        ).run()
        let names = try FileManager.default.contentsOfDirectory(atPath: directory("run"))
            .filter { $0.hasPrefix("model_") }.sorted()
        #expect(names.contains("model_epoch_002_step_00010"))
        #expect(names.contains("model_epoch_002_step_00011"))
        #expect(names.contains("model_best") && names.contains("model_latest"))
        #expect(names.count { $0.hasPrefix("model_epoch_") } <= 3)
        let best = try FileManager.default.destinationOfSymbolicLink(
            atPath: directory("run") + "/model_best")
        #expect(names.contains(best))
        // A best checkpoint by loss is named, but it is not the one to label with.
        #expect(summary.best?.metric == "loss")
        #expect(summary.text.hasSuffix("--checkpoint \(summary.checkpoint)"))
        #expect(summary.checkpoint.hasSuffix("step_00011"))
    }

    @Test("Masks are learned from where asked for, told, and kept in the checkpoint's spec")
    func masks() async throws {
        let error = #expect(throws: LabelingError.self) {
            try job("run", ["train.mask_supervision=reviewed"])
        }
        #expect(
            error?.description == "\(scenes.boxes): train.mask_supervision is reviewed, but none "
                + "of the 12 boxes to train on has a mask and review.state \"accepted\"")
        let log = TrainingLog()
        let all = ["train.mask_supervision=all", "train.max_steps=2"]
        _ = try await job("run", all, log: log).run()
        #expect(log.steps.allSatisfy { $0.lossMask > 0 } && log.steps.count == 2)
        #expect(
            log.texts.contains(
                "masks: 12 of 12 boxes are learned from with their mask (train.mask_supervision all)"
            ))
        #expect(try lines("run").allSatisfy { $0.contains("loss_mask=") || $0.contains("val_") })
        await #expect(
            throws: LabelingError.specChanged(
                directory: directory("run"),
                differences: [
                    "train.mask_supervision (was all, is none)",
                    "train.loss_mask_weight (was 1.0, is 2.0)",
                ])
        ) { try await job("run", ["train.loss_mask_weight=2"]).run() }
    }

    @Test("A changed spec is named and not silently continued")
    func changedSpec() async throws {
        try await train("run", until: 2)
        await #expect(
            throws: LabelingError.specChanged(
                directory: directory("run"),
                differences: ["train.batch_size (was 3, is 4)", "train.lr (was 0.001, is 0.002)"])
        ) { try await job("run", ["train.lr=0.002", "train.batch_size=4"]).run() }
        let log = TrainingLog()
        _ = try await job(
            "run", ["train.lr=0.002", "train.max_steps=4"], resume: true, log: log
        ).run()
        #expect(log.steps.map(\.step) == [3, 4])
        #expect(
            log.texts.contains(
                "going on with another spec; changed: train.lr (was 0.001, is 0.002)"))
        // Keys that change no weights are free.
        _ = try await job("run", ["train.lr=0.002", "train.max_steps=5"], resume: true).run()
        _ = try await job(
            "run", ["train.lr=0.002", "train.max_steps=6", "train.keep_checkpoints=1"]
        ).run()
    }

    @Test("Broken images are left out and named; above one in a hundred they end the run")
    func brokenImages() async throws {
        try Data("no image".utf8).write(to: URL(fileURLWithPath: scenes.images + "/3.png"))
        let error = await #expect(throws: LabelingError.self) { try await job("run").run() }
        #expect(
            "\(try #require(error))".hasPrefix(
                "2 of 12 boxes have an image that cannot be used, more than 1 %:\n"))
    }

    @Test("Results that are read late are the same, and in the same lines")
    func lateResults() async throws {
        let overrides = ["train.num_epochs=3"]
        _ = try await job("now", overrides).run()
        // When step 7 is known step 8 has been started; stopping waits for it.
        let log = TrainingLog()
        await #expect(throws: LabelingError.self) {
            try await job("late", overrides + ["late_results=true"], log: log).run(shouldStop: {
                log.steps.last?.step == 7
            })
        }
        #expect(log.steps.map(\.step) == Array(1...8))
        _ = try await job("late", overrides + ["late_results=true"], log: log).run()
        #expect(try lines("now") == lines("late"))
        #expect(
            try weights("now", "student.safetensors") == weights("late", "student.safetensors"))
        #expect(try weights("now", "optimizer.safetensors").count > 1)
    }

    @Test("A loss that is not finite stops the run and is written aside, late or at once")
    func notFinite() async throws {
        let overrides = [
            "train.lr=1000", "train.wd=100", "train.warmup_epochs=0", "train.num_epochs=50",
        ]
        var found: [(step: Int, ids: [String])] = []
        for isLate in [false, true] {
            let error = await #expect(throws: LabelingError.self) {
                try await job("run\(isLate)", overrides + ["late_results=\(isLate)"]).run()
            }
            guard case .lossNotFinite(let step, _, let ids, let record) = try #require(error)
            else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(ids.count == 3)
            let object = try json(record)
            #expect(object["step"] as? Int == step)
            #expect((object["annotation_ids"] as? [Any])?.count == 3)
            found.append((step, ids))
        }
        #expect(found[0].step == found[1].step && found[0].ids == found[1].ids)
    }

    @Test("--dry-run counts, estimates and draws a batch, and starts nothing")
    func dryRun() async throws {
        let report = try await job("run", ["dataset.min_obj_size=1100"]).dryRun()
        #expect(report.text.contains("the area is dataset.min_obj_size or less"))
        #expect(report.text.contains("categories"))
        #expect(FileManager.default.fileExists(atPath: report.picturePath))
        #expect(!FileManager.default.fileExists(atPath: directory("run") + "/metrics.jsonl"))
    }

    @Test("TAO's sample train spec trains unchanged but for its paths and sizes")
    func sampleSpec() async throws {
        let (scale, paths) = (
            [
                "model.embed_dim=16", "model.depth=1", "model.num_heads=2", "device=cpu",
                "model.mask_head_hidden_channel=8", "model.mask_head_out_channel=8",
                "dataset.crop_size=64", "train.max_steps=2",
            ],
            [
                "dataset.train_ann_path=\(scenes.boxes)", "dataset.train_img_dir=\(scenes.images)",
                "dataset.val_ann_path=\(scenes.boxes)", "dataset.val_img_dir=\(scenes.images)",
                "dataset.min_obj_size=100", "results_dir=\(folder.path)",
            ]
        )
        let log = TrainingLog()
        let job = try TrainJob(
            specPath: fixture("specs/tao6_notebook.yaml"), overrides: scale + paths, threads: 1,
            onEvent: log.record)
        #expect(try await job.run().stepCount == 2)
        // No warm-up: 4 boxes at 1e-6 each, from the first step on.
        #expect(log.steps.first.map { abs($0.learningRate - 4e-6) < 1e-12 } == true)
    }
}
