package import Imaging

/// A mask for an annotation, in the form in which it is written.
package struct AnnotationResult: Sendable, Equatable {
    package var size: Size
    /// ``RLE/compressed``
    package var counts: [UInt8]
    /// The number of pixels set.
    package var area: Int
    /// Further numbers to set, such as a score.
    package var extra: [ExtraNumber]

    package struct ExtraNumber: Sendable, Equatable {
        package var key: String
        package var value: Double

        package init(_ key: String, _ value: Double) {
            self.key = key
            self.value = value
        }
    }

    package init(size: Size, counts: [UInt8], area: Int, extra: [ExtraNumber] = []) {
        self.size = size
        self.counts = counts
        self.area = area
        self.extra = extra
    }

    package init(_ mask: RLE, extra: [ExtraNumber] = []) {
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
