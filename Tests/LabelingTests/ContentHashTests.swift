import Foundation
import Labeling
import Testing

@Suite("Content hash")
struct ContentHashTests {
    @Test("every flipped bit of a file, and every pair of them in two words, changes it")
    func flippedBits() {
        let bytes = (0..<43).map { UInt8(truncatingIfNeeded: $0 * 37) }
        let hash = ContentHash.hash(bytes)
        var hashes: Set<UInt64> = [hash]
        for bit in 0..<bytes.count * 8 {
            var changed = bytes
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            hashes.insert(ContentHash.hash(changed))
            // The highest bit of each of two words, which a plain product would lose.
            changed[15] ^= 0x80
            hashes.insert(ContentHash.hash(changed))
        }
        // The bytes themselves, each flip, and each pair but that of bit 7 of byte 15 with itself.
        #expect(hashes.count == 1 + bytes.count * 8 + bytes.count * 8 - 1)
        #expect(ContentHash.hash([]) != ContentHash.hash([0]))
        #expect(ContentHash.hash([0]) != ContentHash.hash([0, 0]))
    }

    @Test("a file in pieces has the hash of its bytes")
    func pieces() throws {
        let folder = try TemporaryFolder()
        let bytes = (0..<(2 << 20) + 13).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }
        let path = folder.path + "/file"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        #expect(try ContentHash.hash(file: path) == ContentHash.hash(bytes))
        #expect(ContentHash.text(0x1f) == "000000000000001f")
    }
}
