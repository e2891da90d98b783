/// The image formats that are read, told apart by their first bytes.
public enum ImageFormat: String, Sendable, Hashable, CustomStringConvertible {
    case jpeg = "JPEG"
    case png = "PNG"
    case webp = "WebP"
    case tiff = "TIFF"
    case bmp = "BMP"

    public var description: String { rawValue }
}

/// What an image file says about itself before its pixels.
public struct ImageHeader: Sendable, Hashable {
    public let format: ImageFormat
    /// The size that decoding gives unless EXIF is applied. Orientations 5–8 then swap its sides.
    public let size: Size
    /// The EXIF orientation left to apply, 1–8; 1 (upright) if there is none. Always 1 for TIFF,
    /// which is turned when it is read, as by Pillow.
    public let orientation: Int
    /// Grey with 16 bits: values above 255 become white, unless the range is mapped.
    public let isDeepGrey: Bool

    public init(
        format: ImageFormat, size: Size, orientation: Int = 1, isDeepGrey: Bool = false
    ) {
        self.format = format
        self.size = size
        self.orientation = orientation
        self.isDeepGrey = isDeepGrey
    }

    /// The size after the orientation is applied.
    public var orientedSize: Size {
        orientation >= 5 ? Size(height: size.width, width: size.height) : size
    }
}

/// What to accept and how to turn it.
public struct DecodeOptions: Sendable, Hashable {
    /// Larger images are refused by their header, before any pixel memory is taken.
    public var maxPixels: Int
    /// Whether to turn the image as its EXIF orientation says. Off, as the reference has it.
    public var applyEXIF: Bool
    /// Whether grey of 16 bits has its range mapped to 0–255. Off, as the reference has it: values
    /// above 255 are white then.
    public var scales16Bit: Bool

    public init(maxPixels: Int = 200_000_000, applyEXIF: Bool = false, scales16Bit: Bool = false) {
        self.maxPixels = maxPixels
        self.applyEXIF = applyEXIF
        self.scales16Bit = scales16Bit
    }
}
