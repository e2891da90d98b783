import CImaging

/// The numbers of a label image, row by row.
package enum LabelPixels: Sendable, Equatable {
    /// 0 or 1, written with a bit a pixel.
    case bits([UInt8])
    case bytes([UInt8])
    case words([UInt16])

    var count: Int {
        switch self {
        case .bits(let values), .bytes(let values): values.count
        case .words(let values): values.count
        }
    }
}

extension ImageCodec {
    /// Numbers as a PNG file.
    ///
    /// - Parameter palette: 256 colours, red first, for `bytes`; without one the file is grey.
    /// - Throws: `ImageError.notEncodable`.
    package static func encodePNG(
        labels: LabelPixels, size: Size, palette: [UInt8]? = nil
    ) throws(ImageError) -> [UInt8] {
        guard size.width > 0, size.height > 0, max(size.width, size.height) < 1_000_000,
            labels.count == size.pixelCount
        else {
            throw .notEncodable(
                reason: "expected a number for each of \(size) pixels, 1 to 999999 a side, "
                    + "found \(labels.count)")
        }
        precondition(palette.map { $0.count == 768 } ?? true, "a palette has 256 colours")
        var message = [CChar](repeating: 0, count: Int(CI_MESSAGE))
        var file: UnsafeMutablePointer<UInt8>?
        var length = 0
        func encode(_ values: UnsafeRawPointer?, depth: Int32) -> Int32 {
            ci_png_encode_labels(
                values, UInt32(size.width), UInt32(size.height), depth, palette, &file, &length,
                &message)
        }
        let status =
            switch labels {
            case .bits(let values): values.withUnsafeBytes { encode($0.baseAddress, depth: 1) }
            case .bytes(let values): values.withUnsafeBytes { encode($0.baseAddress, depth: 8) }
            case .words(let values): values.withUnsafeBytes { encode($0.baseAddress, depth: 16) }
            }
        guard status == 0, let file else { throw .notEncodable(reason: text(message)) }
        defer { ci_free(file) }
        return [UInt8](UnsafeBufferPointer(start: file, count: length))
    }

    /// The numbers of a grey or palette PNG, row by row, as they are stored: no palette is looked
    /// up, nothing is scaled.
    package static func decodeLabels(
        path: String, maxPixels: Int = 200_000_000
    ) throws(ImageError) -> (size: Size, values: [UInt16]) {
        let file = try OpenFile(path: path)
        return try decodeLabels(file.source, name: path, maxPixels: maxPixels)
    }

    /// The same of a PNG in memory; `name` stands for the file in errors.
    package static func decodeLabels(
        bytes: [UInt8], name: String, maxPixels: Int = 200_000_000
    ) throws(ImageError) -> (size: Size, values: [UInt16]) {
        try bytes.withUnsafeBytes { raw in
            Result { () throws(ImageError) in
                try decodeLabels(ByteSource(raw), name: name, maxPixels: maxPixels)
            }
        }.get()
    }

    static func decodeLabels(
        _ source: ByteSource, name: String, maxPixels: Int = .max
    ) throws(ImageError) -> (size: Size, values: [UInt16]) {
        let found = try checkedHeader(
            of: source, name: name, options: DecodeOptions(maxPixels: maxPixels))
        guard found.header.format == .png else {
            throw .unsupported(
                file: name, format: found.header.format, what: "labels are read from PNG only")
        }
        guard let data = source.bytes(at: 0, count: source.count) else {
            throw .truncated(file: name, format: .png)
        }
        let size = found.storedSize
        var message = [CChar](repeating: 0, count: Int(CI_MESSAGE))
        var status: Int32 = 0
        let values = [UInt16](unsafeUninitializedCapacity: size.width * size.height) {
            buffer, count in
            status = ci_png_decode_labels(
                data, data.count, UInt32(size.width), UInt32(size.height), buffer.baseAddress,
                &message)
            count = status == 0 ? size.width * size.height : 0
        }
        switch ci_status(rawValue: ci_status.RawValue(status)) {
        case CI_OK: return (size, values)
        case CI_TRUNCATED: throw .truncated(file: name, format: .png)
        case CI_UNSUPPORTED:
            throw .unsupported(file: name, format: .png, what: text(message))
        default: throw .damaged(file: name, format: .png, reason: text(message))
        }
    }
}
