import Files
package import MaskModel
import SwiftProtobuf
package import Torch

/// A network as the bytes of an ONNX file.
///
/// Inputs: `image` (N, 3, S, S), RGB from 0 to 255, and `area` (N), the pixels of the box. Output: `logits`
/// (N, 1, ·, ·). All parameters are in the file, also those that only training uses, so that
/// ``StoredCheckpoint`` reads the network back.
package struct ONNXFile {
    private let model: Mal_Onnx_Model
    /// How many layers compute in int8.
    package let int8Count: Int
    /// Layers that would lose too much in int8, and stay in float32.
    package let floatLayers: [String]

    /// The operators that it uses.
    package var operators: Set<String> { Set(model.graph.node.map(\.opType)) }

    /// `image (N, 3, 224, 224) float, area (N) float -> logits (N, 1, 64, 64) float`
    package var signature: String {
        func list(_ values: [Mal_Onnx_ValueInfo]) -> String {
            values.map { value in
                let sizes = value.type.tensorType.shape.dim.map {
                    $0.dimParam.isEmpty ? "\($0.dimValue)" : $0.dimParam
                }
                return "\(value.name) (\(sizes.joined(separator: ", "))) "
                    + "\(value.type.tensorType.elemType)"
            }.joined(separator: ", ")
        }
        return list(model.graph.input) + " -> " + list(model.graph.output)
    }

    /// The most bytes that a file of protocol buffers may have.
    static let largestSize = Int(Int32.max)

    /// - Parameters:
    ///   - parameters: of one network by name, and its buffers, in float32.
    ///   - recorder: what went into the network's layers, for int8.
    ///   - metadata: texts for the file.
    ///   - version: of this program.
    /// - Throws: `MaskModelError` for a crop size that does not fit, ``ExportError``.
    package init(
        _ configuration: MaskNetworkConfiguration,
        parameters: [(name: String, tensor: Tensor)], recorder: InputRecorder? = nil,
        metadata: [String: String], version: String, _ settings: ONNXSettings
    ) throws {
        try configuration.validate(cropSize: settings.cropSize)
        let factors: DType = settings.precision == .fp16 ? .float16 : .float32
        let size = parameters.reduce(0) { $0 + $1.tensor.count * factors.byteCount }
        guard size < Self.largestSize / 16 * 15 else { throw ExportError.tooLarge(byteCount: size) }
        if factors == .float16 {
            for (name, tensor) in parameters where tensor.dtype == .float32 {
                let largest = tensor.abs().amax().item()
                guard largest <= 65504 else { throw ExportError.notHalf(name, Double(largest)) }
            }
        }
        var weights = Dictionary(uniqueKeysWithValues: parameters.map { ($0.name, $0.tensor) })
        var steps: [String: Float] = [:]
        if settings.precision == .int8, let recorder {
            let layers = Int8Layers(configuration, weights: weights, recorder: recorder)
            (weights, steps, floatLayers) = (layers.weights, layers.steps, layers.kept)
        } else {
            floatLayers = []
        }
        int8Count = steps.count
        let builder = GraphBuilder(weights: weights, factors: factors, steps: steps)
        MaskGraph(builder: builder, configuration: configuration, settings: settings).build()

        var model = Mal_Onnx_Model()
        // Of opset 17; later operator sets may be in it too.
        model.irVersion = 8
        model.producerName = ONNXCheckpoint.producer
        model.producerVersion = version
        model.docString =
            "Box to mask: image (N, 3, S, S) RGB 0 to 255, area (N) in pixels of the photograph; "
            + "the mask is sigmoid(logits), resampled to the crop. docs/export.md"
        model.opsetImport = [.with { $0.version = Int64(settings.opset) }]
        model.graph = builder.graph
        model.graph.name = "mask_auto_labeler"
        let unused = builder.unusedWeights
        if !unused.isEmpty {
            model.trainingInfo = [.with { $0.algorithm.initializer = unused }]
        }
        model.metadataProps = metadata.sorted { $0.key < $1.key }.map { key, value in
            .with { ($0.key, $0.value) = (key, value) }
        }
        self.model = model
    }

    /// - Returns: how many bytes it has.
    /// - Throws: `FileError`.
    package func write(to path: String) throws -> Int {
        let bytes = try model.serializedData()
        var file = try OutputFile(path: path)
        try file.write(bytes)
        try file.commit()
        return bytes.count
    }
}

/// A network that can't be written as ONNX.
package enum ExportError: Error, Equatable, Sendable, CustomStringConvertible {
    /// An ONNX file has 2 GB at most.
    case tooLarge(byteCount: Int)
    /// A weight that float16 can't hold.
    case notHalf(String, Double)

    package var description: String {
        switch self {
        case .tooLarge(let count):
            "the weights take \(count) bytes, and an ONNX file has at most "
                + "\(ONNXFile.largestSize); --precision fp16 takes half"
        case .notHalf(let name, let value):
            "\(name) holds \(value) (by amount), which does not fit fp16 (±65504)"
        }
    }
}
