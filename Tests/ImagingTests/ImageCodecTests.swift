import Foundation
import Imaging
import TestSupport
import Testing

@Suite struct ImageCodecTests {
    private let expected: SafetensorsFixture
    private let names: [String]

    init() throws {
        expected = try SafetensorsFixture("images/expected.safetensors")
        names = expected.entries.keys.sorted()
    }

    @Test("every kind of image decodes to Pillow's pixels")
    func pillowPixels() throws {
        #expect(names.count > 150)
        for name in names {
            let path = fixture("images/\(name)")
            let image = try ImageCodec.decode(path: path)
            let wanted = try #require(expected.image(name))
            #expect(image.size == wanted.size, "\(name)")
            let isEqual = image.pixels == wanted.pixels
            #expect(isEqual, "\(name)")
            #expect(try ImageCodec.header(path: path).size == wanted.size, "\(name)")
            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            #expect(try ImageCodec.decode(bytes: bytes) == image, "\(name)")
        }
    }

    @Test("the reference's photographs decode to its pixels")
    func referenceImages() throws {
        let decoded = try SafetensorsFixture("data_decoded.safetensors")
        for (name, key) in [
            ("a.png", "11"), ("b.jpg", "25"), ("c_gray.png", "7"), ("d_rgba.png", "42"),
        ] {
            let image = try ImageCodec.decode(path: fixture("coco/images/\(name)"))
            #expect(image == decoded.image(key), "\(name)")
        }
    }

    @Test("the EXIF orientation is read always and applied on request")
    func orientation() throws {
        let flat = try ImageCodec.decode(path: fixture("images/jpeg_exif1.jpg"))
        let options = DecodeOptions(applyEXIF: true)
        for value in 1...8 {
            let path = fixture("images/jpeg_exif\(value).jpg")
            let header = try ImageCodec.header(path: path)
            #expect(header.orientation == value && header.format == .jpeg)
            let image = try ImageCodec.decode(path: path, options: options)
            #expect(image == flat.upright(from: value))
            #expect(image.size == header.orientedSize)
            #expect(try ImageCodec.decode(path: path) == flat)
        }
        #expect(try ImageCodec.header(path: fixture("images/png_exif6.png")).orientation == 6)
        #expect(try ImageCodec.header(path: fixture("images/webp_exif8.webp")).orientation == 8)
    }

    @Test("turning by each orientation moves the pixels where EXIF says")
    func turning() {
        let image = RGBImage(
            size: Size(height: 2, width: 3), pixels: (0..<6).flatMap { [$0, $0, $0] })
        let turned: [[UInt8]] = [
            [0, 1, 2, 3, 4, 5], [2, 1, 0, 5, 4, 3], [5, 4, 3, 2, 1, 0], [3, 4, 5, 0, 1, 2],
            [0, 3, 1, 4, 2, 5], [3, 0, 4, 1, 5, 2], [5, 2, 4, 1, 3, 0], [2, 5, 1, 4, 0, 3],
        ]
        for (index, values) in turned.enumerated() {
            let result = image.upright(from: index + 1)
            #expect(result.pixels == values.flatMap { [$0, $0, $0] }, "orientation \(index + 1)")
            #expect(result.size.width == (index < 4 ? 3 : 2))
        }
    }

