import Foundation
import MaskModel
import TestSupport
import Testing
import Torch

@Suite("Checkpoint conversion")
struct PretrainedConversionTests {
    @Test("a .pth becomes a safetensors with the same networks and their sizes")
    func convert() throws {
        try inFolder { folder in
            let output = folder + "/a.safetensors"
            let info = try CheckpointConversion.convert(
                fixture("micro_vit_trained.pth"), to: output,
                metadata: ["crop_size": "64", "num_heads": "3", "categories": "[\"cat\"]"],
                version: "0.1.0")
            #expect(
                info.metadata == [
                    "categories": "[\"cat\"]", "crop_size": "64", "depth": "3", "embed_dim": "48",
                    "layout": "patch-conv", "mal_version": "0.1.0",
                    "mask_head_hidden_channel": "32", "mask_head_num_convs": "4",
                    "mask_head_out_channel": "32", "num_heads": "3", "patch_size": "16",
                ])
            #expect(info.headCount == 3 && info.hasTeacher)
            let source = try MaskCheckpoint(path: fixture("micro_vit_trained.safetensors"))
            let result = try MaskCheckpoint(path: output)
            // All but the classifier, which nothing uses.
            #expect(result.student.count == 54 && result.teacher.count == 54)
            for (name, tensor) in result.student {
                #expect(tensor.floats() == source.student[name]?.floats())
            }
            // Converting again keeps everything that was said.
            let again = try CheckpointConversion.convert(
                output, to: folder + "/b.safetensors", elementType: .float16, version: "0.2.0")
            #expect(again.metadata["crop_size"] == "64" && again.metadata["num_heads"] == "3")
            #expect(again.metadata["mal_version"] == "0.2.0")
            #expect(again.parameters.allSatisfy { $0.elementType == .float16 })
            #expect(again.parameterCount == info.parameterCount)
        }
    }

    @Test(
        "TAO's .pth has the names and shapes of a file by TAO itself",
        arguments: ["micro_vit_trained", "micro_fan_init"])
    func convertForTAO(_ name: String) throws {
        try inFolder { folder in
            let source = fixture(name + ".pth")
            let ours = folder + "/a.safetensors"
            try CheckpointConversion.convert(source, to: ours, version: "1")
            let path = folder + "/b.pth"
            let info = try CheckpointConversion.convert(ours, to: path, version: "1")
            #expect(info.format == .torch && info.container == ["state_dict"] && info.hasTeacher)
            let expected = try StoredCheckpoint(path: source)
            let found = try StoredCheckpoint(path: path)
            #expect(Set(found.tensors.map(\.name)) == Set(expected.tensors.map(\.name)))
            let tensors = Dictionary(uniqueKeysWithValues: found.tensors.map { ($0.name, $0) })
            for tensor in expected.tensors {
                let copy = try #require(tensors[tensor.name])
                // The classifier, which nothing uses, is zeros for TAO's 1000 classes.
                guard !tensor.name.contains(".head.") else {
                    #expect(copy.shape == [1000] + tensor.shape.dropFirst())
                    #expect(copy.floats().allSatisfy { $0 == 0 })
                    continue
                }
                #expect(copy.shape == tensor.shape && copy.elementType == tensor.elementType)
                #expect(copy.floats() == tensor.floats())
            }
        }
    }

    @Test("a student alone stands for its teacher in TAO's .pth")
    func studentForTAO() throws {
        try inFolder { folder in
            let (backbone, heads) = try Self.parts(in: folder)
            let path = folder + "/a.pth"
            try CheckpointConversion.convert(
                backbone, to: path, heads: heads, elementType: .float16, version: "1")
            let found = try MaskCheckpoint(path: path)
            #expect(found.student.count == found.teacher.count)
            for (name, tensor) in found.student {
                #expect(tensor.floats() == found.teacher[name]?.floats())
            }
            let names = Set(found.info.parameters.map(\.name))
            #expect(
                names
                    == Set(
                        try StoredCheckpoint(path: fixture("micro_vit_init.pth")).tensors.map(
                            \.name)))
        }
    }

    @Test("a FAN keeps its running statistics, its counters whole in half precision too")
    func fan() throws {
        try inFolder { folder in
            let source = try MaskCheckpoint(path: fixture("micro_fan_init.pth"))
            #expect(
                source.info.what == "Mask Auto-Labeler with a FAN backbone, student and teacher")
            #expect(source.info.headCount == 4)
            #expect(source.info.architecture?.stem.map(\.width) == [16, 32])
            #expect(
                source.info.architecture?.summary
                    == "FAN with ConvNeXt stem, width 24, 2 blocks")
            let info = try CheckpointConversion.convert(
                fixture("micro_fan_init.pth"), to: folder + "/a.safetensors",
                elementType: .float16, metadata: ["crop_size": "64"], version: "1")
            #expect(info.metadata["layout"] == "fan" && info.metadata["num_heads"] == "4")
            let result = try MaskCheckpoint(path: folder + "/a.safetensors")
            #expect(Set(result.student.keys).count == source.student.count - 2)
            let norm = "backbone.blocks.0.mlp.mlp_v.dwconv.bn."
            #expect(result.student[norm + "running_var"]?.elementType == .float16)
            #expect(result.student[norm + "num_batches_tracked"]?.elementType == .int64)
            let configuration = MaskNetworkConfiguration(
                backbone: try result.info.backboneConfiguration(),
                maskHead: try #require(result.info.maskHeadConfiguration))
            #expect(configuration == microFAN)
            _ = try result.network(.teacher, configuration, architecture: "micro")
        }
    }

    @Test("a backbone and heads become one checkpoint")
    func merge() throws {
        try inFolder { folder in
            let (backbone, heads) = try Self.parts(in: folder)
            let info = try CheckpointConversion.convert(
                backbone, to: folder + "/c.safetensors", heads: heads, elementType: .float16,
                metadata: ["num_heads": "3"], version: "1")
            #expect(info.what.hasSuffix("student only"))
            #expect(info.metadata["about"] == "heads" && info.metadata["source"] == "backbone")
            let whole = try MaskCheckpoint(path: fixture("micro_vit_init.pth"))
            let merged = try MaskCheckpoint(path: folder + "/c.safetensors")
            #expect(merged.student.count == 54)
            let name = "mask_head.convs.3.conv.weight"
            #expect(
                merged.student[name]?.floats()
                    == whole.student[name]?.floats().map { Float(Float16($0)) })
            // The backbone alone keeps its published names.
            let alone = try CheckpointConversion.convert(
                backbone, to: folder + "/d.safetensors", version: "1")
            #expect(alone.what == "vision transformer (timm names)")
        }
    }

    @Test("conversions that cannot be are refused")
    func refused() throws {
        try inFolder { folder in
            let (backbone, heads) = try Self.parts(in: folder)
            let whole = fixture("micro_vit_init.pth")
            let out = folder + "/x.safetensors"
            func refusal(
                _ input: String, _ output: String? = nil, heads: String? = nil,
                metadata: [String: String] = [:]
            ) -> String {
                message { () throws(CheckpointError) in
                    try CheckpointConversion.convert(
                        input, to: output ?? out, heads: heads, metadata: metadata, version: "1")
                }
            }
            #expect(
                refusal(whole, "x.bin")
                    == "x.bin: must end in .safetensors, or in .pth for TAO")
            #expect(
                refusal(backbone, folder + "/x.pth")
                    == "\(backbone): has no heads, which TAO's .pth has; give them with --heads")
            #expect(
                refusal(heads)
                    == "\(heads): has no backbone (Mask Auto-Labeler heads without a backbone); "
                    + "name the backbone's file first and this one as the heads")
            #expect(
                refusal(whole, heads: heads)
                    == "\(whole): has heads of its own, so none are added from \(heads)")
            #expect(
                refusal(backbone, heads: backbone)
                    == "\(backbone): has no roi_head and mask_head; it is: vision transformer "
                    + "(timm names)")
            #expect(
                refusal(whole, metadata: ["embed_dim": "64"])
                    == "\(out): metadata embed_dim must be 48 as stored, is 64")
            #expect(
                refusal(whole, metadata: ["crop_size": "60"])
                    == "\(out): metadata crop_size must be a multiple of 16, is 60")
            #expect(
                refusal(whole, metadata: ["num_heads": "5"])
                    == "\(out): metadata num_heads must divide the width 48, is 5")
            #expect(
                refusal(whole, metadata: ["depth": "-3"])
                    == "\(out): metadata depth must be a whole number, 1 or more, is -3")
            #expect(!FileManager.default.fileExists(atPath: out))
        }
    }

    /// The micro network as a backbone file and a heads file.
    private static func parts(in folder: String) throws -> (backbone: String, heads: String) {
        let whole = try MaskCheckpoint(path: fixture("micro_vit_init.pth"))
        let backbone = whole.student.filter { $0.key.hasPrefix("backbone.") }
            .map { $1.renamed(String($0.dropFirst("backbone.".count))) }
        let heads = whole.student.filter { !$0.key.hasPrefix("backbone.") }
            .map { $1.renamed("student." + $0) }
        let paths = (folder + "/backbone.safetensors", folder + "/heads.safetensors")
        try Safetensors.write(backbone, metadata: ["source": "backbone"], to: paths.0)
        try Safetensors.write(heads, metadata: ["about": "heads"], to: paths.1)
        return paths
    }

    private func inFolder(_ body: (String) throws -> Void) throws {
        let folder = NSTemporaryDirectory() + "mal-\(UInt64.random(in: 0...UInt64.max))"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }
}
