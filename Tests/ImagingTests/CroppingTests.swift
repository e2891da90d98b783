import Imaging
import TestSupport
import Testing

@Suite struct CroppingTests {
    @Test("the wrap-around crops of the reference")
    func referenceCrops() throws {
        let meta = try jsonFixture("data_meta.json", as: DataMeta.self)
        let image = try #require(SafetensorsFixture("data_decoded.safetensors").image("7"))
        let expected = try SafetensorsFixture("data_wrap_crops.safetensors")
        #expect(meta.wrapBoxes.boxes.count == 14)
        for (name, corners) in meta.wrapBoxes.boxes {
            let crop = try image.wrappedCrop(CropWindow(corners))
            #expect(crop == expected.image(name), "\(name)")
        }
    }

    @Test("wrapping is modulo at any distance, padding is zero")
    func anyDistance() throws {
        let size = Size(height: 3, width: 4)
        let mask = noiseMask(size)
        let window = CropWindow(minX: -9, minY: -7, maxX: 10, maxY: 8)
        let wrapped = try mask.wrappedCrop(window)
        let padded = try mask.zeroPaddedCrop(window)
        for y in 0..<window.height {
            for x in 0..<window.width {
                let (row, column) = (window.minY + y, window.minX + x)
                let inside = (0..<3).contains(row) && (0..<4).contains(column)
                let value = mask.pixels[(row + 9) % 3 * 4 + (column + 12) % 4]
                #expect(wrapped.pixels[y * window.width + x] == value)
                #expect(padded.pixels[y * window.width + x] == (inside ? value : 0))
            }
        }
        let far = CropWindow(minX: 400, minY: 300, maxX: 404, maxY: 303)
        #expect(try mask.wrappedCrop(far) == mask)
        #expect(try mask.zeroPaddedCrop(far) == Mask(empty: size))
    }

    @Test("empty and absurd windows are refused")
    func refused() {
        let image = noiseImage(Size(square: 4))
        for window in [
            CropWindow(minX: 3, minY: 0, maxX: 3, maxY: 4),
            CropWindow(minX: 0, minY: 0, maxX: 900_000_000, maxY: 4),
            CropWindow(minX: 0, minY: 0, maxX: 4_000_000, maxY: 4_000_000),
        ] {
            #expect(throws: ImageError.self) { try image.wrappedCrop(window) }
        }
        #expect(throws: ImageError.self) {
            try image.wrappedCrop(
                CropWindow(minX: 0, minY: 0, maxX: 900_000_000, maxY: 4), resizedTo: Size(square: 8)
            )
        }
        #expect(throws: ImageError.self) { try image.resized(to: Size(height: 0, width: 4)) }
        #expect(throws: ImageError.self) {
            try noiseImage(Size(height: 0, width: 4)).resized(to: Size(square: 4))
        }
    }

    @Test("a box mask covers both its ends and stops at the image's edge")
    func boxMask() {
        let size = Size(height: 4, width: 5)
        let mask = Mask(box: Box(cocoX: 1, y: 0.9, width: 2, height: 1.2), size: size)
        #expect(
            mask.pixels == [
                0, 1, 1, 1, 0,
                0, 1, 1, 1, 0,
                0, 1, 1, 1, 0,
                0, 0, 0, 0, 0,
            ])
        #expect(mask.area == 9)
        #expect(Mask(box: Box(cocoX: -3, y: 2, width: 90, height: 9), size: size).area == 10)
        #expect(Mask(box: Box(cocoX: 7, y: 0, width: 2, height: 2), size: size).area == 0)
        #expect(Mask(box: Box(cocoX: -9, y: 0, width: 2, height: 2), size: size).area == 0)
    }
}
