import Exporting
import Foundation
import MaskModel
import TestSupport
import Testing
import Torch

@Suite struct ONNXFileTests {
    /// A small network of each kind.
    static let networks: [MaskNetworkConfiguration] = {
        let convolutionalFAN = MaskNetworkConfiguration(
            backbone: .init(layout: .fan, width: 24, depth: 2, headCount: 4, patchSize: 16),
            maskHead: .init(hiddenChannels: 32, outputChannels: 32))
        let all =
            [.patchConv, .convStem, .dinov2].map(microConfiguration)
            + [microFAN, convolutionalFAN]
        return all
            + all.map {
                var plain = $0
                plain.adjustsScale = false
                return plain
            }
    }()

    private func parameters(
        _ configuration: MaskNetworkConfiguration
    ) -> [(name: String, tensor: Tensor)] {
        let store = ParameterStore(seed: 3)
        _ = MaskNetwork(store.root, configuration)
        return store.tensors
    }

    private func file(
        _ configuration: MaskNetworkConfiguration, _ settings: ONNXSettings = .init(cropSize: 64)
    ) throws -> ONNXFile {
        try ONNXFile(
            configuration, parameters: parameters(configuration), metadata: ["num_heads": "3"],
            version: "1", settings)
    }

    private func bytes(_ file: ONNXFile) throws -> [UInt8] {
        let path = NSTemporaryDirectory() + UUID().uuidString + ".onnx"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let count = try file.write(to: path)
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        #expect(bytes.count == count)
        return bytes
    }

    @Test("what is written reads back to the same weights", arguments: networks)
    func readsBack(configuration: MaskNetworkConfiguration) throws {
        let stored = try StoredCheckpoint(bytes: bytes(file(configuration)), name: "a.onnx")
        #expect(stored.format == .onnx)
        #expect(stored.metadata == ["num_heads": "3"])
        let expected = parameters(configuration)
        #expect(Set(stored.tensors.map(\.name)) == Set(expected.map { "student." + $0.name }))
        let found = Dictionary(uniqueKeysWithValues: stored.tensors.map { ($0.name, $0) })
        for (name, tensor) in expected {
            let read = try #require(found["student." + name]).tensor()
            #expect(read.dtype == tensor.dtype, "\(name)")
            expectClose(read, tensor, tolerance: 0, name)
        }
        let checkpoint = try MaskCheckpoint(stored)
        #expect(checkpoint.info.hasHeads && checkpoint.info.hasBackbone)
        _ = try checkpoint.network(.student, configuration, architecture: "micro")
    }

    @Test(
        "the same network gives the same bytes; float16 takes half", arguments: networks.prefix(5))
    func deterministic(configuration: MaskNetworkConfiguration) throws {
        let first = try bytes(file(configuration))
        #expect(try first == bytes(file(configuration)))
        var settings = ONNXSettings(cropSize: 64)
        settings.precision = .fp16
        let half = try bytes(file(configuration, settings))
        #expect(half.count < first.count * 3 / 4)
        let stored = try StoredCheckpoint(bytes: half, name: "half.onnx")
        let factor = stored.tensors.first { $0.name == "student.roi_head.mlp1.weight" }
        #expect(factor?.elementType == .float16)
        let norm = stored.tensors.first { $0.name == "student.backbone.norm.weight" }
        #expect(norm?.elementType == .float32)
    }

