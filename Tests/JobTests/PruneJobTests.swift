import Files
import Foundation
import Inference
import MaskAutoLabeler
import MaskModel
import Specs
import TestSupport
import Testing
import Torch

@Suite("Pruning")
struct PruneJobTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    var output: String { folder.path + "/small.safetensors" }

    func job(
        _ amount: PruneJob.Amount = .share(0.5), images: String = fixture("coco/images"),
        boxes: String = fixture("coco/instances.json"), output: String? = nil,
        log: EventLog = EventLog(), _ change: (inout PruneJob.Options) -> Void = { _ in }
    ) throws -> PruneJob {
        var options = PruneJob.Options()
        options.checkpoint = fixture("micro_vit_trained.pth")
        options.threads = 1
        options.overrides = [
            "model.num_heads=3", "dataset.crop_size=64", "dataset.min_obj_size=0", "device=cpu",
        ]
        change(&options)
        return try PruneJob(
            images: images, boxes: boxes, output: output ?? self.output, amount: amount,
            options: options, onEvent: log.record)
    }

    func logits(_ path: String, heads: Int) throws -> Tensor {
        let file = try MaskCheckpoint(path: path)
        let configuration = MaskNetworkConfiguration(
            backbone: try file.info.backboneConfiguration(headCount: heads),
            maskHead: try #require(file.info.maskHeadConfiguration))
        let batch = try tensorFixture("batch_c64_0.safetensors")
        let image = try #require(batch["image"])
        let network = try file.network(.student, configuration, architecture: "test")
        return withoutGradients {
            network(
                image: image, areas: (0..<image.size(0)).map { [500, 5000, 20_000][$0 % 3] })
        }
    }

    @Test("all of a model is the same model")
    func keepsAll() async throws {
        let text = try await job(.share(1)).run(shouldStop: { false })
        #expect(text.hasPrefix(output + ": 3 of 3 heads, width 48 of 48, "))
        expectClose(
            try logits(output, heads: 3), try logits(fixture("micro_vit_trained.pth"), heads: 3),
            tolerance: 1e-4)
    }

    @Test("numbers of scores, which were fitted to the whole model, stay behind")
    func scores() async throws {
        let whole = folder.path + "/whole.safetensors"
        try Safetensors.write(
            Safetensors(path: fixture("micro_vit_trained.safetensors")).tensors,
            metadata: ["score_fit": ConfidenceModel.nearest(toArchitecture: nil).json], to: whole)
        _ = try await job(.share(1)) { $0.checkpoint = whole }.run(shouldStop: { false })
        #expect(try MaskCheckpoint(path: output).info.metadata["score_fit"] == nil)
    }

    @Test("half a model is read by all commands, and learns with the model as its guide")
    func half() async throws {
        let log = EventLog()
        let text = try await job(log: log) { $0.cropCount = 8 }.run(shouldStop: { false })
        #expect(text.contains("2 of 3 heads, width 32 of 48, mask head 16 of 32 channels"))
        let info = try MaskCheckpoint(path: output).info
        #expect(info.headCount == 2 && info.number(.cropSize) == 64)
        let progress = log.events.compactMap { event -> Int? in
            if case .progress(stage: "pruning", let done, let total, _) = event {
                return done == total ? total : nil
            }
            return nil
        }
        #expect(progress.count == 1)
        // Its own sizes are in the file: nothing needs to be said.
        let settings = microSettings.filter {
            !$0.key.hasSuffix("checkpoint") && $0.key != "model.num_heads"
        }
        let masks = folder.path + "/masks.json"
        let labelled = try await LabelJob(
            specPath: nil,
            settings: settings + [
                SpecSetting("test", "inference.checkpoint", .text(output)),
                SpecSetting("test", "inference.label_dump_path", .text(masks)),
            ], onEvent: { _ in }
        ).run(shouldStop: { false })
        #expect(labelled.labelledCount == 18)
        let measured = try await EvaluateJob(
            specPath: nil, overrides: [],
            settings: settings + [
                SpecSetting("test", "evaluate.checkpoint", .text(output)),
                SpecSetting("test", "results_dir", .text(folder.path + "/measured")),
            ], threads: 1, onEvent: { _ in }
        ).run(shouldStop: { false })
        #expect(measured.text.contains("instance mIoU"))
        _ = try await ExportJob(
            checkpoint: output, output: folder.path + "/small.onnx", onEvent: { _ in }
        ).run()
        let scenes = try SyntheticScenes(in: folder)
        let spec = try folder.file("spec.yaml", scenes.spec(results: folder.path + "/train"))
        let own = try #require(text.split(separator: "\n").last).split(separator: " ").dropFirst(3)
            .map(String.init)
        #expect(own.first == "model.arch=vit-mae-base/16")
        _ = try await TrainJob(
            specPath: spec,
            overrides: own + [
                "train.pretrained_model_path=" + output, "train.guide_checkpoint=" + output,
                "dataset.val_ann_path=null", "train.max_steps=2",
            ], threads: 1, onEvent: { _ in }
        ).run()
    }

    @Test("a time chooses the largest model that keeps it")
    func time() async throws {
        let log = EventLog()
        _ = try await job(.milliseconds(1e6), log: log) { $0.cropCount = 4 }
            .run(shouldStop: { false })
        #expect(try MaskCheckpoint(path: output).info.headCount == 3)
        #expect(log.texts.contains { $0.hasPrefix("3 of 3 heads: a box takes the network ") })
        await #expect(throws: LabelingError.self) {
            try await job(.milliseconds(1e-6)) { $0.overwrites = true }.run(shouldStop: { false })
        }
    }

    @Test("a stopped run leaves nothing; what is there is not replaced unasked")
    func stops() async throws {
        var asked = 0
        await #expect(throws: LabelingError.self) {
            try await job().run {
                asked += 1
                return asked > 12
            }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
        try Data("mine".utf8).write(to: URL(fileURLWithPath: output))
        #expect(
            throws: LabelingError.wrongUse("the output \(output) is there; --overwrite replaces it")
        ) {
            try job()
        }
        try FileManager.default.removeItem(atPath: output)
        let second = try job()
        // Another of mal's commands has the output.
        #expect(throws: FileError.self) { try job() }
        // Any other program may write it while this one is at work.
        await #expect(
            throws: LabelingError.wrongUse("the output \(output) is there; --overwrite replaces it")
        ) {
            try await second.run {
                try? Data("mine".utf8).write(to: URL(fileURLWithPath: output))
                return false
            }
        }
        #expect(try String(contentsOfFile: output, encoding: .utf8) == "mine")
    }

    private func message(
        _ amount: PruneJob.Amount = .share(0.5), images: String = fixture("coco/images"),
        boxes: String = fixture("coco/instances.json"), output: String? = nil,
        _ change: (inout PruneJob.Options) -> Void = { _ in }
    ) -> String {
        do {
            _ = try job(amount, images: images, boxes: boxes, output: output, change)
            return "none"
        } catch { return "\(error)" }
    }

    @Test("Wrong inputs are named before any work")
    func wrongInputs() async throws {
        for share in [0, -1, 1.01, .nan, .infinity] {
            #expect(message(.share(share)) == "--keep must be above 0 and at most 1, is \(share)")
        }
        #expect(message(.milliseconds(0)) == "--target-ms must be above 0, is 0.0")
        #expect(message { $0.channelCount = 33 }.hasPrefix("--channels must be 1 to 32, "))
        #expect(message { $0.cropCount = 0 } == "--crops must be 1 to 4096, is 0")
        #expect(message { $0.patchSize = 60 }.hasPrefix("--patch must be 4 to 64 pixels"))
        #expect(message(output: "small.onnx") == "small.onnx must end in .safetensors")
        let model = folder.path + "/model.safetensors"
        try Data(contentsOf: URL(fileURLWithPath: fixture("micro_vit_trained.safetensors")))
            .write(to: URL(fileURLWithPath: model))
        #expect(
            message(output: model) {
                $0.checkpoint = model
                $0.overwrites = true
            }.contains("is the input checkpoint"))
        #expect(
            message {
                $0.checkpoint = fixture("micro_fan_init.pth")
                $0.overrides.removeFirst()
            }.hasSuffix(
                "only a ViT with one patch convolution can be pruned (timm's, DINOv2); this is a "
                    + "fan"))
        #expect(
            message {
                $0.checkpoint = fixture("convstem_micro_weights.safetensors")
            }.contains("can be pruned"))
        #expect(message { $0.overrides.append("dataset.min_obj_size=100000") }.contains("no box"))
        #expect(message(boxes: folder.path + "/none.json").contains("no such file"))
    }

    @Test("Photographs that can't be read are told and left out, and none left is an error")
    func brokenImages() async throws {
        let images = folder.path + "/images"
        try FileManager.default.copyItem(atPath: fixture("coco/images"), toPath: images)
        let names = try FileManager.default.contentsOfDirectory(atPath: images).sorted()
        // One without a header, and one that ends in its middle.
        try Data("none".utf8).write(to: URL(fileURLWithPath: images + "/" + names[0]))
        let log = EventLog()
        _ = try await job(images: images, log: log).run(shouldStop: { false })
        #expect(log.texts.contains { $0.contains(names[0]) })
        for name in names {
            let path = images + "/" + name
            let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            try bytes.prefix(600).write(to: URL(fileURLWithPath: path))
        }
        await #expect(throws: LabelingError.self) {
            try await job(images: images) { $0.overwrites = true }.run(shouldStop: { false })
        }
    }

    @Test("The command prunes, and tells what is wrong with 64")
    func command() throws {
        let arguments = [
            "prune", "--images", fixture("coco/images"), "--boxes", fixture("coco/instances.json"),
            "--checkpoint", fixture("micro_vit_trained.pth"), "--out", output, "--crop-size", "64",
            "--device", "cpu", "--threads", "1", "model.num_heads=3", "dataset.min_obj_size=0",
        ]
        let done = try MalRun.run(arguments + ["--keep", "0.5", "--crops", "6"])
        #expect(done.code == 0, "\(done.errors)")
        #expect(done.output.hasPrefix(output + ": 2 of 3 heads, width 32 of 48, "))
        let info = try MalRun.run(["checkpoint", "info", output])
        #expect(info.output.contains("attention heads: 2\n"), "\(info.output)")
        for (more, text) in [
            ([], "give one of --keep and --target-ms"),
            (["--keep", "0.5", "--target-ms", "9"], "give one of --keep and --target-ms"),
            (["--keep", "1.5"], "--keep must be above 0 and at most 1, is 1.5"),
            (["--keep", "0.5", "--threads", "0"], "--threads must be 1 to 4096, is 0"),
        ] {
            let wrong = try MalRun.run(arguments + more)
            #expect(wrong.code == 64)
            #expect(wrong.errors.hasPrefix("Error: " + text), "\(wrong.errors)")
        }
        let there = try MalRun.run(arguments + ["--keep", "0.5"])
        #expect(there.code == 1 && there.errors.contains("--overwrite replaces it"))
    }
}
