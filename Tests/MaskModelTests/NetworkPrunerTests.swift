import MaskModel
import TestSupport
import Testing
import Torch

@Suite struct NetworkPrunerTests {
    /// Plain ViTs, whose heads have sizes of maps by the box or one size.
    static let networks: [MaskNetworkConfiguration] = [
        BackboneConfiguration.Layout.patchConv, .dinov2,
    ].flatMap {
        let configuration = microConfiguration($0)
        var plain = configuration
        plain.adjustsScale = false
        plain.scaleRatioBefore = 2
        return [configuration, plain]
    }

    /// Pictures with smooth shapes, which patches can tell apart.
    static func image(_ count: Int, side: Int, seed: UInt64) -> Tensor {
        var generator = Generator(seed: seed)
        let rough = Tensor.drawn([count, 3, 8, 8]) { 2 * generator.normal() }
        return interpolate(rough, height: side, width: side, .bilinear)
    }

    private func batches(patch: Int = 16) -> [PruningBatch] {
        SizeBucket.allCases.flatMap { bucket in
            (0..<2).map { part in
                let image = Self.image(4, side: 64, seed: UInt64(bucket.rawValue * 2 + part))
                return PruningBatch(
                    bucket: bucket, image: { image },
                    resized: { interpolate(image, height: 4 * patch, width: 4 * patch, .bilinear) })
            }
        }
    }

    private func pruned(
        _ configuration: MaskNetworkConfiguration, keeping share: Double, patch: Int = 16
    ) throws -> (whole: MaskNetwork, smaller: MaskNetwork) {
        let whole = try formulaNetwork(configuration, prefix: "student.")
        let target = try configuration.pruned(keeping: share, patchSize: patch)
        var calls: [(Int, Int)] = []
        let found = try NetworkPruner(
            whole, to: target, batches: batches(patch: patch),
            onBatch: { if $0 == "pruning" { calls.append(($1, $2)) } }
        ).run()
        #expect(calls.count == calls[0].1 && calls.last?.0 == calls.count)
        let parameters = try #require(found)
        return (
            whole,
            try MaskNetwork(
                target, parameters: Dictionary(uniqueKeysWithValues: parameters.map { ($0, $1) }))
        )
    }

    private let areas: [Float] = [500, 5000, 20_000]

    @Test("all of a network is the same network", arguments: networks)
    func whole(configuration: MaskNetworkConfiguration) throws {
        let (whole, same) = try pruned(configuration, keeping: 1)
        let image = Self.image(3, side: 64, seed: 9)
        let expected = whole(image: image, areas: areas)
        expectClose(same(image: image, areas: areas), expected, tolerance: 1e-4)
        // Other sizes too: the table of positions came along.
        let larger = Self.image(3, side: 96, seed: 10)
        expectClose(
            same(image: larger, areas: areas), whole(image: larger, areas: areas),
            tolerance: 1e-4)
    }

    private func correlation(_ a: Tensor, _ b: Tensor) -> Float {
        let (a, b) = (a - a.mean(), b - b.mean())
        return ((a * b).sum() / (a.squared().sum() * b.squared().sum()).sqrt()).item()
    }

    @Test("a part of a network gives nearly its logits", arguments: networks)
    func part(configuration: MaskNetworkConfiguration) throws {
        let (whole, smaller) = try pruned(configuration, keeping: 0.5)
        #expect(smaller.configuration.backbone.width == 32)
        #expect(smaller.configuration.maskHead.outputChannels == 16)
        let image = Self.image(3, side: 64, seed: 9)
        let found = smaller(image: image, areas: areas)
        let near = correlation(found, whole(image: image, areas: areas))
        // Weights at random have no directions that matter less.
        #expect(near > 0.2, "\(near)")
    }

    @Test("patches of another size are fitted to the same tokens", arguments: networks)
    func patches(configuration: MaskNetworkConfiguration) throws {
        let (whole, smaller) = try pruned(configuration, keeping: 1, patch: 8)
        #expect(smaller.configuration.backbone.layout == .patchConv)
        let image = Self.image(3, side: 64, seed: 9)
        let resized = interpolate(image, height: 32, width: 32, .bilinear)
        let near = correlation(
            smaller(image: resized, areas: areas), whole(image: image, areas: areas))
        #expect(near > 0.5, "\(near)")
    }

    @Test("features that are no numbers are told")
    func notFinite() throws {
        let whole = try formulaNetwork(microConfiguration(.patchConv), prefix: "student.")
        let target = try whole.configuration.pruned(keeping: 0.5)
        let image = Tensor.full([1, 3, 64, 64], .infinity)
        let batch = PruningBatch(bucket: .small, image: { image }, resized: { image })
        #expect(
            try NetworkPruner(whole, to: target, batches: [batch], onBatch: { _, _, _ in }).run()
                == nil)
    }

    @Test("sizes follow the share, in whole heads")
    func sizes() throws {
        let small = MaskNetworkConfiguration(backbone: .small(patch: 14, .dinov2))
        let found = try [1, 0.75, 0.5, 0.25, 0.01].map { try small.pruned(keeping: $0) }
        #expect(found.map(\.backbone.headCount) == [6, 5, 3, 2, 1])
        #expect(found.map(\.backbone.width) == [384, 320, 192, 128, 64])
        #expect(found.map(\.maskHead.hiddenChannels) == [256, 192, 128, 64, 8])
        #expect(found[0] == small)
        let tiny = try small.pruned(keeping: 0.5, patchSize: 16, channels: 96)
        #expect(tiny.backbone == .tiny())
        #expect(tiny.maskHead.outputChannels == 96)
        #expect(throws: MaskModelError.self) {
            try MaskNetworkConfiguration(
                backbone: .init(
                    layout: .patchConv, width: 16, depth: 1, headCount: 4, patchSize: 8)
            ).pruned(keeping: 0.25)
        }
        #expect(!microConfiguration(.convStem).canBePruned && !microFAN.canBePruned)
    }
}
