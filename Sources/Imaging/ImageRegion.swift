/// The rectangle of an image that some crops read, with the image's size.
package struct ImageRegion: Sendable {
    package let imageSize: Size
    /// What of the image is there.
    package let columns: Range<Int>
    package let rows: Range<Int>
    let pixels: [UInt8]

    init(imageSize: Size, columns: Range<Int>, rows: Range<Int>, pixels: [UInt8]) {
        self.imageSize = imageSize
        self.columns = columns
        self.rows = rows
        self.pixels = pixels
    }

    /// All of an image.
    package init(_ image: RGBImage) {
        self.init(
            imageSize: image.size, columns: 0..<image.size.width, rows: 0..<image.size.height,
            pixels: image.pixels)
    }

    /// ``RGBImage/wrappedCrop(_:resizedTo:isMirrored:)`` of the image, for a window among those
    /// that the region was made for.
    package func wrappedCrop(
        _ window: CropWindow, resizedTo target: Size, isMirrored: Bool = false
    ) throws(ImageError) -> RGBImage {
        let plan = try ResizePlan(
            window: window, image: imageSize, target: target, isMirrored: isMirrored)
        return pixels.withUnsafeBufferPointer { bytes in plan.image(from: source(bytes)) }
    }

    /// The same, written to where its S·S·3 bytes shall be.
    package func wrappedCrop(
        _ window: CropWindow, resizedTo target: Size, into output: UnsafeMutablePointer<UInt8>
    ) throws(ImageError) {
        let plan = try ResizePlan(window: window, image: imageSize, target: target)
        pixels.withUnsafeBufferPointer { bytes in
            plan.run(on: source(bytes), edge: .wrapped, into: output)
        }
    }

    private func source(_ bytes: UnsafeBufferPointer<UInt8>) -> PixelSource {
        PixelSource(
            bytes: bytes, imageSize: imageSize, channels: 3, columns: columns, rows: rows)
    }
}
