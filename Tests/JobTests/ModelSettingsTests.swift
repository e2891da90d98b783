import Foundation
import Inference
import MaskAutoLabeler
import MaskModel
import Specs
import Testing
import TestSupport
import Training

/// A model file's own crop size and thresholds hold where a spec leaves them open.
@Suite("Settings of model files")
struct ModelSettingsTests {
    let folder: TemporaryFolder
    let model: String

    init() throws {
        folder = try TemporaryFolder()
        model = folder.path + "/model.safetensors"
        try CheckpointConversion.convert(
            fixture("micro_vit_trained.pth"), to: model,
            metadata: ["crop_size": "64", "mask_thres": "0.4", "num_heads": "3"], version: "test")
    }

    private func label(_ more: String, to name: String) async throws -> (Data?, [String]) {
        let spec = try folder.file(
            name + ".yaml",
            """
            device: cpu
            inference:
              ann_path: \(fixture("coco/instances.json"))
              img_dir: \(fixture("coco/images"))
              checkpoint: \(model)
              results_dir: \(folder.path)
              label_dump_path: \(name).json
            \(more)
            """)
        let log = EventLog()
        _ = try await LabelJob(
            specPath: spec, overrides: [], settings: [], onEvent: log.record
        ).run(shouldStop: { false })
        return (FileManager.default.contents(atPath: folder.path + "/\(name).json"), log.texts)
    }

    @Test(
        "a spec that leaves them open gets the model file's, with a line; another value a warning")
    func labelling() async throws {
        let (open, lines) = try await label("", to: "open")
        let (same, quiet) = try await label(
            "dataset: {crop_size: 64}\ntrain: {mask_thres: [0.4]}", to: "same")
        let (other, warnings) = try await label(
            "dataset: {crop_size: 64}\ntrain: {mask_thres: [0.1]}", to: "other")
        #expect(open != nil && open == same && open != other)
        #expect(
            lines.contains(
                "dataset.crop_size: 64, as the model file says; the spec leaves it open"))
        #expect(
            lines.contains(
                "train.mask_thres: [0.4, 0.4, 0.4], as the model file says; the spec leaves it open"
            ))
        #expect(!quiet.contains { $0.contains("model file says") })
        #expect(
            warnings.contains(
                "train.mask_thres is [0.1, 0.1, 0.1], but the model file says that it needs "
                    + "[0.4, 0.4, 0.4]"))
    }

    @Test("evaluation takes them too")
    func evaluation() async throws {
        func evaluate(_ overrides: [String], _ name: String) async throws -> [Double] {
            let settings =
                microSettings.filter { !$0.key.contains("crop_size") } + [
                    SpecSetting("test", "evaluate.checkpoint", .text(model)),
                    SpecSetting("test", "evaluate.results_dir", .text(folder.path + "/" + name)),
                ]
            return try await EvaluateJob(
                specPath: nil, overrides: overrides, settings: settings, threads: nil,
                onEvent: { _ in }
            ).run(shouldStop: { false }).kpi.map(\.value)
        }
        let open = try await evaluate([], "open")
        let same = try await evaluate(["dataset.crop_size=64", "train.mask_thres=[0.4]"], "same")
        let other = try await evaluate(["dataset.crop_size=64", "train.mask_thres=[0.9]"], "other")
        #expect("\(open)" == "\(same)" && "\(open)" != "\(other)")
    }

    @Test("results of others in the results folder stay")
    func results() throws {
        let mine = folder.path + "/results"
        try FileManager.default.createDirectory(atPath: mine, withIntermediateDirectories: true)
        _ = try folder.file("results/results.json", "mine")
        let settings =
            microSettings + [SpecSetting("test", "evaluate.results_dir", .text(mine))]
        #expect(throws: LabelingError.self) {
            try EvaluateJob(
                specPath: nil, overrides: [], settings: settings, threads: nil, onEvent: { _ in })
        }
    }
}
