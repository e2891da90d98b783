import Files
import Foundation
import Testing

@Suite("Content hash")
struct ContentHashTests {
    @Test("one flipped bit, and any two, give a hash of their own")
    func flippedBits() {
        let bytes = (0..<43).map { UInt8(truncatingIfNeeded: $0 * 37) }
        var hashes: Set<UInt64> = [ContentHash.hash(bytes)]
        let bits = bytes.count * 8
        for first in 0..<bits {
            for second in first..<bits {
                var changed = bytes
                changed[first / 8] ^= 1 << UInt8(first % 8)
                if second > first { changed[second / 8] ^= 1 << UInt8(second % 8) }
                hashes.insert(ContentHash.hash(changed))
            }
        }
        #expect(hashes.count == 1 + bits * (bits + 1) / 2)
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