    @Test("inputs, output and operators are those of docs/export.md")
    func interface() throws {
        let network = microConfiguration(.patchConv)
        #expect(
            try file(network).signature
                == "image (N, 3, 64, 64) float, area (N) float -> logits (N, 1, 16, 16) float")
        var settings = ONNXSettings(cropSize: 96)
        settings.image = .uint8
        #expect(
            try file(Self.networks[5], settings).signature
                == "image (N, 3, 96, 96) uint8, area (N) float -> logits (N, 1, 48, 48) float")
        let page = try String(
            contentsOfFile: fixture("../../docs/export.md"), encoding: .utf8)
        for network in Self.networks {
            for name in try file(network, settings).operators {
                #expect(page.contains("`\(name)`"), "\(name)")
            }
        }
    }

    @Test("int8 rounds the layers that were seen, and is not read back", arguments: networks)
    func int8(configuration: MaskNetworkConfiguration) throws {
        let parameters = parameters(configuration)
        let recorder = InputRecorder()
        let network = try MaskNetwork(
            configuration,
            parameters: Dictionary(uniqueKeysWithValues: parameters.map { ($0.name, $0.tensor) }),
            recorder: recorder)
        var generator = Generator(seed: 4)
        let image = Tensor.drawn([3, 3, 64, 64]) { generator.normal() }
        withoutGradients { _ = network(image: image, areas: [500, 5000, 50_000]) }
        var settings = ONNXSettings(cropSize: 64)
        settings.precision = .int8
        let file = try ONNXFile(
            configuration, parameters: parameters, recorder: recorder,
            metadata: ["precision": "int8"], version: "1", settings)
        #expect(file.int8Count > 5)
        #expect(file.operators.isSuperset(of: ["QuantizeLinear", "DequantizeLinear"]))
        let bytes = try bytes(file)
        let full = try self.bytes(self.file(configuration))
        #expect(bytes.count < full.count * 3 / 4)
        #expect(
            throws: CheckpointError(
                file: "a.onnx", kind: .unsupported,
                message: "is a model in int8, whose weights were rounded; take the one that it was "
                    + "exported from")
        ) { try StoredCheckpoint(bytes: bytes, name: "a.onnx") }
    }

    @Test("crops that don't fit and weights that float16 can't hold are refused")
    func refused() throws {
        let network = microConfiguration(.patchConv)
        #expect(throws: MaskModelError.invalidCropSize(100, rule: "a multiple of 16")) {
            try file(network, .init(cropSize: 100))
        }
        var large = parameters(network)
        let place = try #require(large.firstIndex { $0.name == "roi_head.mlp1.bias" })
        large[place].tensor = .full(large[place].tensor.shape, 70_000)
        var settings = ONNXSettings(cropSize: 64)
        settings.precision = .fp16
        #expect(throws: ExportError.notHalf("roi_head.mlp1.bias", 70_000)) {
            try ONNXFile(
                network, parameters: large, metadata: [:], version: "1", settings)
        }
    }

    @Test("files of other programs, cut and changed ones are refused or read, and never trap")
    func broken() throws {
        let name = "x.onnx"
        // ir_version 8, producer_name "pytorch"
        let foreign: [UInt8] = [8, 8, 0x12, 7] + Array("pytorch".utf8)
        #expect(
            throws: CheckpointError(
                file: name, kind: .unsupported,
                message: "is an ONNX file of another program (pytorch); of ONNX only what `mal "
                    + "export` wrote is read")
        ) { try StoredCheckpoint(bytes: foreign, name: name) }
        // ir_version 8, a graph of one byte.
        #expect(
            throws: CheckpointError(
                file: name, kind: .unsupported,
                message: "is an ONNX file of another program; of ONNX only what `mal export` wrote "
                    + "is read")
        ) { try StoredCheckpoint(bytes: [8, 8, 0x3A, 2, 0x12, 0], name: name) }
        let empty: [UInt8] = [8, 8, 0x12, 3] + Array("mal".utf8)
        #expect(
            throws: CheckpointError(
                file: name, kind: .notACheckpoint, message: "holds no weights")
        ) { try StoredCheckpoint(bytes: empty, name: name) }
        let good = try bytes(file(microFAN))
        for length in stride(from: 8, to: good.count, by: good.count / 50) {
            #expect(throws: CheckpointError.self, "\(length) bytes") {
                try StoredCheckpoint(bytes: Array(good[..<length]), name: name)
            }
        }
        var generator = Generator(seed: 1)
        for _ in 0..<2000 {
            var bytes = good
            let place = Int(generator.unit() * Double(good.count))
            bytes[place] = UInt8(generator.unit() * 256)
            if let stored = try? StoredCheckpoint(bytes: bytes, name: name) {
                _ = try? MaskCheckpoint(stored)
            }
        }
    }
}
