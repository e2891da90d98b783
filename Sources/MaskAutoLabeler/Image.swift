public import Foundation
package import Imaging
import Specs

/// A decoded photograph: rows of RGB pixels, 8 bits a channel.
public struct Image: Sendable {
    package let pixels: RGBImage

    package init(_ pixels: RGBImage) { self.pixels = pixels }

    /// In pixels.
    public var width: Int { pixels.size.width }
    public var height: Int { pixels.size.height }

    /// Decodes a JPEG, PNG, WebP, TIFF or BMP file, to the pixels that Pillow gives.
    ///
    /// - Parameters:
    ///   - appliesEXIF: turns the image as its EXIF orientation says; boxes are then those of the turned image.
    ///   - maxPixels: larger images are refused before they are decoded.
    /// - Throws: `ImageError` with the file and the reason.
    public init(contentsOf url: URL, appliesEXIF: Bool = false, maxPixels: Int = 200_000_000) throws
    {
        pixels = try ImageCodec.decode(
            path: url.path, options: DecodeOptions(maxPixels: maxPixels, applyEXIF: appliesEXIF))
    }

    /// Decodes a file's bytes; see ``init(contentsOf:appliesEXIF:maxPixels:)``.
    public init(data: Data, appliesEXIF: Bool = false, maxPixels: Int = 200_000_000) throws {
        let options = DecodeOptions(maxPixels: maxPixels, applyEXIF: appliesEXIF)
        pixels = try ImageCodec.decode(bytes: Array(data), options: options)
    }

    /// Pixels that are decoded already.
    ///
    /// - Parameters:
    ///   - rgb: `height` rows of `width` pixels of 3 bytes; copied.
    ///   - bytesPerRow: from one row's first byte to the next one's; nil for 3 × `width`.
    /// - Throws: `LabelingError.wrongUse` when the bytes are too few or a size is not above 0.
    public init(rgb: UnsafeRawBufferPointer, width: Int, height: Int, bytesPerRow: Int? = nil)
        throws
    {
        let (rowLength, isTooWide) = width.multipliedReportingOverflow(by: 3)
        let step = bytesPerRow ?? rowLength
        let (before, isTooHigh) = step.multipliedReportingOverflow(by: max(0, height - 1))
        let (needed, isTooLarge) = before.addingReportingOverflow(rowLength)
        guard width > 0, height > 0, !isTooWide, !isTooHigh, !isTooLarge, step >= rowLength,
            needed <= rgb.count
        else {
            throw LabelingError.wrongUse(
                "rgb: expected \(height) rows of \(width) pixels, 3 bytes a pixel, \(step) bytes from row to row; "
                    + "found \(rgb.count) bytes")
        }
        let bytes = [UInt8](unsafeUninitializedCapacity: rowLength * height) { output, count in
            for row in 0..<height {
                let source = UnsafeRawBufferPointer(
                    rebasing: rgb[(row * step)..<(row * step + rowLength)])
                UnsafeMutableRawBufferPointer(output).baseAddress?.advanced(by: count)
                    .copyMemory(from: source.baseAddress!, byteCount: rowLength)
                count += rowLength
            }
        }
        pixels = RGBImage(size: Size(height: height, width: width), pixels: bytes)
    }

    /// The same of an array.
    public init(rgb: [UInt8], width: Int, height: Int, bytesPerRow: Int? = nil) throws {
        self = try rgb.withUnsafeBytes {
            try Image(rgb: $0, width: width, height: height, bytesPerRow: bytesPerRow)
        }
    }
}
