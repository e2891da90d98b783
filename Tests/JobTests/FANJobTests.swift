import Formats
import Foundation
import Inference
import MaskAutoLabeler
import MaskModel
import Specs
import Testing
import TestSupport
import Torch
import Training

@Suite("Runs with a FAN")
struct FANJobTests {
    let folder: TemporaryFolder
    let scenes: SyntheticScenes
    /// A narrow network behind the published stem.
    static let model = [
        "model.arch=fan_tiny_8_p4_hybrid", "model.embed_dim=24", "model.depth=2",
        "model.num_heads=4", "model.vit_dpr=0", "train.num_epochs=3",
    ]

    init() throws {
        folder = try TemporaryFolder()
        scenes = try SyntheticScenes(in: folder)
    }

    private func job(
        _ name: String, _ overrides: [String] = [], log: TrainingLog = TrainingLog()
    ) throws -> TrainJob {
        let spec = try folder.file(name + ".yaml", scenes.spec(results: folder.path + "/" + name))
        return try TrainJob(
            specPath: spec, overrides: Self.model + overrides, threads: 1, onEvent: log.record)
    }

    private func latest(_ name: String) -> String { folder.path + "/\(name)/train/model_latest" }

    private func tensors(_ path: String) throws -> [String: [Float]] {
        Dictionary(
            uniqueKeysWithValues: try Safetensors(path: path).tensors.map {
                ($0.name, $0.tensor().floats())
            })
    }

    private func message(_ overrides: [String]) -> String {
        do {
            _ = try job("refused", overrides)
            return "none"
        } catch { return "\(error)" }
    }

    @Test(
        "stopped and resumed it is bit for bit the same, statistics too",
        arguments: [[], ["train.ema_buffers=true", "train.activation_checkpoint=true"]])
    func exactResume(overrides: [String]) async throws {
        _ = try await job("whole", overrides).run()
        let log = TrainingLog()
        await #expect(throws: LabelingError.self) {
            try await job("parts", overrides, log: log).run(shouldStop: {
                log.steps.last?.step == 7
            })
        }
        _ = try await job("parts", overrides).run()
        for file in ["student", "teacher", "optimizer"] {
            let one = try tensors(latest("whole") + "/\(file).safetensors")
            let other = try tensors(latest("parts") + "/\(file).safetensors")
            #expect(!one.isEmpty && one == other, "\(file) differs")
        }
        let count = "backbone.blocks.1.mlp.mlp_v.dwconv.bn.num_batches_tracked"
        let steps = try #require(log.steps.last?.stepCount)
        let averaged: Float = overrides.isEmpty ? 0 : Float(steps)
        #expect(try tensors(latest("whole") + "/student.safetensors")[count] == [Float(steps)])
        #expect(try tensors(latest("whole") + "/teacher.safetensors")[count] == [averaged])
    }

    @Test("its checkpoint labels and evaluates, and starts another run")
    func checkpoint() async throws {
        let log = TrainingLog()
        _ = try await job("run", log: log).run()
        let student = latest("run")
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
        for names in [[], Self.model.filter { $0.hasPrefix("model.") }] {
            // The spec's own model is a ViT; without it the file says what it is.
            let evaluate = try EvaluateJob(
                specPath: try folder.file(
                    "evaluate.yaml",
                    """
                    device: cpu
                    results_dir: \(folder.path)/evaluate
                    dataset: {val_ann_path: \(scenes.boxes), val_img_dir: \(scenes.images), \
                    crop_size: 32}
                    evaluate: {checkpoint: \(student)}

                    """), overrides: names, settings: [], threads: 1, onEvent: { _ in })
            let results = try await evaluate.run(shouldStop: { false })
            let scores = log.events.compactMap {
                if case .validation(let scores) = $0 { scores } else { nil }
            }
            #expect(results.kpi.first?.value == scores.last?.meanIoU)
        }
        let second = TrainingLog()
        _ = try await job(
            "second", ["train.pretrained_model_path=\(student)", "train.max_steps=1"], log: second
        ).run()
        #expect(second.texts.contains { $0.hasPrefix("weights: 1") && !$0.contains("fresh") })
    }

    @Test("trained on Pascal VOC's boxes, measured on its masks: the same as from COCO JSON")
    func otherFormats() async throws {
        for format in ["voc", "voc-png"] {
            let convert = try ConvertJob(
                input: scenes.boxes, output: folder.path + "/" + format, format: format,
                onEvent: { _ in })
            #expect(try convert.run(shouldStop: { false }).report.writtenCount == 12)
        }
        let formats = [
            "dataset.train_ann_path=\(folder.path)/voc",
            "dataset.val_ann_path=\(folder.path)/voc-png",
        ]
        var scores: [Double] = []
        for (name, overrides) in [("coco", []), ("other", formats)] {
            let log = TrainingLog()
            _ = try await job(
                name, overrides + ["train.num_epochs=1", "train.validation_interval=1"], log: log
            ).run()
            scores += log.events.compactMap {
                if case .validation(let scores) = $0 { scores.meanIoU } else { nil }
            }
        }
        #expect(scores.count == 2)
        #expect(scores.first == scores.last)
        #expect(
            try tensors(latest("coco") + "/student.safetensors")
                == tensors(latest("other") + "/student.safetensors"))
    }

    @Test("what has no effect on a FAN is said, and what it cannot do is refused")
    func settings() throws {
        let log = TrainingLog()
        _ = try job("run", ["model.frozen_stages=[0,1]", "model.vit_dpr=0.1"], log: log)
        #expect(
            log.texts.contains(
                "model.frozen_stages [0, 1] has no effect on a FAN, as in TAO: all of it is trained; "
                    + "train.backbone_lr_scale=0 keeps the whole backbone as it is"))
        #expect(log.texts.contains("model.vit_dpr has no effect on a FAN, as in TAO"))
        #expect(
            message(["train.micro_batch_size=2"])
                == "train.micro_batch_size must be 0 with model.arch fan_tiny_8_p4_hybrid, is 2: "
                + "batch norm takes its statistics from the whole batch, so parts of 3 boxes would "
                + "give other gradients. train.activation_checkpoint=true saves memory too, to the "
                + "same result")
        #expect(message(["train.micro_batch_size=3"]) == "none")
        let transformer = fixture("micro_vit_trained.pth")
        #expect(
            message(["train.pretrained_model_path=\(transformer)"]) == """
                \(transformer): does not fit the network.
                  expected: model.arch fan_tiny_8_p4_hybrid
                  found: ViT, width 48, 3 blocks, patch 16
                  the file fits model.embed_dim=48 model.depth=3 model.num_heads=… (which the file \
                does not say)
                """)
        let fan = fixture("micro_fan_init.pth")
        #expect(
            message(["model.arch=vit-tiny/8", "train.pretrained_model_path=\(fan)"])
                .contains("found: FAN with ConvNeXt stem, width 24, 2 blocks"))
    }
}
