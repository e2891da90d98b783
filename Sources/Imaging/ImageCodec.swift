import CImaging

/// Reads images by content, never by file name, and writes PNG.
///
/// Pixels are those of Pillow 11.1's `Image.open(file).convert("RGB")`: alpha is dropped, palettes
/// are looked up, CMYK is converted without profiles, 16-bit grey is clipped to 255. Of an
/// animation or a multi-page file the first frame is read.
package enum ImageCodec {
    /// The size, format and orientation of an image file. Reads only the file's headers.
    ///
    /// The orientation of a PNG is found only if it precedes the pixels.
    package static func header(path: String) throws(ImageError) -> ImageHeader {
        let file = try OpenFile(path: path)
        return try HeaderReader(source: file.source, name: path).read().header
    }

    /// The same of an image in memory; `name` stands for the file in errors.
    package static func header(
        bytes: UnsafeRawBufferPointer, name: String = "image data"
    ) throws(ImageError) -> ImageHeader {
        try HeaderReader(source: ByteSource(bytes), name: name).read().header
    }

    /// The image in a file.
    package static func decode(
        path: String, options: DecodeOptions = DecodeOptions()
    ) throws(ImageError) -> RGBImage {
        let file = try OpenFile(path: path)
        // The header is checked before the file is read whole.
        let found = try checkedHeader(of: file.source, name: path, options: options)
        guard let bytes = file.source.bytes(at: 0, count: file.source.count) else {
            throw .unreadable(file: path, reason: "it changed or failed while it was read")
        }
        return try bytes.withUnsafeBytes { raw in
            Result { () throws(ImageError) in
                try decode(raw, found, name: path, options: options)
            }
        }.get()
    }

    /// What some crops read of the image in a file.
    ///
    /// Of a JPEG image no more is decoded than that, if `windows` leave much of it out. It is then
    /// not seen whether the rest is damaged; a file that ends too early is found out all the same.
    ///
    /// - Parameter onRead: called with the file's bytes before they are decoded.
    package static func decode(
        path: String, covering windows: [CropWindow], options: DecodeOptions = DecodeOptions(),
        onRead: (UnsafeRawBufferPointer) -> Void = { _ in }
    ) throws(ImageError) -> ImageRegion {
        let file = try OpenFile(path: path)
        let found = try checkedHeader(of: file.source, name: path, options: options)
        guard let bytes = file.source.bytes(at: 0, count: file.source.count) else {
            throw .unreadable(file: path, reason: "it changed or failed while it was read")
        }
        bytes.withUnsafeBytes(onRead)
        return try bytes.withUnsafeBytes { raw in
            Result { () throws(ImageError) in
                try decode(raw, found, covering: windows, name: path, options: options)
            }
        }.get()
    }

    /// The same of an image in memory; `name` stands for the file in errors.
    package static func decode(
        bytes: UnsafeRawBufferPointer, name: String = "image data", covering windows: [CropWindow],
        options: DecodeOptions = DecodeOptions()
    ) throws(ImageError) -> ImageRegion {
        let found = try checkedHeader(of: ByteSource(bytes), name: name, options: options)
        return try decode(bytes, found, covering: windows, name: name, options: options)
    }

    /// The image in `bytes`; `name` stands for the file in errors.
    package static func decode(
        bytes: UnsafeRawBufferPointer, name: String = "image data",
        options: DecodeOptions = DecodeOptions()
    ) throws(ImageError) -> RGBImage {
        let found = try checkedHeader(of: ByteSource(bytes), name: name, options: options)
        return try decode(bytes, found, name: name, options: options)
    }

    /// The image in `bytes`; `name` stands for the file in errors.
    package static func decode(
        bytes: [UInt8], name: String = "image data", options: DecodeOptions = DecodeOptions()
    ) throws(ImageError) -> RGBImage {
        try bytes.withUnsafeBytes { raw in
            Result { () throws(ImageError) in
                try decode(bytes: raw, name: name, options: options)
            }
        }.get()
    }

    /// `image` as a PNG file.
    package static func encodePNG(_ image: RGBImage) throws(ImageError) -> [UInt8] {
        try encodePNG(image.pixels, size: image.size, channels: 3)
    }

    /// An image whose colours are labels, which repeat down the columns, as a PNG file.
    package static func encodePNG(labels image: RGBImage) throws(ImageError) -> [UInt8] {
        try encodePNG(image.pixels, size: image.size, channels: 3, areLabels: true)
    }

    /// An 8-bit grey PNG file of H·W values.
    package static func encodePNG(grey: [UInt8], size: Size) throws(ImageError) -> [UInt8] {
        try encodePNG(grey, size: size, channels: 1)
    }
}

