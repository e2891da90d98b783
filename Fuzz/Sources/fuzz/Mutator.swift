/// Changes files a little: bits, bytes, numbers, words, blocks, ends, and splices of two files.
struct Mutator {
    /// What splices and copied blocks are taken from.
    let corpus: [[UInt8]]
    /// Words of the format that are put in here and there.
    let words: [[UInt8]]
    /// Whether the format is text, in which decimal numbers are edited as such.
    let isText: Bool
    /// No input is longer, in bytes.
    let limit: Int

    init(_ corpus: [[UInt8]], words: [String] = [], isText: Bool = false, limit: Int = 1 << 16) {
        precondition(!corpus.isEmpty, "there is nothing to mutate")
        self.corpus = corpus
        self.words = words.map { Array($0.utf8) }
        self.isText = isText
        self.limit = limit
    }

    func callAsFunction(_ random: inout Random) -> [UInt8] {
        let file = random.pick(corpus)
        return callAsFunction(file, &random)
    }

    /// A few changes to one file; of a thousand inputs one has none.
    func callAsFunction(_ file: [UInt8], _ random: inout Random) -> [UInt8] {
        var bytes = file
        if random.oneIn(1000) { return bytes }
        // Mostly a change or two, which leaves the rest of the file in order.
        let count = random.oneIn(2) ? 1 : 1 + random.below(random.oneIn(3) ? 12 : 3)
        for _ in 0..<count {
            change(&bytes, &random)
            if bytes.count > limit { bytes.removeSubrange(limit...) }
        }
        return bytes
    }

    private func change(_ bytes: inout [UInt8], _ random: inout Random) {
        guard !bytes.isEmpty else {
            bytes = random.pick(corpus)
            return
        }
        let place = random.below(bytes.count)
        if isText, random.oneIn(3) { return changeNumber(&bytes, after: place, &random) }
        if !words.isEmpty, random.oneIn(4) { return putWord(&bytes, at: place, &random) }
        switch random.below(12) {
        case 0, 1: bytes[place] ^= 1 << UInt8(random.below(8))
        case 2: bytes[place] = random.byte()
        case 3: bytes[place] = random.pick(Self.specialBytes)
        case 4: bytes[place] &+= random.oneIn(2) ? 1 : 255
        case 5, 6: setInteger(&bytes, at: place, &random)
        case 7: bytes.removeSubrange(block(in: bytes, from: place, &random))
        case 8: duplicateBlock(&bytes, from: place, &random)
        case 9: copyBlock(&bytes, to: place, &random)
        case 10 where random.oneIn(2): bytes.removeSubrange(place...)
        case 10: bytes.removeLast(min(bytes.count, 1 + random.below(16)))
        default: splice(&bytes, at: place, &random)
        }
    }

    // MARK: Bytes

    private static let specialBytes: [UInt8] = [
        0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 0x7E, 0x7F, 0x80, 0x81, 0xC0, 0xD8, 0xFE, 0xFF,
    ]

    private static let specialIntegers: [Int64] = [
        0, 1, -1, 2, 3, 7, 8, 9, 16, 31, 32, 33, 64, 127, 128, 255, 256, 257, 1023, 4096, 32767,
        32768, 65535, 65536, 65537, 1 << 20, 1 << 24, (1 << 31) - 1, 1 << 31, (1 << 32) - 1,
        1 << 32, 1 << 48, .max, .min, .max - 7, 0x3FFF_FFFF, 0x4000_0000, 0x5555_5556,
    ]

    /// Writes an integer of 2, 4 or 8 bytes in either order: a special one, or one near what is
    /// there, or near the length of the file.
    private func setInteger(_ bytes: inout [UInt8], at place: Int, _ random: inout Random) {
        let size = random.pick([2, 4, 4, 8])
        guard place + size <= bytes.count else { return }
        let isBig = random.oneIn(2)
        var value: Int64
        switch random.below(4) {
        case 0:
            value = 0
            for offset in 0..<size {
                let byte = bytes[place + (isBig ? offset : size - 1 - offset)]
                value = value << 8 | Int64(byte)
            }
            value &+= Int64(random.below(17) - 8)
        case 1: value = Int64(bytes.count + random.below(17) - 8)
        default: value = random.pick(Self.specialIntegers)
        }
        for offset in 0..<size {
            let shift = Int64(8 * (isBig ? size - 1 - offset : offset))
            bytes[place + offset] = UInt8(truncatingIfNeeded: value >> shift)
        }
    }

