extension RGBImage {
    /// The image turned so that EXIF orientation `orientation` (1–8) stands upright.
    package func upright(from orientation: Int) -> RGBImage {
        guard (2...8).contains(orientation) else { return self }
        let swaps = orientation >= 5
        let turned = swaps ? Size(height: size.width, width: size.height) : size
        // Steps through the source while the result is walked row by row.
        let (height, width) = (size.height, size.width)
        let (start, alongRow, alongColumn) =
            switch orientation {
            case 2: (width - 1, -1, width)
            case 3: (height * width - 1, -1, -width)
            case 4: ((height - 1) * width, 1, -width)
            case 5: (0, width, 1)
            case 6: ((height - 1) * width, -width, 1)
            case 7: (height * width - 1, -width, -1)
            default: (width - 1, width, -1)
            }
        let result = [UInt8](unsafeUninitializedCapacity: pixels.count) { output, count in
            count = pixels.count
            pixels.withUnsafeBufferPointer { input in
                var target = 0
                for y in 0..<turned.height {
                    var source = (start + y * alongColumn) * 3
                    for _ in 0..<turned.width {
                        output[target] = input[source]
                        output[target + 1] = input[source + 1]
                        output[target + 2] = input[source + 2]
                        target += 3
                        source += alongRow * 3
                    }
                }
            }
        }
        return RGBImage(size: turned, pixels: result)
    }
}
