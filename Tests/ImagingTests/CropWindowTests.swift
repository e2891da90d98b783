import Imaging
import TestSupport
import Testing

@Suite struct CropWindowTests {
    struct Case: Decodable {
        let bbox: [Double]
        let rand4: [Double]
        let rand2: [Double]
        let marginRate: [Double]
        let trainExt: [Int]
        let margins: [Double]
        let testExt: [Int]
    }

    @Test("the 300 extended boxes of the reference, train and test")
    func referenceWindows() throws {
        let cases = try jsonFixture("data_ext_boxes.json", as: [Case].self)
        #expect(cases.count == 300)
        for item in cases {
            let box = Box(item.bbox)
            let margins = Margins.train(
                from: item.marginRate[0], to: item.marginRate[1],
                sides: (item.rand4[0], item.rand4[1], item.rand4[2], item.rand4[3]),
                gates: (item.rand2[0], item.rand2[1]))
            #expect([margins.left, margins.top, margins.right, margins.bottom] == item.margins)
            #expect(CropWindow(around: box, margins: margins) == CropWindow(item.trainExt))
            #expect(CropWindow(around: box, margins: .test(rate: 0.6)) == CropWindow(item.testExt))
        }
    }

    @Test("corners that fit no integer are held, not trapped on")
    func hostileCorners() {
        for value in [Double.infinity, -.infinity, .nan, 1e300, -1e300, 1e18] {
            let box = Box(cocoX: value, y: -value, width: value, height: value)
            let window = CropWindow(around: box, margins: .test(rate: 0.6))
            #expect(abs(window.minX) <= 1_000_000_000 && window.width >= 0)
            _ = Mask(box: box, size: Size(square: 4))
        }
        let extreme = CropWindow(minX: .min, minY: .max, maxX: .max, maxY: .min)
        #expect(extreme.width == 2_000_000_000 && extreme.height == 0)
    }

    @Test("a box is clipped to the image, or nothing is left")
    func clipping() {
        let size = Size(height: 10, width: 20)
        #expect(
            Box(cocoX: -2, y: 3.5, width: 30, height: 3).clipped(to: size)
                == Box(minX: 0, minY: 3.5, maxX: 20, maxY: 6.5))
        #expect(Box(cocoX: 20, y: 0, width: 5, height: 5).clipped(to: size) == nil)
        #expect(Box(cocoX: 3, y: 3, width: 0, height: 5).clipped(to: size) == nil)
        #expect(Box(cocoX: .nan, y: 3, width: 4, height: 5).clipped(to: size) == nil)
        #expect(Box(cocoX: 1, y: 2, width: 3, height: 4).area == 12)
    }
}
