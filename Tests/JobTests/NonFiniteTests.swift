import Annotations
import Files
import Foundation
import Inference
import MaskAutoLabeler
import MaskModel
import Specs
import Testing
import TestSupport
import Torch
import Training

@Suite("Weights and masks that are none")
struct NonFiniteTests {
    /// The small reference model with other values in some of its tensors.
    func model(
        _ folder: TemporaryFolder, metadata: [String: String] = [:],
        _ change: (String, inout [Float]) -> Void
    ) throws -> String {
        let tensors = try Safetensors(path: fixture("micro_vit_trained.safetensors")).tensors
        let path = folder.path + "/model.safetensors"
        try Safetensors.write(
            tensors.map { tensor in
                var values = tensor.floats()
                change(tensor.name, &values)
                return StoredTensor(name: tensor.name, shape: tensor.shape, floats: values)
            }, metadata: metadata, to: path)
        return path
    }

    func label(
        _ folder: TemporaryFolder, checkpoint: String? = nil, style: OutputStyle = .lossless,
        overrides: [String] = []
    ) async throws -> LabelSummary {
        var settings = microSettings
        settings.append(
            SpecSetting("test", "inference.label_dump_path", .text(folder.path + "/out.json")))
        if let checkpoint {
            settings.append(SpecSetting("test", "inference.checkpoint", .text(checkpoint)))
        }
        let job = try LabelJob(
            specPath: nil, overrides: overrides, settings: settings,
            options: .with { $0.style = style }, onEvent: { _ in })
        return try await job.run(shouldStop: { false })
    }

    @Test("A model file with a weight that is no number is refused by the weight's name")
    func nanWeight() async throws {
        let folder = try TemporaryFolder()
        let name = "student.backbone.patch_embed.proj.weight"
        let path = try model(folder) { if $0 == name { $1[7] = .nan } }
        let error = await #expect(throws: CheckpointError.self) {
            _ = try await label(folder, checkpoint: path)
        }
        #expect(error?.kind == .damaged)
        #expect(error?.description.contains(" values are NaN or infinite") == true)
        #expect(error?.description.contains("patch_embed.proj.weight: 1 of 36864") == true)
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/out.json"))
        let report = try CheckpointReport(file: path, listsKeys: false).text
        #expect(report.contains("\nnot finite: \(name): 1 of 36864 values"))
        #expect(throws: CheckpointError.self) {
            try CheckpointReport(
                converting: path, to: folder.path + "/c.safetensors", heads: nil, halves: nil,
                metadata: [:])
        }
    }

    @Test("Only the network that is used must be whole")
    func teacherAlone() async throws {
        let folder = try TemporaryFolder()
        let path = try model(folder) { if $0.hasPrefix("teacher.") { $1[0] = .infinity } }
        #expect(try await label(folder, checkpoint: path).labelledCount == 18)
    }

    @Test("Finite weights whose output is not end the run with the annotations' ids")
    func overflow() async throws {
        let folder = try TemporaryFolder()
        let path = try model(folder) {
            if $0.hasPrefix("student.roi_head.") { $1 = $1.map { _ in 3e38 } }
        }
        let error = await #expect(throws: LabelingError.self) {
            _ = try await label(folder, checkpoint: path)
        }
        guard case .outputNotFinite(let ids) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(!ids.isEmpty)
        #expect(error?.description.contains(ids[0]) == true)
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/out.json"))
    }

    @Test("A crop size in a model file that nobody can have is refused")
    func absurdCropSize() async throws {
        let folder = try TemporaryFolder()
        let path = try model(folder, metadata: ["crop_size": "\(Int.max)"]) { _, _ in }
        var settings = microSettings.filter { $0.key != "dataset.crop_size" }
        settings += [
            SpecSetting("test", "inference.label_dump_path", .text(folder.path + "/out.json")),
            SpecSetting("test", "inference.checkpoint", .text(path)),
        ]
        #expect(throws: MaskModelError.self) {
            try LabelJob(
                specPath: nil, overrides: [], settings: settings,
                onEvent: { _ in })
        }
    }

    @Test("An empty mask is none: listed with its reason, without a score")
    func emptyMasks() async throws {
        let folder = try TemporaryFolder()
        let summary = try await label(folder, overrides: ["train.mask_thres=[1]"])
        #expect(summary.labelledCount == 0 && summary.emptyCount == 18)
        #expect(summary.unlabelled.count == 18 && summary.meanScore == nil)
        #expect(summary.text(outputPath: "o").contains("18 boxes have no mask (18 came out empty)"))
        let file = try AnnotationFile.read(path: folder.path + "/out.json")
        #expect(file.annotations.allSatisfy { file.number("score", of: $0) == nil })
        let lines = try String(
            contentsOfFile: folder.path + "/out.json.unlabelled.jsonl", encoding: .utf8
        ).split(separator: "\n")
        #expect(lines.count == 18 && lines.allSatisfy { $0.contains("the mask is empty: ") })
    }

    @Test("TAO's own output keeps empty masks, which are counted all the same")
    func emptyTAOMasks() async throws {
        let folder = try TemporaryFolder()
        let summary = try await label(
            folder, style: .tao, overrides: ["train.mask_thres=[1]"])
        #expect(summary.labelledCount == 0 && summary.emptyCount > 0)
        let file = try AnnotationFile.read(path: folder.path + "/out.json")
        #expect(file.annotations.count == summary.emptyCount)
    }

    @Test(
        "An image that changes before its overlay is drawn is drawn without masks of another size")
    func changedImage() async throws {
        let folder = try TemporaryFolder()
        let images = folder.path + "/images"
        try FileManager.default.copyItem(atPath: fixture("coco/images"), toPath: images)
        let small = try Data(contentsOf: URL(fileURLWithPath: fixture("coco/images/b.jpg")))
        let settings =
            microSettings + [
                SpecSetting("test", "inference.label_dump_path", .text(folder.path + "/out.json")),
                SpecSetting("test", "inference.img_dir", .text(images)),
            ]
        let job = try LabelJob(
            specPath: nil, overrides: [], settings: settings,
            options: .with { $0.overlaysDirectory = folder.path + "/look" },
            onEvent: { event in
                guard case .note(let text) = event, text.hasPrefix("writing ") else { return }
                for name in (try? FileManager.default.contentsOfDirectory(atPath: images)) ?? [] {
                    try? small.write(to: URL(fileURLWithPath: images + "/" + name))
                }
            })
        let summary = try await job.run(shouldStop: { false })
        #expect(summary.labelledCount == 18 && summary.overlayCount > 0)
    }
}
