import Imaging
import TestSupport
import Testing

@Suite struct ResizeTests {
    @Test("Pillow's bicubic resize, byte for byte")
    func pillowCases() throws {
        let cases = try SafetensorsFixture("data_pil_bicubic.safetensors")
        for index in 0..<9 {
            let image = try #require(cases.image("\(index).RGB.in"))
            let expected = try #require(cases.image("\(index).RGB.out"))
            #expect(try image.resized(to: expected.size) == expected, "case \(index)")
            let grey = try #require(cases.mask("\(index).L.in"))
            let greyExpected = try #require(cases.mask("\(index).L.out"))
            #expect(try grey.resized(to: greyExpected.size) == greyExpected, "grey \(index)")
        }
        let mask = try #require(cases.mask("mask01.in"))
        #expect(try mask.resized(to: Size(square: 20)) == cases.mask("mask01.out20"))
        #expect(try mask.resized(to: Size(square: 64)) == cases.mask("mask01.out64"))
    }

    @Test("the reference's training and test crops, images and masks")
    func referenceCrops() throws {
        let meta = try jsonFixture("data_meta.json", as: DataMeta.self)
        let images = try SafetensorsFixture("data_decoded.safetensors")
        let crops = try SafetensorsFixture("data_crops_c64.safetensors")
        let target = Size(square: 64)
        for item in meta.crops {
            let image = try #require(images.image("\(item.imageId)"))
            let truth = try #require(crops.mask("\(item.id).gtmask"))
            let box = Box(item.bbox)
            let test = CropWindow(around: box, margins: .test(rate: 0.6))
            #expect(test == CropWindow(item.testExt))
            #expect(
                try image.wrappedCrop(test, resizedTo: target)
                    == crops.image("\(item.id).test.image"))
            #expect(
                try truth.wrappedCrop(test, resizedTo: target) == crops.mask("\(item.id).test.mask")
            )
            #expect(
                try Mask(box: box, image: image.size, zeroPaddedCrop: test, resizedTo: target)
                    == crops.mask("\(item.id).test.boxmask"))
            let train = CropWindow(item.trainExt)
            let trainImage = try image.wrappedCrop(train, resizedTo: target)
            let trainMask = try Mask(
                box: box, image: image.size, wrappedCrop: train, resizedTo: target)
            #expect(trainImage == crops.image("\(item.id).train.image"), "\(item.id)")
            #expect(trainMask == crops.mask("\(item.id).train.mask"), "\(item.id)")
        }
    }

    @Test("cropping inside the resize equals cropping first")
    func fusedCrop() throws {
        let image = noiseImage(Size(height: 13, width: 17))
        let mask = noiseMask(Size(height: 13, width: 17))
        for window in windows {
            for target in [Size(square: 8), Size(height: 40, width: 31), window.size] {
                let fused = try image.wrappedCrop(window, resizedTo: target)
                #expect(try fused == image.wrappedCrop(window).resized(to: target))
                let wrapped = try mask.wrappedCrop(window, resizedTo: target)
                #expect(try wrapped == mask.wrappedCrop(window).resized(to: target))
                let padded = try mask.zeroPaddedCrop(window, resizedTo: target)
                #expect(try padded == mask.zeroPaddedCrop(window).resized(to: target))
                #expect(padded.pixels.allSatisfy { $0 <= 1 })
            }
        }
    }

    @Test("the fast box mask crop equals the full mask, cropped and resized")
    func fastBoxMask() throws {
        let size = Size(height: 13, width: 17)
        let boxes = [
            Box(cocoX: 2.5, y: 3.2, width: 6, height: 4.9),
            Box(cocoX: 0, y: 0, width: 17, height: 13),
            Box(cocoX: -4, y: 9, width: 8, height: 30),
            Box(cocoX: 12, y: 1, width: 0.5, height: 0.5),
            Box(cocoX: 40, y: 1, width: 3, height: 3),
        ]
        for box in boxes {
            let mask = Mask(box: box, size: size)
            for window in windows {
                for target in [Size(square: 8), Size(height: 40, width: 31), window.size] {
                    #expect(
                        try Mask(box: box, image: size, zeroPaddedCrop: window, resizedTo: target)
                            == mask.zeroPaddedCrop(window).resized(to: target))
                    #expect(
                        try Mask(box: box, image: size, wrappedCrop: window, resizedTo: target)
                            == mask.wrappedCrop(window).resized(to: target))
                }
            }
        }
    }

    private let windows = [
        CropWindow(minX: 0, minY: 0, maxX: 17, maxY: 13),
        CropWindow(minX: 3, minY: 2, maxX: 11, maxY: 10),
        CropWindow(minX: -5, minY: 4, maxX: 9, maxY: 22),
        CropWindow(minX: -60, minY: -41, maxX: 70, maxY: 90),
        CropWindow(minX: 20, minY: 30, maxX: 24, maxY: 31),
    ]
}
