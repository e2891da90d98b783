/// Reads images by content, never by file name, and writes PNG.
public enum ImageCodec {
    /// The size, format and orientation of an image file, from its first bytes only.
    public static func header(path: String) throws(ImageError) -> ImageHeader {
        throw .unreadable(file: path, reason: "the decoder is in the next commit")
    }

    /// The image in a file, as Pillow's `Image.open(path).convert("RGB")` gives it.
    public static func decode(
        path: String, options: DecodeOptions = DecodeOptions()
    ) throws(ImageError) -> RGBImage {
        throw .unreadable(file: path, reason: "the decoder is in the next commit")
    }

    /// The image in `bytes`; `name` stands for the file in errors.
    public static func decode(
        bytes: UnsafeRawBufferPointer, name: String = "image data",
        options: DecodeOptions = DecodeOptions()
    ) throws(ImageError) -> RGBImage {
        throw .unreadable(file: name, reason: "the decoder is in the next commit")
    }

    /// `image` as a PNG file.
    public static func encodePNG(_ image: RGBImage) throws(ImageError) -> [UInt8] {
        throw .notEncodable(reason: "the encoder is in the next commit")
    }

    /// An 8-bit grey PNG file of H·W values.
    public static func encodePNG(grey: [UInt8], size: Size) throws(ImageError) -> [UInt8] {
        throw .notEncodable(reason: "the encoder is in the next commit")
    }
}
