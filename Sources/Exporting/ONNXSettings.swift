/// What of an ONNX file is up to its user.
public struct ONNXSettings: Sendable {
    /// What the network computes in.
    public enum Precision: String, Sendable, CaseIterable {
        case fp32, fp16
        /// Needs to see what the network computes on photographs.
        case int8
    }

    /// The type of the input `image`.
    public enum ImageType: String, Sendable, CaseIterable {
        case float32, uint8
    }

    /// Versions of the operator set of which the graph is well-formed.
    public static let opsets = 17...22

    /// Side of the crops in pixels.
    public var cropSize: Int
    public var opset = 17
    public var precision = Precision.fp32
    public var image = ImageType.float32

    public init(cropSize: Int) { self.cropSize = cropSize }
}
