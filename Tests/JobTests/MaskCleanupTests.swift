import Annotations
import Imaging
import Inference
import Testing
import TestSupport

@Suite("Clean-up")
struct MaskCleanupTests {
    let imageSize = Size(height: 40, width: 60)

    /// A mask from rows of text, in a window at (5, 4).
    func mask(_ rows: [String]) -> WindowMask {
        WindowMask(
            rows.joined().utf8.map { $0 == UInt8(ascii: "#") ? 1 : 0 },
            size: Size(height: rows.count, width: rows[0].count), originX: 5, originY: 4)
    }

    func cleaned(
        _ rows: [String], box: Box = Box(minX: 5, minY: 4, maxX: 60, maxY: 40),
        islandShare: Double = 0.2, holeShare: Double = 0.2
    ) -> (rows: [String], record: CleanupRecord)? {
        var rules = MaskCleanup()
        rules.islandShare = islandShare
        rules.holeShare = holeShare
        let before = mask(rows)
        guard let (after, record) = rules.clean(before, box: box, imageSize: imageSize) else {
            return nil
        }
        let width = after.size.width
        let text = (0..<after.size.height).map { y in
            String(
                decoding: after.pixels[y * width..<(y + 1) * width].map {
                    $0 == 0 ? UInt8(ascii: ".") : UInt8(ascii: "#")
                }, as: UTF8.self)
        }
        return (text, record)
    }

    @Test("A clean mask is left alone")
    func nothingToDo() {
        #expect(cleaned([".##.", ".##."]) == nil)
        #expect(cleaned(["....", "...."]) == nil)
    }

    @Test("Small pieces go, a piece that hangs on by a corner stays")
    func islands() throws {
        let found = try #require(
            cleaned(["####..#", "####...", "####...", "....#.."]))
        #expect(found.rows == ["####...", "####...", "####...", "....#.."])
        #expect(found.record.islands == 1)
        #expect(found.record.changedPixels == 1)
    }

    @Test("Small holes are filled, background that reaches the edge is not")
    func holes() throws {
        let found = try #require(cleaned(["#.###", "###.#", "#####", "#####"]))
        #expect(found.rows == ["#.###", "#####", "#####", "#####"])
        #expect(found.record.holes == 1)
        #expect(found.record.islands == 0)
    }

    @Test("Pixels that the box does not touch are cleared; one that it touches in part is not")
    func outside() throws {
        let found = try #require(
            cleaned(["####", "####"], box: Box(minX: 6.5, minY: 4, maxX: 8, maxY: 6)))
        #expect(found.rows == [".##.", ".##."])
        #expect(found.record.outsidePixels == 4)
    }

    @Test("A mask of dust keeps a piece, and one all outside its box stays as it is")
    func neverEmpty() throws {
        let dust = try #require(cleaned(["##...#", "......", "#....#"], islandShare: 0.9))
        #expect(dust.rows == ["##....", "......", "......"])
        #expect(cleaned(["##", "##"], box: Box(minX: 30, minY: 30, maxX: 40, maxY: 40)) == nil)
    }

    @Test("What changed, taken back, gives the mask before")
    func reversible() throws {
        let rows = ["####..#", "##.#...", "####...", "......."]
        let rules = MaskCleanup()
        var generous = rules
        generous.islandShare = 0.5
        generous.holeShare = 0.5
        let before = mask(rows)
        let (after, record) = try #require(
            generous.clean(
                before, box: Box(minX: 5, minY: 4, maxX: 12, maxY: 8), imageSize: imageSize))
        func whole(_ mask: WindowMask) -> RLE {
            RLE(
                window: mask.pixels, windowSize: mask.size, originX: mask.originX,
                originY: mask.originY, imageSize: imageSize)
        }
        let changed = try RLE(size: imageSize, compressed: record.changedCounts)
        #expect(changed.area == record.changedPixels)
        let one = whole(after).without(changed)
        let other = changed.without(whole(after))
        #expect(RLE.union([one, other]) == whole(before))
    }
}
