public import Imaging

/// A mask for an annotation, in the form in which it is written.
public struct AnnotationResult: Sendable, Equatable {
    public var size: Size
    /// ``RLE/compressed``
    public var counts: [UInt8]
    /// The number of pixels set.
    public var area: Int
    /// Further numbers to set, such as a score.
    public var extra: [ExtraNumber]

    public struct ExtraNumber: Sendable, Equatable {
        public var key: String
        public var value: Double

        public init(_ key: String, _ value: Double) {
            self.key = key
            self.value = value
        }
    }

    public init(size: Size, counts: [UInt8], area: Int, extra: [ExtraNumber] = []) {
        self.size = size
        self.counts = counts
        self.area = area
        self.extra = extra
    }

    public init(_ mask: RLE, extra: [ExtraNumber] = []) {
        self.init(size: mask.size, counts: mask.compressed, area: mask.area, extra: extra)
    }

    /// The value of `segmentation`, with a space after each comma and colon if `isSpaced`.
    package func segmentation(isSpaced: Bool) -> [UInt8] {
        let space = isSpaced ? " " : ""
        var text = Array(
            "{\"size\":\(space)[\(size.height),\(space)\(size.width)],\(space)\"counts\":\(space)\""
                .utf8)
        for byte in counts {
            if byte == UInt8(ascii: "\\") { text.append(byte) }
            text.append(byte)
        }
        text += Array("\"}".utf8)
        return text
    }
}