    private func block(
        in bytes: [UInt8], from place: Int, _ random: inout Random
    ) -> Range<Int> {
        let longest = random.pick([1, 4, 16, 64, bytes.count])
        return place..<min(bytes.count, place + 1 + random.below(longest))
    }

    private func duplicateBlock(
        _ bytes: inout [UInt8], from place: Int, _ random: inout Random
    ) {
        let block = Array(bytes[block(in: bytes, from: place, &random)])
        let wanted = random.pick([1, 1, 1, 2, 5, 30, 300])
        let count = min(wanted, 1 + max(0, limit - bytes.count) / block.count)
        let copies = repeatElement(block, count: count).joined()
        bytes.insert(contentsOf: Array(copies), at: place)
    }

    private func copyBlock(_ bytes: inout [UInt8], to place: Int, _ random: inout Random) {
        let source = random.oneIn(2) ? bytes : random.pick(corpus)
        guard !source.isEmpty else { return }
        let copied = source[block(in: source, from: random.below(source.count), &random)]
        if random.oneIn(2) {
            bytes.insert(contentsOf: Array(copied), at: place)
        } else {
            let end = min(bytes.count, place + copied.count)
            bytes.replaceSubrange(place..<end, with: Array(copied))
        }
    }

    /// The start of this file and the end of another, sometimes at the same place in both.
    private func splice(_ bytes: inout [UInt8], at place: Int, _ random: inout Random) {
        let other = random.pick(corpus)
        let from = random.oneIn(2) ? min(place, other.count) : random.below(other.count + 1)
        bytes = Array(bytes[..<place]) + other[from...]
    }

    // MARK: Text

    private static let numbers = [
        "0", "-0", "1", "-1", "0.0", "-0.0", "0.5", "1.5", "2", "3", "7", "31", "32", "100",
        "65535", "65536", "100000", "2147483647", "2147483648", "-2147483649", "4294967295",
        "4294967296", "9007199254740993", "9223372036854775807", "-9223372036854775808",
        "9223372036854775808", "18446744073709551615", "18446744073709551616",
        "123456789012345678901234567890123456789", "1e9", "1E+2", "1e-3", "1e18", "1e19", "1e38",
        "3.5e38", "1e308", "1.8e308", "1e999", "-1e999", "1e-320", "1e-999",
        "0.1000000000000000055511151231257827", "NaN", "nan", "inf", "-Infinity", "0x10", "01",
        "1_0", "1.", ".5", "+1", "--1", "1e", "٣",
    ]

    private func changeNumber(_ bytes: inout [UInt8], after place: Int, _ random: inout Random) {
        let isPart: (UInt8) -> Bool = { (0x30...0x39).contains($0) || $0 == 0x2E || $0 == 0x2D }
        guard let start = bytes[place...].firstIndex(where: isPart) else { return }
        let end = bytes[start...].firstIndex { !isPart($0) } ?? bytes.count
        bytes.replaceSubrange(start..<end, with: number(near: bytes[start..<end], &random))
    }

    private func putWord(_ bytes: inout [UInt8], at place: Int, _ random: inout Random) {
        let word = random.pick(words)
        let end = random.oneIn(2) ? place : min(bytes.count, place + random.below(12))
        bytes.replaceSubrange(place..<end, with: word)
    }

    private func number(near text: ArraySlice<UInt8>, _ random: inout Random) -> [UInt8] {
        if random.oneIn(3), let value = Int(String(decoding: text, as: UTF8.self)) {
            let near = random.pick([value &+ 1, value &- 1, value &* 2, value / 2, 0 &- value])
            return Array(String(near).utf8)
        }
        return Array(random.pick(Self.numbers).utf8)
    }
}
