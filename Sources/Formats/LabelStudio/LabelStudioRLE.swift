package import Annotations
package import Imaging

/// The run lengths in which Label Studio packs a brush's mask, as the public library rle-pack has
/// them: the values of all pixels row by row, red, green, blue and alpha in turn, as a stream of
/// bits, the highest of each number first.
///
/// It begins with the number of values (32 bits), the width of a value less 1 (5 bits) and four
/// widths of lengths less 1 (4 bits each). Then come runs: a bit that says whether one value
/// repeats, 2 bits for the width of the length, the length less 1, and the value or the values.
package enum LabelStudioRLE {
    /// What is wrong with the bytes.
    package struct Fault: Error, Equatable {
        package let expected: String
        package let found: String

        package init(expected: String, found: String) {
            self.expected = expected
            self.found = found
        }
    }

    private static let pixelLimit = 200_000_000
    private static let widths = [4, 8, 12, 16]

    /// The pixels whose alpha is at least half.
    ///
    /// - Parameter size: of the image that the brush painted on.
    package static func decode(_ bytes: [UInt8], size: Size) throws(Fault) -> RLE {
        guard let pixels = size.pixelCount, pixels <= pixelLimit else {
            throw Fault(expected: "an image of at most \(pixelLimit) pixels", found: "\(size)")
        }
        var bits = BitReader(bytes)
        let count = try bits.read(32)
        guard count == 4 * pixels else {
            throw Fault(
                expected: "\(4 * pixels) values, 4 for each of \(size) pixels", found: "\(count)")
        }
        let width = try bits.read(5) + 1
        guard width == 8 else { throw Fault(expected: "values of 8 bits", found: "\(width)") }
        var widths: [Int] = []
        for _ in 0..<4 { widths.append(try bits.read(4) + 1) }
        var runs = RowRuns(size: size)
        var place = 0
        while place < count {
            let repeats = try bits.read(1) == 1
            let length = try bits.read(widths[bits.read(2)]) + 1
            guard length <= count - place else {
                throw Fault(expected: "runs of \(count) values in all", found: "more")
            }
            if repeats {
                if try bits.read(8) >= 128 { runs.add(place / 4..<(place + length) / 4) }
            } else {
                for value in place..<place + length {
                    let isSet = try bits.read(8) >= 128
                    if isSet, value % 4 == 3 { runs.add(value / 4..<value / 4 + 1) }
                }
            }
            place += length
        }
        return runs.mask
    }

    package static func encode(_ mask: RLE) -> [UInt8] {
        var bits = BitWriter()
        bits.write(4 * (mask.size.pixelCount ?? 0), width: 32)
        bits.write(7, width: 5)
        for width in widths { bits.write(width - 1, width: 4) }
        mask.forEachRowRun { isSet, length in
            var rest = 4 * length
            while rest > 0 {
                let part = min(rest, 1 << 16)
                let index = widths.firstIndex { part <= 1 << $0 } ?? 3
                let width = widths[index]
                let run = (4 | index) << width | (part - 1)
                bits.write(run << 8 | (isSet ? 255 : 0), width: 11 + width)
                rest -= part
            }
        }
        return bits.finished
    }

    private struct BitReader {
        private let bytes: [UInt8]
        private var position = 0

        init(_ bytes: [UInt8]) {
            self.bytes = bytes
        }

        mutating func read(_ width: Int) throws(Fault) -> Int {
            guard position + width <= 8 * bytes.count else {
                throw Fault(expected: "runs for every pixel", found: "\(bytes.count) bytes")
            }
            var (value, rest) = (0, width)
            while rest > 0 {
                let free = 8 - position % 8
                let taken = min(rest, free)
                let part = Int(bytes[position / 8]) >> (free - taken) & (1 << taken - 1)
                value = value << taken | part
                position += taken
                rest -= taken
            }
            return value
        }
    }

    private struct BitWriter {
        private var bytes: [UInt8] = []
        private var pending = 0
        private var count = 0

        mutating func write(_ value: Int, width: Int) {
            pending = pending << width | value
            count += width
            while count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: pending >> count))
            }
            pending &= 1 << count - 1
        }

        /// The bits, and zeros up to a whole byte.
        var finished: [UInt8] {
            count > 0 ? bytes + [UInt8(truncatingIfNeeded: pending << (8 - count))] : bytes
        }
    }
}
