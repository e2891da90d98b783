import Foundation
import Labeling
import MaskModel
import TestSupport
import Testing
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
