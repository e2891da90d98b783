import Foundation
import MaskModel
import TestSupport
import Testing
import Torch

@Suite struct BackboneConfigurationTests {
    @Test("published names give their numbers, tiny and huge too")
    func names() throws {
        #expect(try BackboneConfiguration(arch: "vit-deit-tiny/16") == .tiny())
        #expect(try BackboneConfiguration(arch: "vit-deit-small/16") == .small())
        #expect(try BackboneConfiguration(arch: "vit-mae-base/16") == .base())
        #expect(try BackboneConfiguration(arch: "vit-mae-large/16") == .large())
        #expect(try BackboneConfiguration(arch: "vit-mae-huge/14") == .huge())
        #expect(try BackboneConfiguration(arch: "vit-base/8").patchSize == 8)
        #expect(try BackboneConfiguration(arch: "vit-base/8").tableSide == 28)
    }

    @Test("a name with dinov2 is that family, with its own table")
    func dinov2() throws {
        let configuration = try BackboneConfiguration(arch: "vit-dinov2-small/14")
        #expect(configuration == .small(patch: 14, .dinov2))
        #expect(configuration.tableSide == 37)
        #expect(try BackboneConfiguration(arch: "vit-dinov2-large/14").width == 1024)
    }

    @Test("FAN's names give their numbers, which are not always those in them")
    func fan() throws {
        let small = try BackboneConfiguration(arch: "fan_small_12_p4_hybrid")
        #expect(small.width == 384 && small.depth == 10 && small.headCount == 8)
        #expect(small.stem == [.init(width: 128, depth: 3), .init(width: 256, depth: 3)])
        #expect(small.tokenStride == 16)
        let tiny = try BackboneConfiguration(arch: "fan_tiny_12_p16_224")
        #expect(tiny.width == 192 && tiny.depth == 12 && tiny.headCount == 4 && tiny.stem.isEmpty)
        #expect(try BackboneConfiguration(arch: "fan_tiny_12_p16") == tiny)
        #expect(
            try BackboneConfiguration(arch: "fan_base_16_p4_hybrid_in22k_1k_384")
                == BackboneConfiguration(arch: "fan_base_16_p4_hybrid"))
        let micro = try BackboneConfiguration(
            arch: "fan_tiny_8_p4_hybrid", embedDim: 24, depth: 2, headCount: 4)
        #expect(micro.width == 24 && micro.depth == 2 && micro.headCount == 4)
    }

    /// TAO's names, and the paper's starting points (MAE, DeiT, MoCo v3) in the same style.
    @Test(
        "every name of TAO's, and of the weights that the paper starts from, is a network",
        arguments: [
            "vit-deit-tiny/16", "vit-deit-small/16", "vit-deit-base/16",
            "vit-deit-tiny-distilled/16",
            "vit-deit-small-distilled/16", "vit-deit-base-distilled/16", "vit-deit-iii-small/16",
            "vit-deit-iii-base/16", "vit-deit-iii-large/16", "vit-mae-base/16", "vit-mae-large/16",
            "vit-mae-huge/14", "vit-mocov3-small/16", "vit-mocov3-base/16", "fan_tiny_12_p16_224",
            "fan_small_12_p16_224", "fan_base_18_p16_224", "fan_large_24_p16_224",
            "fan_tiny_8_p4_hybrid", "fan_small_12_p4_hybrid", "fan_base_16_p4_hybrid",
            "fan_large_16_p4_hybrid",
        ])
    func allNames(_ arch: String) throws {
        let configuration = try BackboneConfiguration(arch: arch)
        #expect(configuration.width.isMultiple(of: configuration.headCount))
    }

    @Test("the stem's tokens are 16 pixels apart whatever the name says")
    func stem() throws {
        let configuration = try BackboneConfiguration(arch: "vit-mae-huge/14", layout: .convStem)
        #expect(configuration.tokenStride == 16)
        #expect(configuration.tableSide == 16)
    }

    @Test("numbers can be overridden")
    func overrides() throws {
        let configuration = try BackboneConfiguration(
            arch: "vit-tiny/16", embedDim: 48, depth: 3, headCount: 2)
        #expect(
            configuration
                == BackboneConfiguration(
                    layout: .patchConv, width: 48, depth: 3, headCount: 2, patchSize: 16))
    }

    @Test("names and numbers that make no network are told why")
    func refused() {
        func message(_ arch: String, embedDim: Int? = nil, headCount: Int? = nil) -> String {
            do {
                _ = try BackboneConfiguration(
                    arch: arch, embedDim: embedDim, headCount: headCount)
                return "none"
            } catch { return error.description }
        }
        #expect(
            message("fan_Xlarge_16_p4_hybrid") == """
                arch "fan_Xlarge_16_p4_hybrid": expected one of fan_tiny_12_p16_224, \
                fan_small_12_p16_224, fan_base_18_p16_224, fan_large_24_p16_224, \
                fan_tiny_8_p4_hybrid, fan_small_12_p4_hybrid, fan_base_16_p4_hybrid, \
                fan_large_16_p4_hybrid
                """)
        #expect(
            message("fan_tiny_12_p16_224", embedDim: 36, headCount: 2)
                == "embed_dim must be a multiple of 8 for this stem, is 36")
        #expect(message("resnet50/16").hasSuffix("expected a name that contains vit or fan"))
        #expect(message("vit-base").hasSuffix("expected a patch size of 16, 8 or 14 in it"))
        #expect(message("vit-mae/16").hasSuffix("expected tiny, small, base, large or huge in it"))
        #expect(message("vit-dinov2-huge/14").hasSuffix("vit-dinov2-large/14"))
        #expect(
            message("vit-tiny/16", headCount: 5)
                == "num_heads must be a divisor of embed_dim 192, is 5")
        #expect(message("vit-tiny/16", embedDim: -1) == "embed_dim must be from 8 to 8192, is -1")
    }

    /// Names and shapes of a network, without making its weights.
    private func shapes(_ configuration: BackboneConfiguration) -> [String: [Int]] {
        let store = ParameterStore(loading: [:])
        _ = Backbone(store.root, configuration)
        return Dictionary(
            uniqueKeysWithValues: store.tensors.map { ($0.name, $0.tensor.shape) })
    }

    @Test("keys and shapes are the published ones")
    func publishedKeys() throws {
        let published = try jsonObjectFixture("state_dict_shapes.json")
        let fans = try fanNames.map { ($0, try BackboneConfiguration(arch: $0)) }
        let transformers: [(String, BackboneConfiguration)] = [
            ("vit_tiny16", .tiny()), ("vit_tiny8", .tiny(patch: 8)), ("vit_small16", .small()),
            ("vit_base16", .base()), ("vit_base8", .base(patch: 8)), ("vit_large16", .large()),
            ("vit_huge14", .huge()), ("convstem_vit_base16", .base(patch: 16, .convStem)),
            ("convstem_vit_huge14", .huge(patch: 14, .convStem)),
        ]
        for (name, configuration) in transformers + fans {
            var expected = try #require(published[name] as? [String: [Int]], "\(name)")
            expected = expected.filter { !MaskNetwork.isIgnored("backbone." + $0.key) }
            #expect(shapes(configuration) == expected, "\(name)")
        }
        // As wide as ViTs are; the reference's heads for FAN-small are too wide (SPEC §4.1).
        let narrow = [fans[0].1, fans[5].1]
        for configuration in [.tiny(), .small(), .base(), .large(), .huge()] + narrow {
            let heads = published["heads_in\(configuration.width)"] as? [String: [Int]]
            let store = ParameterStore(loading: [:])
            _ = MaskNetwork(store.root, .init(backbone: configuration))
            let ours = store.tensors.filter { !$0.name.hasPrefix("backbone.") }
            #expect(
                Dictionary(uniqueKeysWithValues: ours.map { ($0.name, $0.tensor.shape) }) == heads)
        }
    }
}
