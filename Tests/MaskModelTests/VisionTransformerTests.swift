import MaskModel
import TestSupport
import Testing
import Torch

@Suite struct VisionTransformerTests {
    @Test(
        "tokens of every geometry are the reference's",
        arguments: [
            ("tiny8_c64", BackboneConfiguration.tiny(patch: 8), 1e-4),
            ("tiny14_c112", .tiny(patch: 14), 1e-4),
            ("small16_c64", .small(), 1e-4),
            ("base16_c64", .base(), 1e-4),
            // The manifest's tolerance for sums this long.
            ("large16_c64", .large(), 1e-3),
            ("huge14_c56", .huge(), 1e-3),
        ])
    func geometries(name: String, configuration: BackboneConfiguration, tolerance: Double) throws {
        let fixtures = try tensorFixture("vit_geometries.safetensors")
        let image = try #require(fixtures[name + ".image"])
        let backbone = try formulaBackbone(configuration)
        let tokens = withoutGradients { backbone.tokens(image) }
        expectClose(tokens, fixtures[name + ".feat"], tolerance: tolerance, name)
    }

    @Test("the stem's tokens are the reference's, at the table's own size too")
    func convStem() throws {
        let fixtures = try tensorFixture("convstem_micro.safetensors")
        let weights = try tensorFixture("convstem_micro_weights.safetensors")
        let network = try MaskNetwork(
            microConfiguration(.convStem), parameters: tensors(weights, below: "student."))
        for size in [64, 128] {
            let batch = try tensorFixture("batch_c\(size)_0.safetensors")
            let image = try #require(batch["image"])
            let boxes = try #require(batch["bbox"])
            let tokens = network.backbone.tokens(image)
            expectClose(tokens, fixtures["c\(size).feat"], tolerance: 1e-4, "feat \(size)")
            let logits = network(image: image, areas: areas(boxes))
            expectClose(logits, fixtures["c\(size).seg"], tolerance: 1e-4, "seg \(size)")
        }
    }

    @Test("the feature map is a view of the tokens without the class token")
    func featureMap() throws {
        let store = ParameterStore(seed: 1)
        let backbone = VisionTransformer(
            store.root,
            .init(layout: .dinov2, width: 16, depth: 2, headCount: 2, patchSize: 14))
        let image = Tensor.ones([2, 3, 28, 56])
        let map = backbone(image)
        #expect(map.shape == [2, 16, 2, 4])
        let tokens = backbone.tokens(image)
        expectClose(map.flattened(from: 2).transposed(1, 2), tokens.narrowed(1, from: 1))
    }

    @Test("with and without recording the tokens are the same")
    func inPlace() {
        let store = ParameterStore(seed: 1)
        let backbone = VisionTransformer(
            store.root,
            .init(layout: .dinov2, width: 16, depth: 3, headCount: 2, patchSize: 14))
        var generator = Generator(seed: 2)
        let image = Tensor.drawn([1, 3, 56, 56]) { generator.normal() }
        let copy = image.cloned()
        for (_, parameter) in store.parameters { parameter.requiresGradient = true }
        let recorded = backbone.tokens(image)
        let silent = withoutGradients { backbone.tokens(image) }
        #expect(recorded.requiresGradient && !silent.requiresGradient)
        expectClose(recorded.detached(), silent, tolerance: 1e-6)
        expectClose(image, copy, tolerance: 0)
        recorded.sum().backward()
        #expect(store.parameters.allSatisfy { $0.tensor.gradient != nil })
    }
}