    @Test("a JPEG that is cut anywhere is truncated, as for Pillow")
    func truncatedJPEG() throws {
        let bytes = try fixtureBytes("jpeg_s2_q92.jpg")
        for length in [
            3, 30, 300, bytes.count / 2, bytes.count - 20, bytes.count - 2, bytes.count - 1,
        ] {
            #expect(throws: ImageError.truncated(file: "cut", format: .jpeg), "\(length)") {
                try ImageCodec.decode(bytes: Array(bytes.prefix(length)), name: "cut")
            }
        }
    }

    @Test("no image, cut at any length, does more than throw")
    func truncatedAnywhere() throws {
        for name in names {
            let bytes = try fixtureBytes(name)
            for part in stride(from: 0, to: bytes.count, by: max(bytes.count / 40, 1)) {
                let cut = Array(bytes.prefix(part))
                _ = try? ImageCodec.decode(bytes: cut)
                _ = cut.withUnsafeBytes { try? ImageCodec.header(bytes: $0) }
            }
        }
        for name in ["png_rgb8.png", "webp_lossless.webp", "bmp_rgb.bmp", "tiff_raw_rgb.tif"] {
            let bytes = try fixtureBytes(name)
            #expect(throws: ImageError.self, "\(name)") {
                try ImageCodec.decode(bytes: Array(bytes.prefix(bytes.count / 2)))
            }
        }
    }

    @Test("no image with changed bytes does more than throw")
    func mutated() throws {
        for (seed, name) in names.enumerated() {
            let bytes = try fixtureBytes(name)
            let random = noise(60, seed: UInt64(seed + 1))
            for round in stride(from: 0, to: 60, by: 6) {
                var changed = bytes
                for pair in 0..<2 {
                    let place =
                        Int(random[round + 3 * pair]) << 8 | Int(random[round + 3 * pair + 1])
                    // Headers are hit as often as pixels.
                    let span = pair == 0 ? min(bytes.count, 120) : bytes.count
                    changed[place % span] = random[round + 3 * pair + 2]
                }
                _ = try? ImageCodec.decode(
                    bytes: changed, options: DecodeOptions(maxPixels: 1_000_000, applyEXIF: true))
            }
        }
    }

    @Test("an image over the limit is refused by its header")
    func tooLarge() throws {
        for name in names {
            let path = fixture("images/\(name)")
            let stored = try #require(expected.image(name)).size
            #expect(throws: ImageError.self, "\(name)") {
                try ImageCodec.decode(
                    path: path, options: DecodeOptions(maxPixels: stored.width * stored.height - 1))
            }
        }
        var bytes = try fixtureBytes("png_rgb8.png")
        bytes.replaceSubrange(16..<24, with: [0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF])
        let size = Size(square: 0x7FFF_FFFF)
        #expect(throws: ImageError.tooLarge(file: "bomb", size: size, maxPixels: 200_000_000)) {
            try ImageCodec.decode(bytes: bytes, name: "bomb")
        }
        // Within the limit, but far more than so few bytes can hold.
        bytes.replaceSubrange(16..<24, with: [0, 0, 0x30, 0, 0, 0, 0x30, 0])
        #expect(throws: ImageError.truncated(file: "bomb", format: .png)) {
            try ImageCodec.decode(bytes: bytes, name: "bomb")
        }
    }

    @Test("a JPEG start with only garbage behind it is given up soon")
    func garbage() {
        let bytes: [UInt8] = [0xFF, 0xD8, 0xFF] + [UInt8](repeating: 0xFF, count: 4_000_000)
        #expect(throws: ImageError.self) { try ImageCodec.decode(bytes: bytes) }
    }

    @Test("what is no image, or no file, is named")
    func notImages() throws {
        let cases: [([UInt8], String)] = [
            ([], "x: expected a JPEG, PNG, WebP, TIFF or BMP image, found an empty file"),
            (
                Array("GIF89a......".utf8),
                "x: expected a JPEG, PNG, WebP, TIFF or BMP image, found a GIF image: "
                    + "convert it, to PNG say"
            ),
            (
                [0, 1, 2, 255],
                "x: expected a JPEG, PNG, WebP, TIFF or BMP image, found a file that starts with "
                    + "the bytes 00 01 02 ff"
            ),
        ]
        for (bytes, text) in cases {
            let error = #expect(throws: ImageError.self) {
                try ImageCodec.decode(bytes: bytes, name: "x")
            }
            #expect(error?.description == text)
        }
        for path in ["/dev/zero", "/", fixture("no such file.png"), "a\0b.png", ""] {
            #expect(throws: ImageError.self, "\(path)") { try ImageCodec.decode(path: path) }
            #expect(throws: ImageError.self, "\(path)") { try ImageCodec.header(path: path) }
        }
    }

    @Test("a PNG that is written is read back, and an impossible one is refused")
    func pngRoundTrip() throws {
        let image = noiseImage(Size(height: 31, width: 45))
        #expect(try ImageCodec.decode(bytes: ImageCodec.encodePNG(image)) == image)
        let grey = noise(31 * 45, seed: 3)
        let decoded = try ImageCodec.decode(
            bytes: ImageCodec.encodePNG(grey: grey, size: image.size))
        #expect(decoded.pixels == grey.flatMap { [$0, $0, $0] })
        #expect(throws: ImageError.self) {
            try ImageCodec.encodePNG(grey: grey, size: Size(height: 31, width: 44))
        }
        #expect(throws: ImageError.self) {
            try ImageCodec.encodePNG(RGBImage(size: Size(square: 0), pixels: []))
        }
    }

    private func fixtureBytes(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: fixture("images/\(name)"))))
    }
}