extension ImageCodec {
    private typealias Decoder = (
        UnsafePointer<UInt8>?, Int, UInt32, UInt32, UnsafeMutablePointer<UInt8>?,
        UnsafeMutablePointer<CChar>?
    ) -> Int32

    static func checkedHeader(
        of source: ByteSource, name: String, options: DecodeOptions
    ) throws(ImageError) -> HeaderReader.Result {
        let found = try HeaderReader(source: source, name: name).read()
        guard let pixelCount = found.storedSize.pixelCount, pixelCount <= options.maxPixels,
            max(found.storedSize.width, found.storedSize.height) <= Int(Int32.max)
        else {
            throw .tooLarge(file: name, size: found.storedSize, maxPixels: options.maxPixels)
        }
        // The densest JPEG spends a bit on 64 pixels, the densest PNG a byte on 1032 of 8 pixels,
        // the densest BMP two bytes on 255. A shorter file cannot be whole, and must not make us
        // set memory aside for its claim.
        let densest: Int? =
            switch found.header.format {
            case .jpeg: 512
            case .png: 1032 * 8
            case .bmp: 128
            case .webp, .tiff: nil
            }
        if let densest, pixelCount / densest > source.count {
            throw .truncated(file: name, format: found.header.format)
        }
        let longest = 16 * pixelCount.magnitude + (256 << 20)
        guard source.count.magnitude <= longest else {
            throw .damaged(
                file: name, format: found.header.format,
                reason: "\(source.count) bytes are too many for \(found.storedSize) pixels")
        }
        return found
    }

    private static func decode(
        _ bytes: UnsafeRawBufferPointer, _ found: HeaderReader.Result, name: String,
        options: DecodeOptions
    ) throws(ImageError) -> RGBImage {
        let format = found.header.format
        let pixels: [UInt8]
        switch format {
        case .bmp:
            let header = try BMPHeader(source: ByteSource(bytes), name: name)
            pixels = try BMPDecoder(header: header, bytes: bytes, name: name).decode()
        case .jpeg: pixels = try run(ci_jpeg_decode, bytes, found, name)
        case .png where options.scales16Bit && found.header.isDeepGrey:
            pixels = Self.stretched(try decodeLabels(ByteSource(bytes), name: name).values)
        case .png: pixels = try run(ci_png_decode, bytes, found, name)
        case .webp: pixels = try run(ci_webp_decode, bytes, found, name)
        case .tiff:
            let decoder = options.scales16Bit ? ci_tiff_decode_scaled : ci_tiff_decode
            pixels = try run(decoder, bytes, found, name)
        }
        let image = RGBImage(size: found.storedSize, pixels: pixels)
        let turned = image.upright(from: found.fixedOrientation)
        return options.applyEXIF ? turned.upright(from: found.header.orientation) : turned
    }

    /// Grey of 16 bits as RGB, its range mapped to 0–255.
    private static func stretched(_ values: [UInt16]) -> [UInt8] {
        let low = Int(values.min() ?? 0)
        let span = max(Int(values.max() ?? 0) - low, 1)
        return values.flatMap { value in
            [UInt8](repeating: UInt8(((Int(value) - low) * 255 + span / 2) / span), count: 3)
        }
    }

    private static func decode(
        _ bytes: UnsafeRawBufferPointer, _ found: HeaderReader.Result,
        covering windows: [CropWindow], name: String, options: DecodeOptions
    ) throws(ImageError) -> ImageRegion {
        let isTurned = options.applyEXIF && found.header.orientation != 1
        if found.header.format == .jpeg, !isTurned,
            let region = try decodeJPEG(bytes, found, covering: windows, name: name)
        {
            return region
        }
        return ImageRegion(try decode(bytes, found, name: name, options: options))
    }

    /// Nil where the image has to be decoded whole, or might as well be.
    private static func decodeJPEG(
        _ bytes: UnsafeRawBufferPointer, _ found: HeaderReader.Result,
        covering windows: [CropWindow], name: String
    ) throws(ImageError) -> ImageRegion? {
        let size = found.storedSize
        guard let first = windows.first else { return nil }
        var (columns, rows) = first.reach(in: size)
        for window in windows.dropFirst() {
            let (moreColumns, moreRows) = window.reach(in: size)
            columns = columns.union(moreColumns)
            rows = rows.union(moreRows)
        }
        guard !columns.isEmpty, !rows.isEmpty,
            columns.count * rows.count < size.width * size.height / 10 * 9
        else { return nil }
        var wanted = ci_rectangle(
            left: UInt32(columns.lowerBound), top: UInt32(rows.lowerBound),
            right: UInt32(columns.upperBound), bottom: UInt32(rows.upperBound))
        let pixels = try run(
            { ci_jpeg_decode_region($0, $1, $2, $3, &wanted, $4, $5) }, bytes, found, name,
            pixelCount: columns.count * rows.count)
        return pixels.map {
            ImageRegion(imageSize: size, columns: columns, rows: rows, pixels: $0)
        }
    }

