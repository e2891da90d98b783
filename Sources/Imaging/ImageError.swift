/// Why an image could not be read, cut or written. `file` is the path, or what the caller named it.
public enum ImageError: Error, Equatable, Sendable {
    /// The file cannot be opened or read; `reason` is the system's.
    case unreadable(file: String, reason: String)
    /// The first bytes are those of no format that is read.
    case unknownFormat(file: String, found: String)
    /// More pixels than allowed, by the header alone.
    case tooLarge(file: String, size: Size, maxPixels: Int)
    /// The data ends before the image does.
    case truncated(file: String, format: ImageFormat)
    /// The data breaks its format's rules; `reason` says how.
    case damaged(file: String, format: ImageFormat, reason: String)
    /// A valid file of a kind that is not read.
    case unsupported(file: String, format: ImageFormat, what: String)
    /// A crop window that is empty or absurdly large.
    case impossibleCrop(window: CropWindow, reason: String)
    /// An image that cannot be written; `reason` says why.
    case notEncodable(reason: String)
}

extension ImageError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unreadable(let file, let reason):
            "\(file): cannot be read: \(reason)"
        case .unknownFormat(let file, let found):
            "\(file): expected a JPEG, PNG, WebP, TIFF or BMP image, found \(found)"
        case .tooLarge(let file, let size, let maxPixels):
            "\(file): the image is \(size) pixels, at most \(maxPixels) pixels are allowed"
        case .truncated(let file, let format):
            "\(file): the \(format) image is truncated: its data ends too early"
        case .damaged(let file, let format, let reason):
            "\(file): the \(format) image is damaged: \(reason)"
        case .unsupported(let file, let format, let what):
            "\(file): the \(format) image is of a kind that is not read: \(what)"
        case .impossibleCrop(let window, let reason):
            "crop window x \(window.minX)..<\(window.maxX), y \(window.minY)..<\(window.maxY): "
                + reason
        case .notEncodable(let reason):
            "cannot write the image: \(reason)"
        }
    }
}
