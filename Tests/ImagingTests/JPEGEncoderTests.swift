import Imaging
import Testing

@Suite("JPEG files")
struct JPEGEncoderTests {
    @Test("libjpeg reads back nearly what was written", arguments: [(1, 1), (16, 16), (37, 50)])
    func readsBack(height: Int, width: Int) throws {
        let pixels = (0..<height * width).flatMap { place -> [UInt8] in
            let (x, y) = (place % width, place / width)
            return [UInt8(x * 255 / width), UInt8(y * 255 / height), UInt8(128 + (x + y) % 40)]
        }
        let image = RGBImage(size: Size(height: height, width: width), pixels: pixels)
        let file = try ImageCodec.jpeg(image, quality: 75)
        #expect(file.count < 900 + height * width)
        let found = try ImageCodec.decode(bytes: file)
        #expect(found.size == image.size)
        let error = zip(found.pixels, pixels).reduce(0.0) { $0 + abs(Double($1.0) - Double($1.1)) }
        #expect(error / Double(pixels.count) < 8)
    }

    @Test("One colour stays itself")
    func flat() throws {
        let image = RGBImage(size: Size(height: 20, width: 20), filledWith: (200, 40, 90))
        let found = try ImageCodec.decode(bytes: try ImageCodec.jpeg(image, quality: 75))
        #expect(zip(found.pixels, image.pixels).allSatisfy { abs(Int($0) - Int($1)) <= 3 })
    }
}