    private static func run(
        _ decoder: Decoder, _ bytes: UnsafeRawBufferPointer, _ found: HeaderReader.Result,
        _ name: String
    ) throws(ImageError) -> [UInt8] {
        let size = found.storedSize
        let pixels = try run(decoder, bytes, found, name, pixelCount: size.width * size.height)
        guard let pixels else {
            throw .damaged(file: name, format: found.header.format, reason: "it is not whole")
        }
        return pixels
    }

    /// Nil if the image can only be decoded whole.
    private static func run(
        _ decoder: Decoder, _ bytes: UnsafeRawBufferPointer, _ found: HeaderReader.Result,
        _ name: String, pixelCount: Int
    ) throws(ImageError) -> [UInt8]? {
        let size = found.storedSize
        let format = found.header.format
        var message = [CChar](repeating: 0, count: Int(CI_MESSAGE))
        var status = Int32(0)
        let pixelBytes = pixelCount * 3
        let pixels = [UInt8](unsafeUninitializedCapacity: pixelBytes) { buffer, count in
            status = decoder(
                bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count, UInt32(size.width),
                UInt32(size.height), buffer.baseAddress, &message)
            count = status == 0 ? pixelBytes : 0
        }
        let reason = text(message)
        switch ci_status(rawValue: ci_status.RawValue(status)) {
        case CI_OK: return pixels
        case CI_WHOLE: return nil
        case CI_TRUNCATED: throw .truncated(file: name, format: format)
        case CI_UNSUPPORTED: throw .unsupported(file: name, format: format, what: reason)
        default: throw .damaged(file: name, format: format, reason: reason)
        }
    }

    private static func encodePNG(
        _ pixels: [UInt8], size: Size, channels: Int, areLabels: Bool = false
    ) throws(ImageError) -> [UInt8] {
        guard size.width > 0, size.height > 0, max(size.width, size.height) < 1_000_000,
            pixels.count == size.width * size.height * channels
        else {
            throw .notEncodable(
                reason:
                    "expected \(channels) bytes for each of \(size) pixels, 1 to 999999 a side, "
                    + "found \(pixels.count) bytes")
        }
        var message = [CChar](repeating: 0, count: Int(CI_MESSAGE))
        var file: UnsafeMutablePointer<UInt8>?
        var length = 0
        let (width, height) = (UInt32(size.width), UInt32(size.height))
        let status =
            areLabels
            ? ci_png_encode_colors(pixels, width, height, &file, &length, &message)
            : ci_png_encode(
                pixels, width, height, Int32(channels), &file, &length, &message)
        guard status == 0, let file else { throw .notEncodable(reason: text(message)) }
        defer { ci_free(file) }
        return [UInt8](UnsafeBufferPointer(start: file, count: length))
    }

    /// An image as a JPEG file, 1 to 65,500 pixels a side.
    ///
    /// - Parameter quality: 1 to 100, libjpeg's scale.
    /// - Throws: `ImageError.notEncodable`.
    package static func jpeg(_ image: RGBImage, quality: Int) throws(ImageError) -> [UInt8] {
        let size = image.size
        precondition((1...100).contains(quality), "quality \(quality)")
        guard (1...65500).contains(size.width), (1...65500).contains(size.height) else {
            throw .notEncodable(reason: "a JPEG image has 1 to 65500 pixels a side, not \(size)")
        }
        var message = [CChar](repeating: 0, count: Int(CI_MESSAGE))
        var file: UnsafeMutablePointer<UInt8>?
        var length = 0
        let status = ci_jpeg_encode(
            image.pixels, UInt32(size.width), UInt32(size.height), Int32(quality), &file, &length,
            &message)
        guard status == 0, let file else { throw .notEncodable(reason: text(message)) }
        defer { ci_free(file) }
        return [UInt8](UnsafeBufferPointer(start: file, count: length))
    }

    static func text(_ message: [CChar]) -> String {
        String(
            decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

extension Range<Int> {
    /// The shortest range that holds both.
    fileprivate func union(_ other: Range<Int>) -> Range<Int> {
        Swift.min(lowerBound, other.lowerBound)..<Swift.max(upperBound, other.upperBound)
    }
}
