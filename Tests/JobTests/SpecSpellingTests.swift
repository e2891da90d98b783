import Specs
import Testing
import TestSupport

@Suite struct SpecSpellingTests {
    @Test("TAO 6's notebook spec is read without a warning")
    func notebook() throws {
        let (spec, warnings) = try Spec.read(
            path: fixture("specs/tao6_notebook.yaml"), command: .train, environment: [:])
        #expect(warnings.isEmpty)
        #expect(spec.resultsDir == "/results")
        #expect(spec.train.batchSize == 4)
        #expect(spec.train.warmupEpochCount == 0)
        #expect(spec.train.learningRate == 1e-6)
        #expect(spec.inference.imageDir == "/data/raw-data/val2017/")
        #expect(spec.inference.checkpoint == nil)
    }

    @Test("TAO 4's spelling is read, with a line about each old key")
    func tao4() throws {
        let path = fixture("specs/tao4.yaml")
        let (spec, warnings) = try Spec.read(path: path, command: .inference)
        #expect(spec.inference.gpus.ids == [0, 1])
        #expect(spec.inference.gpus.count == 2)
        #expect(spec.inference.checkpoint == "/models/mal.pth")
        #expect(spec.train.checkpointInterval == 5)
        #expect(spec.train.validationInterval == 2)
        #expect(spec.strategy == .ddpSharded)
        #expect(spec.labelPath == "/dataset/sample_output.json")
        #expect(
            warnings == [
                "\(path) line 1: gpus is an old spelling, read as train.gpu_ids, train.num_gpus, "
                    + "evaluate.gpu_ids, evaluate.num_gpus, inference.gpu_ids, inference.num_gpus",
                "\(path) line 3: num_nodes is an old spelling, read as train.num_nodes, "
                    + "evaluate.num_nodes, inference.num_nodes",
                "\(path) line 4: checkpoint is an old spelling, read as evaluate.checkpoint, "
                    + "inference.checkpoint",
                "\(path) line 21: train.save_every_k_epoch is an old spelling, read as "
                    + "train.checkpoint_interval",
                "\(path) line 22: train.val_interval is an old spelling, read as "
                    + "train.validation_interval",
            ])
    }

    @Test("an auto-label spec is read through its wrapper")
    func autoLabel() throws {
        let (spec, warnings) = try Spec.read(
            path: fixture("specs/auto_label.yaml"),
            overrides: ["mal.inference.label_dump_path=/out.json", "num_workers=3"],
            command: .inference)
        #expect(spec.inference.batchSize == 8)
        #expect(spec.dataset.workerCountPerGPU == 3)
        #expect(spec.dataset.cropSize == 256)
        #expect(spec.inference.checkpoint == "/models/mal.pth")
        #expect(spec.labelPath == "/out.json")
        // The keys beside `mal:` are an auto-label spec's own, not old spellings.
        #expect(
            warnings == [
                "\(fixture("specs/auto_label.yaml")) line 14: grounding_dino is not used, ignored"
            ])
        #expect(throws: problem("t line 1", "autolabel_type must be mal, is \"grounding_dino\"")) {
            try Spec.read(
                text: "autolabel_type: grounding_dino", name: "t", command: .train)
        }
    }

    @Test("the present spelling wins over the old one beside it")
    func bothSpellings() throws {
        let text =
            "checkpoint: old.pth\nevaluate:\n  checkpoint: new.pth\ninference:\n  checkpoint: x"
        let (spec, warnings) = try Spec.read(text: text, name: "t", command: .evaluate)
        #expect(spec.evaluate.checkpoint == "new.pth")
        #expect(
            warnings == [
                "t line 1: checkpoint is an old spelling, ignored beside evaluate.checkpoint, "
                    + "inference.checkpoint"
            ])
    }

    @Test("a number of GPUs that contradicts their list is told")
    func gpuCount() throws {
        let text = "train:\n  num_gpus: 3\n  gpu_ids: [1, 2]"
        let (spec, warnings) = try Spec.read(text: text, name: "t", command: .train)
        #expect(spec.train.gpus.deviceIDs == [1, 2])
        #expect(
            warnings == ["t: train.num_gpus is 3, but train.gpu_ids has 2 entries: using gpu_ids"])
    }
}
