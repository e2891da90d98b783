package import Imaging

// Six bits a character from '0' on: five of the number (least first), one that says that more
// follow. From the fourth run on the number is the difference to the run before the last, and
// signed.
extension RLE {
    /// The run lengths as pycocotools writes them in `counts`: ASCII characters from '0' to 'o'.
    package var compressed: [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(counts.count * 2)
        for index in counts.indices {
            var rest = Int64(counts[index])
            if index > 2 { rest -= Int64(counts[index - 2]) }
            while true {
                let bits = rest & 0x1F
                rest >>= 5
                let isLast = rest == (bits & 0x10 == 0 ? 0 : -1)
                text.append(UInt8(truncatingIfNeeded: 48 + bits + (isLast ? 0 : 0x20)))
                if isLast { break }
            }
        }
        return text
    }

    /// ``compressed`` as a string.
    package var compressedString: String { String(decoding: compressed, as: UTF8.self) }

    /// Reads what pycocotools writes in `counts`.
    ///
    /// - Throws: ``AnnotationError/segmentation(_:)`` for another character, an unfinished number, a run
    ///   that is negative or beyond 32 bits, or runs that do not fill the size.
    package init(size: Size, compressed text: some Sequence<UInt8>) throws {
        _ = try Self.pixelCount(of: size)
        var counts: [UInt32] = []
        var value: Int64 = 0
        var shift: Int64 = 0
        for character in text {
            guard (48..<112).contains(character) else {
                throw AnnotationError.segmentation(
                    "counts hold the byte \(character), which no RLE string has")
            }
            let bits = Int64(character) - 48
            value |= (bits & 0x1F) << shift
            shift += 5
            if bits & 0x20 != 0 {
                guard shift < 40 else {
                    throw AnnotationError.segmentation("run \(counts.count) is too long")
                }
                continue
            }
            if bits & 0x10 != 0 { value |= -1 << shift }
            if counts.count > 2 { value += Int64(counts[counts.count - 2]) }
            guard let count = UInt32(exactly: value) else {
                throw AnnotationError.segmentation(
                    "run \(counts.count) is \(value), outside 0…\(UInt32.max)")
            }
            counts.append(count)
            value = 0
            shift = 0
        }
        guard shift == 0 else { throw AnnotationError.segmentation("counts end inside a number") }
        try self.init(size: size, counts: counts)
    }

    package init(size: Size, compressed text: String) throws {
        try self.init(size: size, compressed: text.utf8)
    }
}
