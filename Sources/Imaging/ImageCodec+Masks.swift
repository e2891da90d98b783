import CImaging

extension ImageCodec {
    /// The pixels of a PNG that are set: those that are not transparent, or where nothing can be
    /// transparent those that are not black.
    package static func decodeMask(
        path: String, maxPixels: Int = 200_000_000
    ) throws(ImageError) -> Mask {
        let file = try OpenFile(path: path)
        let found = try checkedHeader(
            of: file.source, name: path, options: DecodeOptions(maxPixels: maxPixels))
        guard let data = file.source.bytes(at: 0, count: file.source.count) else {
            throw .truncated(file: path, format: found.header.format)
        }
        return try mask(data, found, name: path)
    }

    /// The same of a PNG in memory; `name` stands for the file in errors.
    package static func decodeMask(
        bytes: [UInt8], name: String, maxPixels: Int = 200_000_000
    ) throws(ImageError) -> Mask {
        let result = bytes.withUnsafeBytes { raw in
            Result { () throws(ImageError) in
                try checkedHeader(
                    of: ByteSource(raw), name: name, options: DecodeOptions(maxPixels: maxPixels))
            }
        }
        return try mask(bytes, result.get(), name: name)
    }

    private static func mask(
        _ data: [UInt8], _ found: HeaderReader.Result, name: String
    ) throws(ImageError) -> Mask {
        guard found.header.format == .png else {
            throw .unsupported(
                file: name, format: found.header.format, what: "masks are read from PNG only")
        }
        let size = found.storedSize
        var message = [CChar](repeating: 0, count: Int(CI_MESSAGE))
        var status: Int32 = 0
        let pixels = [UInt8](unsafeUninitializedCapacity: size.width * size.height) {
            buffer, count in
            status = ci_png_decode_mask(
                data, data.count, UInt32(size.width), UInt32(size.height), buffer.baseAddress,
                &message)
            count = status == 0 ? size.width * size.height : 0
        }
        switch ci_status(rawValue: ci_status.RawValue(status)) {
        case CI_OK: return Mask(size: size, pixels: pixels)
        case CI_TRUNCATED: throw .truncated(file: name, format: .png)
        default: throw .damaged(file: name, format: .png, reason: text(message))
        }
    }
}

/// zlib's format, in which Supervisely packs its masks.
package enum Deflate {
    /// - Parameter limit: the most bytes of the result.
    /// - Returns: nil for what is no such data, or unpacks to more.
    package static func unpack(_ data: [UInt8], limit: Int) -> [UInt8]? {
        result { ci_inflate(data, data.count, limit, $0, $1, $2) }
    }

    /// - Returns: nil if there is not enough memory.
    package static func pack(_ data: [UInt8]) -> [UInt8]? {
        result { ci_deflate(data, data.count, $0, $1, $2) }
    }

    private static func result(
        _ body: (
            UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>, UnsafeMutablePointer<Int>,
            UnsafeMutablePointer<CChar>
        ) -> Int32
    ) -> [UInt8]? {
        var message = [CChar](repeating: 0, count: Int(CI_MESSAGE))
        var output: UnsafeMutablePointer<UInt8>?
        var count = 0
        guard body(&output, &count, &message) == 0, let output else { return nil }
        defer { ci_free(output) }
        return [UInt8](UnsafeBufferPointer(start: output, count: count))
    }
}
