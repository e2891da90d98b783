import ArgumentParser
import Inference
import MaskModel
import Torch

/// The logits of crops in a file, for tools/onnx/check.py to compare with those of other runtimes.
struct Logits: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes the logits of crops: safetensors in, safetensors out.")

    @Option(help: "Weights: a file, or the name of a model that ships.")
    var checkpoint: String

    @Option(help: "A file with image (N, S, S, 3) uint8 and area (N) float32.")
    var crops: String

    @Option(help: "File to write.")
    var out: String

    @Option(help: "Attention heads, where the file does not say them.")
    var heads: Int?

    @Flag(help: "One size of map for all boxes (model.not_adjust_scale).")
    var plain = false

    @Flag(help: "Linear layers in int8.")
    var int8 = false

    @Flag(help: "Print seconds for all crops in batches of 8, the fastest of 5 turns.")
    var timed = false

    func run() throws {
        try startLibtorch()
        let model = try MaskCheckpoint(path: try ModelFiles.path(for: checkpoint))
        var configuration = MaskNetworkConfiguration(
            backbone: try model.info.backboneConfiguration(headCount: heads))
        configuration.maskHead = model.info.maskHeadConfiguration ?? configuration.maskHead
        configuration.adjustsScale = !plain
        let network = try model.network(
            .student, configuration, architecture: checkpoint, factors: int8 ? .int8 : .float32)
        var tensors: [String: Tensor] = [:]
        for tensor in try StoredCheckpoint(path: crops).tensors {
            tensors[tensor.name] = tensor.tensor()
        }
        guard let image = tensors["image"], let area = tensors["area"] else {
            throw ValidationError("\(crops) has no image and area")
        }
        let areas = area.floats()
        func logits() -> Tensor {
            withoutGradients {
                .concatenated(
                    stride(from: 0, to: areas.count, by: 8).map { start in
                        let rows = start..<min(start + 8, areas.count)
                        return network(
                            image: normalized(image.narrowed(0, rows)), areas: Array(areas[rows]))
                    })
            }
        }
        try Safetensors.write([StoredTensor(name: "logits", logits().contiguous())], to: out)
        guard timed else { return }
        let seconds = (0..<5).map { _ in
            ContinuousClock().measure { _ = logits() } / .seconds(1)
        }
        print("\(seconds.min() ?? 0) s for \(areas.count) crops")
    }
}
