import Annotations
import Imaging
import Testing

@Suite struct RLEBoundaryTests {
    /// By the definition, pixel by pixel.
    private func boundary(_ mask: Mask, _ distance: Int) -> [UInt8] {
        let size = mask.size
        return (0..<size.height * size.width).map { place in
            guard mask.pixels[place] == 1 else { return 0 }
            let (row, column) = place.quotientAndRemainder(dividingBy: size.width)
            for y in row - distance...row + distance {
                for x in column - distance...column + distance {
                    guard (0..<size.height).contains(y), (0..<size.width).contains(x),
                        mask.pixels[y * size.width + x] == 1
                    else { return 1 }
                }
            }
            return 0
        }
    }

    @Test("the boundary is what a square takes away, whatever the mask")
    func definition() throws {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<120 {
            let size = Size(
                height: .random(in: 1...24, using: &generator),
                width: .random(in: 1...24, using: &generator))
            // Rectangles and single holes, so that something survives.
            var pixels = [UInt8](
                repeating: UInt8.random(in: 0...1), count: size.height * size.width)
            for _ in 0..<Int.random(in: 0...4) {
                let top = Int.random(in: 0..<size.height)
                let left = Int.random(in: 0..<size.width)
                let value = UInt8.random(in: 0...1)
                for y in top..<Int.random(in: top...size.height) {
                    for x in left..<Int.random(in: left...size.width) {
                        pixels[y * size.width + x] = value
                    }
                }
            }
            let mask = Mask(size: size, pixels: pixels)
            for distance in 1...4 {
                let found = try RLE(mask).boundary(distance: distance)
                let pixelsFound = try found.mask().pixels
                let expected = boundary(mask, distance)
                #expect(pixelsFound == expected, "\(size) \(distance) \(pixels)")
            }
        }
    }

    @Test("runs of no length change nothing")
    func emptyRuns() throws {
        let size = Size(height: 6, width: 5)
        let plain = try RLE(size: size, counts: [0, 30])
        let cut = try RLE(size: size, counts: [0, 8, 0, 3, 0, 19])
        let (one, two) = (
            try cut.boundary(distance: 1).mask(), try plain.boundary(distance: 1).mask()
        )
        #expect(one == two)
        let edge = try plain.boundary(distance: 1).area
        #expect(edge == 18)
    }

    @Test("the distance is a fiftieth of the diagonal, at least a pixel")
    func distance() {
        #expect(RLE.boundaryDistance(imageSize: Size(height: 480, width: 640)) == 16)
        #expect(RLE.boundaryDistance(imageSize: Size(height: 10, width: 10)) == 1)
        // 0.02 · 125 = 2.5, which Python rounds to even.
        #expect(RLE.boundaryDistance(imageSize: Size(height: 75, width: 100)) == 2)
        // Its square is beyond 64 bits.
        let widest = Size(height: 1, width: RLE.pixelLimit)
        #expect(RLE.boundaryDistance(imageSize: widest) == 85_899_346)
    }

    @Test("an image too wide for columns is refused, not unpacked")
    func tooWide() throws {
        let wide = try RLE(
            size: Size(height: 1, width: 4_000_000_000), counts: [0, 4_000_000_000])
        #expect(
            throws: AnnotationError.segmentation("width is 4000000000, too much for a boundary")
        ) { try wide.boundary(distance: 3) }
    }
}
