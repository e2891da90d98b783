import Foundation
import MaskModel
import TestSupport
import Testing
import Torch

@Suite("Pretrained weights and checkpoints")
struct PretrainedWeightsTests {
    // MARK: What a file is

    @Test("a Lightning file of the reference is recognised")
    func lightning() throws {
        let file = try MaskCheckpoint(path: fixture("micro_vit_trained.pth"))
        #expect(
            file.info.what
                == "Mask Auto-Labeler (TAO 6.25 or later, or this program), student and teacher")
        #expect(file.info.container == ["state_dict"])
        let architecture = try #require(file.info.architecture)
        #expect(architecture.layout == .patchConv)
        #expect(architecture.embedDim == 48 && architecture.depth == 3)
        #expect(architecture.patchSize == 16 && architecture.positionGrid == 14)
        #expect(file.info.arch == nil && file.info.headCount == nil)
        #expect(
            file.info.maskHead
                == .init(inChannels: 48, convolutionCount: 4, hiddenChannels: 32, outChannels: 32))
        #expect(file.student.count == 56 && file.teacher.count == 56)
        #expect(file.info.parameters.count == 112)
        #expect(file.info.description.contains("\nalso global_step: 180\n"))
        let twin = try MaskCheckpoint(path: fixture("micro_vit_trained.safetensors"))
        for (name, tensor) in twin.teacher {
            #expect(file.teacher[name]?.floats() == tensor.floats())
        }
    }

    @Test("the older generation is told by its stem")
    func convStem() throws {
        let file = try MaskCheckpoint(path: fixture("convstem_micro_weights.safetensors"))
        #expect(file.info.architecture?.layout == .convStem)
        #expect(file.info.architecture?.patchSize == 16)
        #expect(file.info.what == "Mask Auto-Labeler (TAO up to 6.0 or NVlabs), student only")
    }

    @Test(
        "every published variant is named by its shapes",
        arguments: [
            ("vit_tiny16", "vit-deit-tiny/16", 3), ("vit_tiny8", "vit-deit-tiny/8", 3),
            ("vit_small16", "vit-deit-small/16", 6), ("vit_base16", "vit-mae-base/16", 12),
            ("vit_base8", "vit-mae-base/8", 12), ("vit_large16", "vit-mae-large/16", 16),
            ("vit_huge14", "vit-mae-huge/14", 16), ("convstem_vit_base16", "vit-mae-base/16", 12),
            ("convstem_vit_huge14", "vit-mae-huge/14", 16),
        ] + zip(fanNames, [4, 8, 8, 10, 8, 8, 8, 10]).map { ($0, $0, $1) })
    func variants(_ key: String, _ arch: String, _ headCount: Int?) throws {
        let shapes = try #require(try Self.shapes()[key])
        let file = try header(shapes, prefix: "student.backbone.")
        #expect(file.info.arch == arch)
        #expect(file.info.headCount == headCount)
        #expect(file.student.count == shapes.count)
        // The same without a prefix, as the original releases have it.
        for prefix in ["", "module."] + (key.hasPrefix("fan") ? ["backbone."] : []) {
            let plain = try header(shapes, prefix: prefix)
            #expect(plain.info.arch == arch)
            #expect(Set(plain.student.keys) == Set(file.student.keys))
        }
    }

    @Test("names of no known model are said, with some of them")
    func unknown() throws {
        let file = try header(["conv1.weight": [3]], prefix: "")
        #expect(file.info.what == "tensors with names of no known model")
        #expect(file.info.parameterCount == 3)
        #expect(
            message { () throws(CheckpointError) in
                _ = try file.pretrainedParameters(expected: [:], architecture: "x")
            } == "\(file.info.file): its parameters have the names of no known model: conv1.weight")
    }

    // MARK: Renaming

    @Test(
        "Hugging Face names become ours, query, key and value one tensor",
        arguments: [
            "", "vit.", "dinov2.",
        ])
    func huggingFace(_ prefix: String) throws {
        let isDINO = prefix == "dinov2."
        var tensors = [
            tensor(prefix + "embeddings.cls_token", [1, 1, 4], 1),
            tensor(prefix + "embeddings.position_embeddings", [1, 5, 4], 2),
            tensor(prefix + "embeddings.mask_token", [1, 4], 3),
            tensor(prefix + "embeddings.patch_embeddings.projection.weight", [4, 3, 2, 2], 4),
            tensor(prefix + "embeddings.patch_embeddings.projection.bias", [4], 5),
            tensor(prefix + "layernorm.weight", [4], 6), tensor(prefix + "layernorm.bias", [4], 7),
            tensor("classifier.weight", [2, 4], 8),
        ]
        let layer = prefix + "encoder.layer.0."
        let renamed = [
            ("attention.output.dense", "attn.proj", [4, 4]),
            (isDINO ? "norm1" : "layernorm_before", "norm1", [4]),
            (isDINO ? "norm2" : "layernorm_after", "norm2", [4]),
            (isDINO ? "mlp.fc1" : "intermediate.dense", "mlp.fc1", [8, 4]),
            (isDINO ? "mlp.fc2" : "output.dense", "mlp.fc2", [4, 8]),
        ]
        for (theirs, _, shape) in renamed {
            tensors.append(tensor(layer + theirs + ".weight", shape, 9))
            tensors.append(tensor(layer + theirs + ".bias", [shape[0]], 10))
        }
        for (part, value) in [("value", 13), ("query", 11), ("key", 12)] as [(String, Float)] {
            tensors.append(tensor(layer + "attention.attention.\(part).weight", [4, 4], value))
            tensors.append(tensor(layer + "attention.attention.\(part).bias", [4], value))
        }
        if isDINO {
            tensors.append(tensor(layer + "layer_scale1.lambda1", [4], 14))
            tensors.append(tensor(layer + "layer_scale2.lambda1", [4], 15))
        }
        let file = try checkpoint(tensors)
        let block = "backbone.blocks.0."
        var expected: Set = [
            "backbone.cls_token", "backbone.pos_embed", "backbone.patch_embed.proj.weight",
            "backbone.patch_embed.proj.bias", "backbone.norm.weight", "backbone.norm.bias",
            block + "attn.qkv.weight", block + "attn.qkv.bias",
        ]
        for (_, ours, _) in renamed {
            expected.formUnion([block + ours + ".weight", block + ours + ".bias"])
        }
        if isDINO { expected.formUnion([block + "ls1.gamma", block + "ls2.gamma"]) }
        #expect(Set(file.student.keys) == expected)
        let qkv = try #require(file.student[block + "attn.qkv.weight"])
        #expect(qkv.shape == [12, 4])
        let rows = [11, 12, 13].flatMap { [Float](repeating: $0, count: 16) }
        #expect(qkv.floats() == rows)
        #expect(file.info.architecture?.layout == (isDINO ? .dinov2 : .patchConv))
        #expect(
            file.info.ignored == ["classifier.weight", prefix + "embeddings.mask_token"].sorted())
    }

    @Test("a key without its query and value is an error")
    func partialAttention() throws {
        let text = message { () throws(CheckpointError) in
            _ = try checkpoint([
                tensor("embeddings.patch_embeddings.projection.weight", [4, 3, 2, 2], 0),
                tensor("encoder.layer.0.attention.attention.key.weight", [4, 4], 0),
            ])
        }
        #expect(
            text.hasSuffix(
                ": query, key and value of blocks.0.attn.qkv.weight do not fit together: found "
                    + "encoder.layer.0.attention.attention.key.weight [4, 4]"))
    }

    // MARK: Loading

    @Test("what a MAE file lacks and has too much is what the reference says")
    func mae() throws {
        let file = try MaskCheckpoint(path: fixture("mae_like_micro.pth"))
        #expect(file.info.what == "MAE pre-training")
        let network = try MaskCheckpoint(path: fixture("micro_vit_init.pth"))
        let expected = network.student.mapValues(\.shape)
        let partial = try file.pretrainedParameters(expected: expected, architecture: "micro")
        let expectations = try #require(try Self.json("checkpoint_expectations.json")["mae_like"])
        let missing = try #require((expectations as? [String: Any])?["missing"] as? [String])
        let unexpected = try #require((expectations as? [String: Any])?["unexpected"] as? [String])
        let missingBackbone = partial.missing.compactMap {
            $0.hasPrefix("backbone.") ? String($0.dropFirst(9)) : nil
        }
        #expect(Set(missingBackbone) == Set(missing))
        #expect(Set(partial.unused) == Set(unexpected))
        #expect(partial.parameters.count == 42)
    }

    @Test("a MAL checkpoint as pretrained weights gives its student")
    func studentAsPretrained() throws {
        let file = try MaskCheckpoint(path: fixture("micro_vit_trained.pth"))
        let expected = file.student.mapValues(\.shape)
        let partial = try file.pretrainedParameters(expected: expected, architecture: "micro")
        #expect(partial.missing.isEmpty && partial.unused.isEmpty)
        let name = "roi_head.mlp1.weight"
        #expect(partial.parameters[name]?.floats() == file.student[name]?.floats())
        #expect(partial.parameters[name]?.floats() != file.teacher[name]?.floats())
    }

    @Test("strict loading lists everything that differs, and what would fit")
    func strict() throws {
        let file = try MaskCheckpoint(path: fixture("micro_vit_init.pth"))
        var backbone = try file.info.backboneConfiguration(headCount: 3)
        backbone.depth = 4
        let head = MaskHeadConfiguration(
            convolutionCount: 5, hiddenChannels: 32, outputChannels: 32)
        let text = message { () throws(CheckpointError) in
            _ = try file.network(
                .teacher, MaskNetworkConfiguration(backbone: backbone, maskHead: head),
                architecture: "vit-x")
        }
        #expect(
            text.hasPrefix(
                """
                \(file.info.file): does not fit the network.
                  expected: vit-x
                  found: ViT, width 48, 3 blocks, patch 16
                  missing (14): backbone.blocks.3.norm1.weight, 
                """))
        #expect(
            text.hasSuffix(
                """
                , and 2 more
                  the file fits model.embed_dim=48 model.depth=3 model.num_heads=… (which the \
                file does not say)
                """))
        let small = MaskHeadConfiguration(
            convolutionCount: 4, hiddenChannels: 32, outputChannels: 16)
        backbone.depth = 3
        #expect(
            message { () throws(CheckpointError) in
                _ = try file.network(
                    .student, MaskNetworkConfiguration(backbone: backbone, maskHead: small),
                    architecture: "vit-x")
            }.contains(
                "mask_head.convs.3.conv.weight (expected [16, 32, 3, 3], found [32, 32, 3, 3])"))
    }

    @Test("a pretrained file of another shape is refused, one that gives nothing too")
    func pretrainedMismatch() throws {
        let file = try MaskCheckpoint(path: fixture("mae_like_micro.pth"))
        #expect(
            message { () throws(CheckpointError) in
                _ = try file.pretrainedParameters(
                    expected: ["backbone.pos_embed": [1, 198, 48], "roi_head.mlp1.bias": [8]],
                    architecture: "vit-x")
            } == """
                \(file.info.file): does not fit the network.
                  expected: vit-x
                  found: ViT, width 48, 3 blocks, patch 16
                  wrong shape (1): backbone.pos_embed (expected [1, 198, 48], found [1, 197, 48])
                  the file fits model.embed_dim=48 model.depth=3 model.num_heads=… (which the \
                file does not say)
                """)
        #expect(
            message { () throws(CheckpointError) in
                _ = try file.pretrainedParameters(
                    expected: ["roi_head.mlp1.bias": [8]], architecture: "vit-x")
            }.contains("missing (1): roi_head.mlp1.bias"))
    }

    @Test("a number of heads that nobody says is asked for by its key")
    func headCount() throws {
        let info = try MaskCheckpoint(path: fixture("micro_vit_init.pth")).info
        #expect(try info.requiredHeadCount(override: 3) == 3)
        #expect(
            message { () throws(CheckpointError) in _ = try info.requiredHeadCount() }
                == "\(info.file): has width 48 and 3 blocks, which is none of the published "
                + "sizes, and does not say its number of attention heads; set model.num_heads")
        #expect(
            message { () throws(CheckpointError) in _ = try info.requiredHeadCount(override: 5) }
                == "\(info.file): has width 48, which 5 attention heads do not divide; "
                + "set model.num_heads")
    }

    @Test(
        "a checkpoint fills the network that its shapes ask for",
        arguments: [
            "micro_vit_trained.pth", "convstem_micro_weights.safetensors", "micro_fan_init.pth",
        ])
    func network(_ name: String) throws {
        let file = try MaskCheckpoint(path: fixture(name))
        let backbone = try file.info.backboneConfiguration(headCount: file.info.headCount ?? 3)
        let configuration = MaskNetworkConfiguration(
            backbone: backbone, maskHead: try #require(file.info.maskHeadConfiguration))
        _ = try file.network(.student, configuration, architecture: "micro")
        // A network made without the file has just these parameters.
        let fresh = ParameterStore(seed: 1)
        _ = MaskNetwork(fresh.root, configuration)
        let names = Set(fresh.tensors.map(\.name))
        #expect(names == Set(file.student.keys.filter { !MaskNetwork.isIgnored($0) }))
    }

    @Test("mutated checkpoints are recognised or refused, never trapped on")
    func mutations() throws {
        let seed = try [UInt8](
            Data(contentsOf: URL(fileURLWithPath: fixture("mae_like_micro.pth"))))
        // The pickle lies at the start; the weights behind it need no changing.
        var state: UInt64 = 7
        for _ in 0..<300 {
            var bytes = seed
            for _ in 0..<4 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes[Int(state >> 33) % 5000] = UInt8(truncatingIfNeeded: state >> 20)
            }
            guard let file = try? MaskCheckpoint(bytes: bytes, name: "f") else { continue }
            _ = file.info.description
            _ = try? file.pretrainedParameters(expected: [:], architecture: "x")
        }
    }

    // MARK: Helpers

    private func tensor(_ name: String, _ shape: [Int], _ value: Float) -> StoredTensor {
        StoredTensor(
            name: name, shape: shape,
            floats: [Float](repeating: value, count: shape.reduce(1, *)))
    }

    private func checkpoint(_ tensors: [StoredTensor]) throws(CheckpointError) -> MaskCheckpoint {
        let path = NSTemporaryDirectory() + "mal-\(UInt64.random(in: 0...UInt64.max)).safetensors"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Safetensors.write(tensors, to: path)
        return try MaskCheckpoint(path: path)
    }

    /// A checkpoint with these shapes, in a file whose zeros take no space.
    @Test(
        "names come off whatever wrappers put before them, in any order",
        arguments: [
            "module.", "_orig_mod.module.", "module._orig_mod.student.", "student.module.",
            "_forward_module._fsdp_wrapped_module.net.model.student._orig_mod.", "teacher.module.",
        ])
    func wrappers(prefix: String) throws {
        let file = try StoredCheckpoint(path: fixture("micro_vit_trained.safetensors"))
        let plain = try MaskCheckpoint(path: fixture("micro_vit_trained.safetensors"))
        let wanted = prefix.hasPrefix("teacher.") ? "teacher." : "student."
        let tensors = file.tensors.filter { $0.name.hasPrefix(wanted) }.map {
            $0.renamed(prefix + $0.name.dropFirst(wanted.count))
        }
        #expect(tensors.count == 56)
        let wrapped = try checkpoint(tensors)
        let expected = wanted == "teacher." ? plain.teacher : plain.student
        #expect(Set(wrapped.student.keys) == Set(expected.keys))
        for (name, tensor) in expected {
            #expect(wrapped.student[name]?.floats() == tensor.floats())
        }
    }

    @Test("an index of shards is the checkpoint that its files make together")
    func shards() throws {
        let file = try StoredCheckpoint(path: fixture("micro_vit_trained.safetensors"))
        let folder = NSTemporaryDirectory() + "mal-\(UInt64.random(in: 0...UInt64.max))"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var parts: [[StoredTensor]] = [[], []]
        var map: [String: String] = [:]
        for (place, tensor) in file.tensors.enumerated() {
            parts[place % 2].append(tensor)
            map[tensor.name] = "part-\(place % 2).safetensors"
        }
        for (place, part) in parts.enumerated() {
            try Safetensors.write(part, to: folder + "/part-\(place).safetensors")
        }
        let index = folder + "/model.safetensors.index.json"
        func write(_ map: [String: String]) throws {
            try JSONSerialization.data(withJSONObject: ["weight_map": map])
                .write(to: URL(fileURLWithPath: index))
        }
        try write(map)
        let whole = try MaskCheckpoint(path: index)
        let plain = try MaskCheckpoint(path: fixture("micro_vit_trained.safetensors"))
        #expect(Set(whole.teacher.keys) == Set(plain.teacher.keys))
        try write(map.merging(["x": "part-0.safetensors"]) { $1 })
        #expect("\(failure(index))".contains("part-0.safetensors holds x, which is not in it"))
        try write(["x": "../part-0.safetensors"])
        #expect("\(failure(index))".contains("expected files in the same folder"))
    }

    private func failure(_ path: String) -> String {
        do {
            return try MaskCheckpoint(path: path).info.what
        } catch {
            return "\(error)"
        }
    }

    private func header(_ shapes: [String: [Int]], prefix: String) throws -> MaskCheckpoint {
        var offset = 0
        let members = shapes.map { name, shape in
            let end = offset + shape.reduce(2, *)
            defer { offset = end }
            return #""\#(prefix + name)":{"dtype":"F16","shape":\#(shape),"#
                + #""data_offsets":[\#(offset),\#(end)]}"#
        }
        let text = "{" + members.joined(separator: ",") + "}"
        let length = withUnsafeBytes(of: UInt64(text.utf8.count).littleEndian) { Array($0) }
        let path = NSTemporaryDirectory() + "mal-\(UInt64.random(in: 0...UInt64.max)).safetensors"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data(length + text.utf8).write(to: URL(fileURLWithPath: path))
        let handle = try #require(FileHandle(forWritingAtPath: path))
        try handle.truncate(atOffset: UInt64(8 + text.utf8.count + offset))
        try handle.close()
        return try MaskCheckpoint(path: path)
    }

    private static func json(_ name: String) throws -> [String: Any] {
        let data = try Data(contentsOf: URL(fileURLWithPath: fixture(name)))
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    private static func shapes() throws -> [String: [String: [Int]]] {
        try json("state_dict_shapes.json").compactMapValues { $0 as? [String: [Int]] }
    }
}

/// What a call threw, as text; "no error" when it did not.
func message(_ body: () throws(CheckpointError) -> Void) -> String {
    do throws(CheckpointError) {
        try body()
        return "no error"
    } catch {
        return error.description
    }
}
