import Annotations
import Foundation
import Inference
import MaskAutoLabeler
import MaskModel
import Specs
import Testing
import TestSupport
import Torch

/// The model file in `Models/`, which `label` finds by itself.
@Suite("Shipped model")
struct ShippedModelTests {
    @Test("the default model is found and says what it is")
    func isFound() throws {
        let info = try MaskCheckpoint(path: try ModelFiles.path(for: "default")).info
        #expect(info.arch == "vit-dinov2-small/14")
        #expect(info.number(.cropSize) == 224)
        #expect(info.headCount == 6)
    }

    @Test("the tiny model is found, small, and nearly of the default one's opinion")
    func tiny() async throws {
        let path = try ModelFiles.path(for: "tiny")
        let info = try MaskCheckpoint(path: path).info
        #expect(info.arch == "vit-deit-tiny/16")
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count <= 12_000_000)

        let demo = fixture("../../Demo")
        let folder = try TemporaryFolder()
        func masks(_ model: String) async throws -> [RLE] {
            let out = folder.path + "/" + model + ".json"
            let job = try LabelJob(
                specPath: nil, overrides: [],
                settings: [
                    SpecSetting("t", "device", .text("cpu")),
                    SpecSetting("t", "inference.ann_path", .text(demo + "/boxes.json")),
                    SpecSetting("t", "inference.img_dir", .text(demo + "/images")),
                    SpecSetting("t", "inference.checkpoint", .text(model)),
                    SpecSetting("t", "inference.label_dump_path", .text(out)),
                ], onEvent: { _ in })
            #expect(try await job.run(shouldStop: { false }).labelledCount == 45)
            let file = try AnnotationFile.read(path: out)
            return try file.annotations.map { annotation in
                let image = file.images[try #require(annotation.imageIndex)]
                let size = try #require(image.size)
                return try #require(try file.truth(of: annotation, imageSize: size))
            }
        }
        let pairs = zip(try await masks("tiny"), try await masks("default"))
        let overlaps = pairs.map { $0.iou(with: $1) }
        #expect(overlaps.reduce(0, +) / 45 > 0.9)
    }

    /// `dinov2_small14_features`: made from the float32 originals; the float16 file differs by up to
    /// 6.4e-3 (manifest), so the tolerance is 2e-2.
    @Test("its backbone gives the DINOv2 features at three grid sizes", arguments: [224, 196, 336])
    func features(side: Int) throws {
        let checkpoint = try MaskCheckpoint(path: try ModelFiles.path(for: "default"))
        let network = try checkpoint.network(
            .student,
            MaskNetworkConfiguration(backbone: try checkpoint.info.backboneConfiguration()),
            architecture: "vit-dinov2-small/14")
        let tensors = try tensorFixture("dinov2_small14_features.safetensors")
        let image = try #require(tensors["image_\(side)"]).to(.float32)
        let expected = try #require(tensors["feat_\(side)"]).to(.float32)
        let found = withoutGradients { network.backbone(image) }
        expectClose(found, expected, tolerance: 2e-2)
    }
}
