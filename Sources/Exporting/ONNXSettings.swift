/// What of an ONNX file is up to its user.
package struct ONNXSettings: Sendable {
    /// What the network computes in.
    package enum Precision: String, Sendable, CaseIterable {
        case fp32, fp16
    }

    /// The type of the input `image`.
    package enum ImageType: String, Sendable, CaseIterable {
        case float32, uint8
    }

    /// Versions of the operator set of which the graph is well-formed.
    package static let opsets = 17...22

    /// Side of the crops in pixels.
    package var cropSize: Int
    package var opset = 17
    package var precision = Precision.fp32
    package var image = ImageType.float32

    package init(cropSize: Int) { self.cropSize = cropSize }
}
