import Annotations
import Imaging
import Testing

@Suite struct RLETests {
    private func size(_ sides: [Int]) -> Size { Size(height: sides[0], width: sides[1]) }

    private func box(_ rle: RLE) -> [Double] {
        let box = rle.boundingBox
        return [box.minX, box.minY, box.width, box.height]
    }

    @Test("strings, areas and boxes equal pycocotools'")
    func masks() throws {
        for entry in try decode(RLECases.self, "rle_cases.json").masks {
            let rle = try RLE(size: size(entry.size), counts: entry.runs)
            #expect(rle.compressedString == entry.counts, "\(entry.name)")
            #expect(try RLE(size: rle.size, compressed: entry.counts) == rle)
            #expect(rle.area == entry.area)
            #expect(box(rle) == entry.bbox)
            #expect(RLE(try rle.mask()) == rle)
        }
    }

    @Test("polygons become pycocotools' masks")
    func polygons() throws {
        for entry in try decode(RLECases.self, "rle_cases.json").polygons {
            let size = Size(height: entry.h, width: entry.w)
            for (polygon, counts) in zip(entry.polygons, entry.rles) {
                #expect(
                    try RLE(polygon: polygon, size: size).compressedString == counts,
                    "\(entry.name)")
            }
            let merged = try RLE(polygons: entry.polygons, size: size)
            #expect(merged.compressedString == entry.merged)
            #expect(merged.area == entry.area)
            #expect(box(merged) == entry.bbox)
        }
    }

    @Test("union, intersection and IoU equal pycocotools'")
    func sets() throws {
        let entry = try decode(RLECases.self, "rle_cases.json").merge
        let masks = try entry.inputs.map { try RLE(size: size(entry.size), compressed: $0) }
        #expect(RLE.union(masks)?.compressedString == entry.union)
        #expect(RLE.intersection(masks)?.compressedString == entry.intersect)
        for (row, mask) in masks.enumerated() {
            for column in entry.iou[row].indices {
                let plain = mask.iou(with: masks[column])
                #expect(abs(plain - entry.iouNoCrowd[row][column]) < 1e-15)
                let crowd = mask.iou(with: masks[column], isCrowd: column == 1)
                #expect(abs(crowd - entry.iou[row][column]) < 1e-15)
            }
        }
    }

    @Test("masks of different sizes have no union, and an IoU of -1")
    func differentSizes() throws {
        let one = try RLE(size: Size(height: 2, width: 2), counts: [0, 4])
        let two = try RLE(size: Size(height: 1, width: 4), counts: [0, 4])
        #expect(RLE.union([one, two]) == nil)
        #expect(RLE.union([]) == nil)
        #expect(one.iou(with: two) == -1)
        #expect(one.intersectionArea(with: two) == 0)
    }

    @Test("decoding undoes encoding for random masks of every width")
    func roundTrip() throws {
        var generator = SystemRandomNumberGenerator()
        for width in 1...33 {
            let size = Size(height: 1 + width % 7, width: width)
            let pixels = (0..<size.height * width).map { _ in
                UInt8.random(in: 0...1, using: &generator)
            }
            let mask = Mask(size: size, pixels: pixels)
            let rle = RLE(mask)
            #expect(try rle.mask() == mask)
            #expect(rle.area == mask.area)
            #expect(try RLE(size: size, compressed: rle.compressed) == rle)
            #expect(try RLE(size: size, counts: rle.counts) == rle)
        }
    }

    @Test(
        "a window gives what the full mask gives, wherever it lies",
        arguments: [(0, 0), (3, 2), (-4, -3), (30, 20), (36, 0), (-19, 5), (100, 100), (-50, 0)])
    func window(originX: Int, originY: Int) {
        let image = Size(height: 27, width: 41)
        let windowSize = Size(height: 16, width: 19)
        var state: UInt32 = 7
        let window = (0..<windowSize.height * windowSize.width).map { _ -> UInt8 in
            state = state &* 1_664_525 &+ 1_013_904_223
            return state >> 30 == 0 ? 0 : UInt8(state >> 31) * 255
        }
        var full = Mask(empty: image)
        for y in 0..<windowSize.height where (0..<27).contains(y + originY) {
            for x in 0..<windowSize.width where (0..<41).contains(x + originX) {
                let value = window[y * windowSize.width + x]
                full.pixels[(y + originY) * 41 + x + originX] = value == 0 ? 0 : 1
            }
        }
        let rle = RLE(
            window: window, windowSize: windowSize, originX: originX, originY: originY,
            imageSize: image)
        #expect(rle == RLE(full))
        #expect(rle.area == full.area)
    }

    @Test("a full window of the full height joins its columns")
    func joinedColumns() {
        let size = Size(height: 5, width: 9)
        let full = RLE(
            window: [UInt8](repeating: 1, count: 15), windowSize: Size(height: 5, width: 3),
            originX: 2, originY: 0, imageSize: size)
        #expect(full.counts == [10, 15, 20])
    }

    @Test("wrong run lengths are refused")
    func wrongCounts() {
        let size = Size(height: 2, width: 3)
        #expect(
            throws: AnnotationError.segmentation("run counts sum to 5, size [2, 3] needs 6")
        ) { try RLE(size: size, counts: [5]) }
        #expect(
            throws: AnnotationError.segmentation(
                "size [1000000000, 1000000000] is negative or above 4294967295 pixels")
        ) { try RLE(size: Size(square: 1_000_000_000), compressed: "0") }
        #expect(
            throws: AnnotationError.segmentation("counts hold the byte 33, which no RLE string has")
        ) { try RLE(size: size, compressed: "1!") }
        #expect(throws: AnnotationError.segmentation("counts end inside a number")) {
            try RLE(size: size, compressed: "1P")
        }
        #expect(throws: AnnotationError.segmentation("run 0 is too long")) {
            try RLE(size: size, compressed: "PPPPPPPPPPPP")
        }
        #expect(throws: AnnotationError.segmentation("run 0 is -1, outside 0…4294967295")) {
            try RLE(size: size, compressed: "O")
        }
    }

    @Test("a mask above the limit is not unpacked")
    func maskLimit() throws {
        let rle = try RLE(size: Size(square: 60000), counts: [3_600_000_000])
        #expect(
            throws: AnnotationError.segmentation(
                "a mask of 60000×60000 pixels is above the limit of 200000000")
        ) { try rle.mask() }
    }

    @Test("far-away, repeated and huge corners cost nothing and do not trap")
    func hostilePolygons() throws {
        let size = Size(height: 20, width: 30)
        let far = try RLE(polygon: [-1e8, -1e8, 1e8, -1e8, 1e8, 1e8, -1e8, 1e8], size: size)
        #expect(far.area == 600)
        #expect(try RLE(polygon: [5, 5, 5, 5, 5, 5], size: size).area == 0)
        #expect(
            throws: AnnotationError.segmentation("polygons cross more than 4000000 columns")
        ) {
            try RLE(
                polygon: [0, 0, 1e8, 0, 1e8, 9], size: Size(height: 2, width: 2_000_000_000))
        }
        // The limit is one for all polygons of a mask.
        let wide = [0, 0, 1.5e6, 0, 1.5e6, 9]
        #expect(
            throws: AnnotationError.segmentation("polygons cross more than 4000000 columns")
        ) {
            try RLE(polygons: [wide, wide], size: Size(height: 2, width: 2_000_000_000))
        }
        #expect(
            throws: AnnotationError.segmentation(
                "a polygon's coordinate is 1e+300, outside ±100000000")
        ) { try RLE(polygon: [0, 0, 1e300, 0, 5, 5], size: size) }
        #expect(
            throws: AnnotationError.segmentation(
                "a polygon's coordinate is nan, outside ±100000000")
        ) { try RLE(polygon: [0, 0, .nan, 0, 5, 5], size: size) }
        #expect(
            throws: AnnotationError.segmentation(
                "a polygon needs an even count of at least 6 numbers, has 4")
        ) { try RLE(polygon: [0, 0, 1, 1], size: size) }
    }

    @Test("the union of thousands of polygons is that of all of them")
    func manyPolygons() throws {
        let size = Size(height: 16, width: 4000)
        let columns = (0..<1999).map { column -> [Double] in
            let x = Double(2 * column)
            return [x, 2, x + 1, 2, x + 1, 9, x, 9]
        }
        let union = try RLE(polygons: columns, size: size)
        let first = try RLE(polygon: columns[0], size: size)
        #expect(first.area == 7)
        #expect(union.area == 1999 * 7)
        #expect(union.counts.count == 2 * 1999 + 1)
        #expect(try RLE(polygons: columns.reversed(), size: size) == union)
    }
}
