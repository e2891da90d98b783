import MaskModel
import Torch

extension Reader {
    /// `torch.save` files. Half of them are changed as bytes, half inside the zip file, which then
    /// is in order.
    static func pth(_ places: Places) throws -> Reader {
        let corpus = try places.corpus("Fuzz/Corpus", suffix: ".pth")
        let archives = corpus.compactMap { ZipFile($0) }
        let whole = Mutator(corpus)
        let inner = Mutator(
            archives.compactMap { $0.entry("data.pkl") }, words: pickleWords, isText: false)
        return Reader(
            name: "pth",
            generate: { random in
                if random.oneIn(2) { return whole(&random) }
                var archive = random.pick(archives)
                archive.change(&random, inner)
                return archive.bytes
            }, read: { input, index in try checkpoint(input, index) })
    }

    /// Safetensors files. Half of them are changed in the header only, whose length then is right.
    static func safetensors(_ places: Places) throws -> Reader {
        let corpus =
            try places.corpus("Fuzz/Corpus", suffix: ".safetensors")
            + places.corpus("Tests/Fixtures", suffix: ".safetensors")
        let parts = corpus.map { file in
            let length = file[0..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
            return (header: Array(file[8..<8 + length]), data: Array(file[(8 + length)...]))
        }
        let whole = Mutator(corpus)
        let header = Mutator(parts.map(\.header), words: safetensorsWords, isText: true)
        return Reader(
            name: "safetensors",
            generate: { random in
                if random.oneIn(2) { return whole(&random) }
                let part = random.pick(parts)
                let text = header(part.header, &random)
                let length = (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) }
                return length + text + part.data
            }, read: { input, index in try checkpoint(input, index) })
    }

    /// Reads a file, all values of its tensors, and builds the network that it is for.
    private static func checkpoint(_ input: [UInt8], _ index: Int) throws {
        let stored = try StoredCheckpoint(bytes: input, name: "input")
        for tensor in stored.tensors {
            tensor.withContiguousBytes { bytes in
                require(bytes.count == tensor.byteCount, "\(tensor.name) has \(bytes.count) bytes")
                require(bytes.reduce(0) { $0 &+ Int($1) } >= 0, "no sum")
            }
            if index % 2 == 0 { require(tensor.floats().count == tensor.count, tensor.name) }
            if index % 8 == 0 { require(tensor.tensor().shape == tensor.shape, tensor.name) }
            if index % 8 == 1 { _ = try? tensor.converted(to: .float16, file: "input") }
        }
        let checkpoint = try MaskCheckpoint(stored)
        let info = checkpoint.info
        require(info.description.utf8.count < 1 << 20, "a long description")
        let expected = ["backbone.cls_token": [1, 1, 8], "backbone.norm.weight": [8]]
        _ = try? checkpoint.pretrainedParameters(expected: expected, architecture: "small")
        guard index % 4 == 0 else { return }
        // As labelling does.
        let backbone = try info.backboneConfiguration(headCount: index % 8 == 0 ? nil : 2)
        let configuration = MaskNetworkConfiguration(
            backbone: backbone, maskHead: info.maskHeadConfiguration ?? .init())
        try configuration.validate()
        for role in [MaskCheckpoint.Role.student, .teacher] {
            _ = try? checkpoint.network(role, configuration, architecture: "its own")
        }
    }

    private static let pickleWords: [String] = [
        "(", ".", "}", "]", ")", "N", "K\u{1}", "X\u{4}\u{0}\u{0}\u{0}name", "q\u{1}", "h\u{1}",
        "t",
        "R", "Q", "b", "s", "u", "e", "a", "0", "2", "ccollections\nOrderedDict\n",
        "ctorch._utils\n_rebuild_tensor_v2\n", "ctorch\nFloatStorage\n", "ctorch\nSize\n",
        "cos\nsystem\n",
    ]

    private static let safetensorsWords = [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\"dtype\":\"F32\"", "\"dtype\":\"BF16\"", "BOOL",
        "\"shape\":[]", "\"shape\":[0]", "\"shape\":[4294967296,4294967296]", "data_offsets",
        "\"data_offsets\":[0,0]", "__metadata__", "\"__metadata__\":{}", "\\u0000", "\\ud83d",
        "\\n",
        "null", "[[", "student.", "backbone.", "blocks.0.", "blocks.1.", "embed_dim", "num_heads",
        " ",
    ]
}
