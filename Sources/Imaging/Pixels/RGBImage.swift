/// An 8-bit colour image.
package struct RGBImage: Sendable, Equatable {
    package let size: Size
    /// H·W·3 values, row by row, red first.
    package var pixels: [UInt8]

    package init(size: Size, pixels: [UInt8]) {
        precondition(
            size.pixelCount.map { $0.multipliedReportingOverflow(by: 3) } ?? (0, true)
                == (pixels.count, false),
            "an image of \(size) needs 3 values per pixel, has \(pixels.count) in all")
        self.size = size
        self.pixels = pixels
    }

    /// An image of one colour.
    package init(size: Size, filledWith color: (red: UInt8, green: UInt8, blue: UInt8)) {
        let count = (size.pixelCount ?? 0) * 3
        let pixels = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            for start in stride(from: 0, to: count, by: 3) {
                buffer[start] = color.red
                buffer[start + 1] = color.green
                buffer[start + 2] = color.blue
            }
            initialized = count
        }
        self.init(size: size, pixels: pixels)
    }
}
