import Annotations
import Formats
import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct PolygonMaskTests {
    /// A mask in rows of "#" and ".".
    private func mask(_ rows: String...) -> RLE {
        let size = Size(height: rows.count, width: rows[0].count)
        return RLE(Mask(size: size, pixels: rows.flatMap { $0.map { $0 == "#" ? 1 : 0 } }))
    }

    private func randomMask(
        _ size: Size, density: Double, blocks: Int, _ random: inout some RandomNumberGenerator
    ) -> RLE {
        var pixels = [UInt8](repeating: 0, count: size.height * size.width)
        for row in 0..<size.height {
            for column in 0..<size.width where Double.random(in: 0..<1, using: &random) < density {
                // Blocks make parts with holes in them rather than dust.
                for y in row..<min(row + blocks, size.height) {
                    for x in column..<min(column + blocks, size.width) {
                        pixels[y * size.width + x] ^= 1
                    }
                }
            }
        }
        return RLE(Mask(size: size, pixels: pixels))
    }

    private func corners(_ polygon: [Double]) -> [[Double]] {
        stride(from: 0, to: polygon.count, by: 2).map { [polygon[$0], polygon[$0 + 1]] }
    }

    @Test("polygons at tolerance 0 give the same mask again, also joined into one")
    func identity() throws {
        var random = Xorshift(seed: 6)
        for round in 0..<600 {
            let size = Size(
                height: Int.random(in: 1...40, using: &random),
                width: Int.random(in: 1...40, using: &random))
            let mask = randomMask(
                size, density: [0.02, 0.1, 0.5, 0.9][round % 4], blocks: 1 + round % 5, &random)
            guard mask.area > 0 else { continue }
            let outline = try PolygonMask(mask)
            #expect(try RLE(polygons: outline.polygons, size: size).area == mask.area)
            #expect(try RLE(polygons: outline.polygons, size: size).iou(with: mask) == 1)
            let joined = PolygonMask.joined(outline.polygons)
            #expect(try RLE(polygon: joined, size: size).iou(with: mask) == 1)
            #expect(outline.polygons.count == outline.partCount)
        }
    }

    @Test("parts touch by corners, holes by edges; a hole hangs on its part by one line")
    func topology() throws {
        let slanted = try PolygonMask(mask("#..", ".#.", "..#"))
        #expect(slanted.partCount == 1)
        #expect(slanted.holeCount == 0)
        let ring = try PolygonMask(mask(".#.", "#.#", ".#."))
        #expect(ring.partCount == 1)
        #expect(ring.holeCount == 1)
        let nested = try PolygonMask(
            mask("#######", "#.....#", "#.###.#", "#.#.#.#", "#.###.#", "#.....#", "#######"))
        #expect(nested.partCount == 2)
        #expect(nested.holeCount == 2)
        let square = try PolygonMask(mask("....", ".##.", ".##.", "...."))
        #expect(square.polygons == [[1, 1, 3, 1, 3, 3, 1, 3]])
        let holed = try PolygonMask(mask("###", "#.#", "###"))
        #expect(
            holed.polygons == [
                [0, 0, 3, 0, 3, 3, 0, 3, 0, 1, 1, 1, 1, 2, 2, 2, 2, 1, 1, 1, 0, 1]
            ])
    }

    @Test("an empty mask has no polygon")
    func empty() throws {
        for size in [Size(height: 3, width: 4), Size(height: 0, width: 0)] {
            let outline = try PolygonMask(RLE(Mask(empty: size)))
            #expect(outline.polygons.isEmpty)
            #expect(outline.partCount == 0)
        }
    }

    @Test("a tolerance saves corners, stays within it, and keeps parts and holes")
    func tolerance() throws {
        var random = Xorshift(seed: 7)
        for round in 0..<60 {
            let size = Size(height: 60, width: 60)
            let mask = randomMask(size, density: 0.004, blocks: 12, &random)
            guard mask.area > 0 else { continue }
            let exact = try PolygonMask(mask)
            let options = OutlineOptions(
                tolerance: [0.5, 1, 2, 5][round % 4], isSubpixel: round % 3 == 0)
            let rough = try PolygonMask(mask, options)
            #expect(rough.partCount == exact.partCount)
            #expect(rough.holeCount == exact.holeCount)
            let again = try PolygonMask(RLE(polygons: rough.polygons, size: size))
            #expect(again.partCount == exact.partCount, "round \(round)")
            #expect(again.holeCount == exact.holeCount, "round \(round)")
        }
        let disc = disc(radius: 40)
        let exact = try PolygonMask(disc)
        for tolerance in [0.75, 1.5, 3] {
            let rough = try PolygonMask(disc, OutlineOptions(tolerance: tolerance))
            #expect(rough.polygons[0].count < exact.polygons[0].count / 2)
            let kept = Set(corners(rough.polygons[0]))
            #expect(kept.isSubset(of: Set(corners(exact.polygons[0]))))
            let iou = try RLE(polygons: rough.polygons, size: disc.size).iou(with: disc)
            #expect(iou > 1 - tolerance * 0.04, "tolerance \(tolerance): \(iou)")
        }
    }

    private func disc(radius: Int) -> RLE {
        let side = 2 * radius + 6
        var pixels = [UInt8](repeating: 0, count: side * side)
        for y in 0..<side {
            for x in 0..<side {
                let (dx, dy) = (x - side / 2, y - side / 2)
                if dx * dx + dy * dy <= radius * radius { pixels[y * side + x] = 1 }
            }
        }
        return RLE(Mask(size: Size(square: side), pixels: pixels))
    }

    @Test("sub-pixel outlines go through the middles of edges and lose little")
    func subpixel() throws {
        let square = try PolygonMask(
            mask("....", ".##.", ".##.", "...."), OutlineOptions(isSubpixel: true))
        #expect(
            square.polygons == [[1.5, 1, 2.5, 1, 3, 1.5, 3, 2.5, 2.5, 3, 1.5, 3, 1, 2.5, 1, 1.5]])
        let disc = disc(radius: 30)
        let smooth = try PolygonMask(disc, OutlineOptions(isSubpixel: true))
        #expect(try RLE(polygons: smooth.polygons, size: disc.size).iou(with: disc) > 0.99)
    }

    @Test("outlines through the middles of pixels give the mask back to a fill with its lines")
    func centres() throws {
        var random = Xorshift(seed: 5)
        for round in 0..<60 {
            let size = Size(height: 40, width: 50)
            let mask = randomMask(size, density: round % 2 == 0 ? 0.01 : 0.2, blocks: 9, &random)
            guard mask.area > 0 else { continue }
            let outline = try PolygonMask(mask, OutlineOptions(fill: .centres))
            let masks = try outline.polygons.map { try RLE(filling: $0, size: size) }
            #expect(RLE.union(masks) == mask, "round \(round)")
            #expect(outline.polygons.allSatisfy { $0.count >= 6 && $0.count.isMultiple(of: 2) })
        }
        let disc = disc(radius: 40)
        let rough = try PolygonMask(disc, OutlineOptions(tolerance: 1, fill: .centres))
        #expect(rough.polygons[0].count < 80)
        #expect(try RLE(filling: rough.polygons[0], size: disc.size).iou(with: disc) > 0.95)
    }

    @Test("a polygon has the pixels that OpenCV's fillPoly gives it")
    func fillPoly() throws {
        struct Cases: Decodable {
            struct Case: Decodable {
                let polygon: [Double]
                let height, width: Int
                let counts: [UInt32]
            }
            let cases: [Case]
        }
        // tools/formats/fill_fixture.py made it.
        let file = URL(fileURLWithPath: fixture("fillpoly.json"))
        let cases = try JSONDecoder().decode(Cases.self, from: Data(contentsOf: file)).cases
        for (place, test) in cases.enumerated() {
            let size = Size(height: test.height, width: test.width)
            let drawn = try RLE(filling: test.polygon, size: size)
            let expected = try RLE(size: size, counts: test.counts)
            #expect(drawn == expected, "case \(place): IoU \(drawn.iou(with: expected))")
        }
    }

    @Test("an outline beyond the limit is refused instead of filling the memory")
    func limit() throws {
        let side = 3000
        var pixels = [UInt8](repeating: 0, count: side * side)
        for y in 0..<side {
            for x in 0..<side { pixels[y * side + x] = UInt8((x + y) % 2) }
        }
        let checkers = RLE(Mask(size: Size(square: side), pixels: pixels))
        #expect(throws: AnnotationError.segmentation("outline is longer than 4000000 pixels")) {
            try PolygonMask(checkers)
        }
    }
}

/// Small, and the same everywhere.
struct Xorshift: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state &* 0x2545_F491_4F6C_DD1D
    }
}
