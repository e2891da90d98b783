import Imaging
import Testing

/// Other tests compare the best instructions with Pillow; here all others are compared with them.
@Suite struct InstructionSetTests {
    private func everySet<Value: Equatable>(
        _ comment: String, sourceLocation: SourceLocation = #_sourceLocation,
        _ make: () throws -> Value
    ) rethrows {
        let expected = try make()
        for instructions in InstructionSet.available where instructions != .best {
            let found = try InstructionSet.$current.withValue(instructions) { try make() }
            let isEqual = found == expected
            #expect(isEqual, "\(comment) with \(instructions)", sourceLocation: sourceLocation)
        }
    }

    @Test("crops")
    func crops() throws {
        let image = noiseImage(Size(height: 61, width: 83))
        let windows = [
            CropWindow(minX: 0, minY: 0, maxX: 83, maxY: 61),
            CropWindow(minX: 70, minY: 50, maxX: 83, maxY: 61),
            CropWindow(minX: 11, minY: 7, maxX: 19, maxY: 40),
            CropWindow(minX: -9, minY: 40, maxX: 100, maxY: 70),
            CropWindow(minX: 82, minY: 60, maxX: 83, maxY: 61),
        ]
        for window in windows {
            for side in [1, 5, 32, 67, 200] {
                for isMirrored in [false, true] {
                    try everySet("\(window) to \(side)") {
                        try image.wrappedCrop(
                            window, resizedTo: Size(square: side), isMirrored: isMirrored)
                    }
                }
            }
        }
    }

    @Test("a mirrored crop is the crop, mirrored")
    func mirrored() throws {
        let image = noiseImage(Size(height: 31, width: 40))
        let box = Box(cocoX: 3.5, y: 4, width: 20, height: 11)
        let windows = [
            CropWindow(minX: -4, minY: 2, maxX: 30, maxY: 40),
            CropWindow(minX: 5, minY: 3, maxX: 29, maxY: 27),
        ]
        for window in windows {
            for target in [Size(square: 24), Size(height: 9, width: 50)] {
                var crop = try image.wrappedCrop(window, resizedTo: target)
                crop.mirror()
                let turned = try image.wrappedCrop(window, resizedTo: target, isMirrored: true)
                #expect(turned == crop)
                var mask = try Mask(
                    box: box, image: image.size, wrappedCrop: window, resizedTo: target)
                mask.mirror()
                let turnedMask = try Mask(
                    box: box, image: image.size, wrappedCrop: window, resizedTo: target,
                    isMirrored: true)
                #expect(turnedMask == mask)
            }
        }
    }

    @Test("colour changes and blurs")
    func augmentations() {
        let changes: [ColorAdjustment] = [
            .brightness(0.63), .brightness(1.37), .contrast(0.71), .contrast(1.4),
            .saturation(0.8), .saturation(1.2), .hue(-0.1), .hue(0.07),
        ]
        for width in [1, 3, 127, 128, 129, 400] {
            let image = noiseImage(Size(height: 5, width: width), seed: UInt64(width))
            for change in changes {
                everySet("\(change) of \(width)") {
                    image.augmented(AugmentationDraw(adjustments: [change]))
                }
            }
            everySet("grey of \(width)") { image.augmented(AugmentationDraw(isGrayscale: true)) }
            for radius in [0.1, 0.9, 1.9, 3.3, 9.5] {
                everySet("blur of \(width) by \(radius)") {
                    image.augmented(AugmentationDraw(blurRadius: radius))
                }
            }
        }
    }

    @Test("pasted masks")
    func pastedMasks() {
        let side = 37
        let crop = noise(side * side, seed: 2).map { Float($0) / 255 }
        let image = Size(height: 90, width: 120)
        for window in [
            CropWindow(minX: 3, minY: 5, maxX: 20, maxY: 19),
            CropWindow(minX: -7, minY: -30, maxX: 119, maxY: 130),
            CropWindow(minX: 60, minY: 70, maxX: 121, maxY: 108),
        ] {
            for threshold in [Float(0.1), 0.5] {
                everySet("\(window)") {
                    crop.withUnsafeBufferPointer {
                        pasteMask(
                            probabilities: $0, cropSize: side, window: window, imageSize: image,
                            threshold: threshold
                        ).pixels
                    }
                }
            }
        }
    }
}
