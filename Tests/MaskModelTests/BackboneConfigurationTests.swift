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
            message("fan_small_12_p16_224") == """
                arch "fan_small_12_p16_224": FAN backbones are not there yet; \
                use a ViT such as vit-mae-base/16
                """)
        #expect(message("resnet50/16").hasSuffix("expected a name that contains vit"))
        #expect(message("vit-base").hasSuffix("expected a patch size of 16, 8 or 14 in it"))
        #expect(message("vit-mae/16").hasSuffix("expected tiny, small, base, large or huge in it"))
        #expect(message("vit-dinov2-huge/14").hasSuffix("DINOv2 comes as small, base and large"))
        #expect(
            message("vit-tiny/16", headCount: 5)
                == "num_heads must be a divisor of embed_dim 192, is 5")
        #expect(message("vit-tiny/16", embedDim: -1) == "embed_dim must be from 8 to 8192, is -1")
    }

    @Test("a checkpoint's keys tell its family")
    func layouts() {
        #expect(
            BackboneConfiguration.layout(of: ["pos_embed", "patch_embed.proj.0.0.weight"])
                == .convStem)
        #expect(BackboneConfiguration.layout(of: ["patch_embed.proj.weight"]) == .patchConv)
        #expect(
            BackboneConfiguration.layout(of: ["patch_embed.proj.weight", "blocks.0.ls1.gamma"])
                == .dinov2)
        #expect(BackboneConfiguration.layout(of: ["norm.weight"]) == nil)
    }

    /// Names and shapes of a network, without making its weights.
    private func shapes(_ configuration: BackboneConfiguration) -> [String: [Int]] {
        let store = ParameterStore(loading: [:])
        _ = VisionTransformer(store.root, configuration)
        return Dictionary(
            uniqueKeysWithValues: store.parameters.map { ($0.name, $0.tensor.shape) })
    }

    @Test("keys and shapes are the published ones")
    func publishedKeys() throws {
        let published = try jsonObjectFixture("state_dict_shapes.json")
        let cases: [(String, BackboneConfiguration)] = [
            ("vit_tiny16", .tiny()), ("vit_tiny8", .tiny(patch: 8)), ("vit_small16", .small()),
            ("vit_base16", .base()), ("vit_base8", .base(patch: 8)), ("vit_large16", .large()),
            ("vit_huge14", .huge()), ("convstem_vit_base16", .base(patch: 16, .convStem)),
            ("convstem_vit_huge14", .huge(patch: 14, .convStem)),
        ]
        for (name, configuration) in cases {
            var expected = try #require(published[name] as? [String: [Int]], "\(name)")
            expected = expected.filter { !MaskNetwork.isIgnored("backbone." + $0.key) }
            #expect(shapes(configuration) == expected, "\(name)")
        }
        for configuration in [BackboneConfiguration.tiny(), .small(), .base(), .large(), .huge()] {
            let heads = published["heads_in\(configuration.width)"] as? [String: [Int]]
            let store = ParameterStore(loading: [:])
            _ = MaskNetwork(store.root, .init(backbone: configuration))
            let ours = store.parameters.filter { !$0.name.hasPrefix("backbone.") }
            #expect(
                Dictionary(uniqueKeysWithValues: ours.map { ($0.name, $0.tensor.shape) }) == heads)
        }
    }
}
