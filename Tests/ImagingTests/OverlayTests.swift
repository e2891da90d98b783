import Imaging
import Testing

@Suite struct OverlayTests {
    @Test("a mask is tinted inside, coloured at its edge and leaves the rest alone")
    func maskDrawing() {
        let size = Size(height: 9, width: 11)
        let grey = RGBImage(size: size, filledWith: (100, 100, 100))
        var overlay = Overlay(grey)
        let mask = Mask(box: Box(cocoX: 2, y: 2, width: 4, height: 4), size: size)
        overlay.draw(mask, index: 4)
        let color = Overlay.color(4)
        let edge = [color.red, color.green, color.blue]
        for y in 0..<size.height {
            for x in 0..<size.width {
                let start = (y * size.width + x) * 3
                let pixel = Array(overlay.image.pixels[start..<start + 3])
                let isInside = (2...6).contains(x) && (2...6).contains(y)
                let isCore = (3...5).contains(x) && (3...5).contains(y)
                if isCore {
                    #expect(pixel != edge && pixel != [100, 100, 100])
                } else {
                    #expect(pixel == (isInside ? edge : [100, 100, 100]))
                }
            }
        }
    }

    @Test("a box is drawn as its border, cut at the image's edge")
    func boxDrawing() {
        let size = Size(height: 6, width: 7)
        var overlay = Overlay(RGBImage(size: size, filledWith: (0, 0, 0)))
        overlay.draw(Box(minX: -4, minY: 1, maxX: 4.2, maxY: 4), index: 0)
        let drawn = (0..<42).map { index in
            overlay.image.pixels[index * 3..<index * 3 + 3].contains { $0 != 0 } ? 1 : 0
        }
        #expect(
            drawn == [
                0, 0, 0, 0, 0, 0, 0,
                1, 1, 1, 1, 1, 0, 0,
                1, 0, 0, 0, 1, 0, 0,
                1, 1, 1, 1, 1, 0, 0,
                0, 0, 0, 0, 0, 0, 0,
                0, 0, 0, 0, 0, 0, 0,
            ])
        let before = overlay.image
        overlay.draw(Box(minX: 9, minY: 1, maxX: 12, maxY: 4), index: 0)
        overlay.draw(Box(minX: .nan, minY: 1, maxX: 12, maxY: 4), index: 0)
        overlay.draw(Mask(empty: size), index: 1)
        #expect(overlay.image == before)
    }

    @Test("the first forty instances have forty different colours")
    func colors() {
        let colors = (0..<40).map(Overlay.color)
        let distinct = Set(colors.map { [$0.red, $0.green, $0.blue] })
        #expect(distinct.count == 40)
        _ = (Overlay.color(.max), Overlay.color(.min))
    }

    @Test("the bounds of a mask are its smallest window")
    func bounds() {
        let size = Size(height: 8, width: 9)
        let mask = Mask(box: Box(cocoX: 2, y: 3, width: 4, height: 1), size: size)
        #expect(mask.bounds == CropWindow(minX: 2, minY: 3, maxX: 7, maxY: 5))
        #expect(Mask(empty: size).bounds == nil)
    }
}
