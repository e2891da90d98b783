import MaskModel
import TestSupport
import Testing
import Torch

@Suite struct PositionEmbeddingTests {
    /// A position table of a backbone that is otherwise not made.
    private func positions(_ table: Tensor, _ configuration: BackboneConfiguration)
        -> PositionEmbedding
    {
        var configuration = configuration
        configuration.width = table.size(2)
        let store = ParameterStore(loading: ["pos_embed": table])
        return PositionEmbedding(store.root, configuration)
    }

    @Test("timm's tables are resampled as timm does", arguments: [(14, 16), (16, 14), (28, 8)])
    func timm(side: Int, patch: Int) throws {
        let fixtures = try tensorFixture("pos_embed_timm.safetensors")
        let table = try #require(fixtures["src\(side)"])
        let positions = positions(table, .tiny(patch: patch))
        for (height, width) in [(4, 4), (8, 8), (10, 20), (14, 14), (16, 16), (32, 32), (37, 37)] {
            let key = "src\(side)_to_\(height)x\(width)"
            expectClose(positions(height: height, width: width), fixtures[key], key)
        }
    }

    @Test("the stem's tables are resampled with the shifted scale")
    func convStem() throws {
        let weights = try tensorFixture("convstem_micro_weights.safetensors")
        let fixtures = try tensorFixture("convstem_micro.safetensors")
        let table = try #require(weights["student.backbone.pos_embed"])
        let positions = positions(table, .tiny(patch: 16, .convStem))
        for size in [64, 128, 224, 256, 512, 592] {
            let key = "pos_embed_\(size)"
            expectClose(positions(height: size / 16, width: size / 16), fixtures[key], key)
        }
    }

    @Test("a resampled table is kept until the table is written to")
    func cache() {
        let table = Tensor.drawn([1, 197, 8]) { 1 }
        let positions = positions(table, .tiny())
        let first = positions(height: 8, width: 8)
        #expect(positions(height: 8, width: 8) === first)
        #expect(positions(height: 4, width: 4) !== first)
        positions.table.copy(from: .zeros([1, 197, 8]))
        #expect(positions(height: 8, width: 8).floats().allSatisfy { $0 == 0 })
        #expect(positions(height: 14, width: 14) === positions.table)
    }

    @Test("a table that is trained is never kept")
    func training() {
        let positions = positions(.ones([1, 197, 8]), .tiny())
        _ = positions(height: 8, width: 8)
        positions.table.requiresGradient = true
        positions(height: 8, width: 8).sum().backward()
        #expect(positions.table.gradient != nil)
    }
}
