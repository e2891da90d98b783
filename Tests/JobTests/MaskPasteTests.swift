import Imaging
import Testing
import Torch

@Suite("Pasting masks")
struct MaskPasteTests {
    /// R of SPEC §8 over the whole image by libtorch, thresholded.
    func slow(
        _ crop: [Float], side: Int, window: CropWindow, image: Size, threshold: Float
    ) -> [UInt8] {
        let resized = interpolate(
            Tensor(crop, [1, 1, side, side]), height: window.height, width: window.width, .bilinear
        ).floats()
        var out = [UInt8](repeating: 0, count: image.height * image.width)
        for y in max(window.minY, 0)..<min(window.maxY, image.height) {
            for x in max(window.minX, 0)..<min(window.maxX, image.width) {
                let value = resized[(y - window.minY) * window.width + x - window.minX]
                out[y * image.width + x] = value > threshold ? 1 : 0
            }
        }
        return out
    }

    @Test(
        "equals libtorch's resize at image size, enlarging, reducing and over every edge",
        arguments: [
            CropWindow(minX: 5, minY: 6, maxX: 41, maxY: 37),
            CropWindow(minX: -8, minY: -3, maxX: 20, maxY: 60),
            CropWindow(minX: 30, minY: 20, maxX: 75, maxY: 52),
            CropWindow(minX: 10, minY: 10, maxX: 13, maxY: 12),
            CropWindow(minX: -20, minY: -20, maxX: 90, maxY: 80),
        ])
    func equalsLibtorch(window: CropWindow) {
        let side = 16
        let image = Size(height: 48, width: 64)
        var generator = Generator(seed: 7)
        let crop = (0..<side * side).map { _ in Float(generator.unit()) }
        let mask = crop.withUnsafeBufferPointer {
            pasteMask(
                probabilities: $0, cropSize: side, window: window, imageSize: image, threshold: 0.5)
        }
        var pasted = [UInt8](repeating: 0, count: image.height * image.width)
        for y in 0..<mask.size.height {
            for x in 0..<mask.size.width {
                pasted[(mask.originY + y) * image.width + mask.originX + x] =
                    mask.pixels[y * mask.size.width + x]
            }
        }
        #expect(pasted == slow(crop, side: side, window: window, image: image, threshold: 0.5))
        #expect(pasted.contains(1))
    }

    @Test("a window outside the image gives no mask")
    func outside() {
        let mask = [Float](repeating: 1, count: 4).withUnsafeBufferPointer {
            pasteMask(
                probabilities: $0, cropSize: 2,
                window: CropWindow(minX: 70, minY: 0, maxX: 90, maxY: 9),
                imageSize: Size(height: 48, width: 64), threshold: 0.5)
        }
        #expect(mask.pixels.isEmpty)
    }
}
