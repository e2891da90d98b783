/// Finds format, size and orientation in the first bytes of an image, without its pixels.
struct HeaderReader {
    let source: ByteSource
    let name: String

    /// What a header says, with what only a decoder needs to know.
    struct Result {
        var header: ImageHeader
        /// As stored, before any orientation.
        var storedSize: Size
        /// Turns that decoding always makes (TIFF, as Pillow does).
        var fixedOrientation = 1
    }

    func read() throws(ImageError) -> Result {
        let start = source.prefix(at: 0, count: 32)
        let result =
            switch try format(of: start) {
            case .jpeg: try readJPEG()
            case .png: try readPNG()
            case .webp: try readWebP()
            case .tiff: try readTIFF()
            case .bmp: try BMPHeader(source: source, name: name).result
            }
        guard result.storedSize.width > 0, result.storedSize.height > 0 else {
            throw damaged(result.header.format, "its size is \(result.storedSize)")
        }
        return result
    }

    private func format(of start: [UInt8]) throws(ImageError) -> ImageFormat {
        if start.starts(with: [0xFF, 0xD8, 0xFF]) { return .jpeg }
        if start.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) { return .png }
        if start.starts(with: "RIFF"), start.starts(with: "WEBP", at: 8) { return .webp }
        if TIFFDirectory.magics.contains(where: { start.starts(with: $0) }) { return .tiff }
        if start.starts(with: "BM") { return .bmp }
        throw .unknownFormat(file: name, found: describe(start))
    }

    private func describe(_ start: [UInt8]) -> String {
        if start.isEmpty { return "an empty file" }
        if start.starts(with: "GIF8") { return "a GIF image: convert it, to PNG say" }
        if start.starts(with: "%PDF") { return "a PDF document" }
        if start.starts(with: "ftypavif", at: 4) { return "an AVIF image: convert it, to PNG say" }
        if start.starts(with: "ftyphe", at: 4) || start.starts(with: "ftypmif1", at: 4) {
            return "a HEIC image: convert it, to JPEG say"
        }
        if start.starts(with: [0, 0, 0, 12]), start.starts(with: "jP", at: 4) {
            return "a JPEG 2000 image"
        }
        if start.starts(with: "version https://git-lfs") {
            return "a git-lfs pointer, not the file itself (run `git lfs pull`)"
        }
        if start.first(where: { $0 > 0x20 }) == UInt8(ascii: "<") {
            return "a web page or XML: the download was answered with a page, often an error"
        }
        if let first = start.first(where: { $0 > 0x20 }), first == UInt8(ascii: "{") {
            return "JSON text"
        }
        let digits = start.prefix(8).map { byte in
            (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
        return "a file that starts with the bytes " + digits.joined(separator: " ")
    }

    private func damaged(_ format: ImageFormat, _ reason: String) -> ImageError {
        .damaged(file: name, format: format, reason: reason)
    }

    private func result(_ format: ImageFormat, _ size: Size, _ orientation: Int) -> Result {
        Result(
            header: ImageHeader(format: format, size: size, orientation: orientation),
            storedSize: size)
    }

    // MARK: JPEG

    /// Walks the marker segments up to the frame header.
    private func readJPEG() throws(ImageError) -> Result {
        var offset = 2
        var orientation = 1
        // More steps than any real file needs; it keeps garbage from being read byte by byte.
        for _ in 0..<65536 {
            guard let mark = source.bytes(at: offset, count: 4) else {
                throw .truncated(file: name, format: .jpeg)
            }
            // Any fill bytes before a marker, or garbage, is stepped over, as libjpeg does.
            guard mark[0] == 0xFF, mark[1] != 0xFF, mark[1] != 0 else {
                offset += 1
                continue
            }
            let code = mark[1]
            if code == 0x01 || (0xD0...0xD8).contains(code) {
                offset += 2
                continue
            }
            if code == 0xD9 || code == 0xDA {
                throw damaged(.jpeg, "it has no frame header before its data")
            }
            let length = Int(mark[2]) << 8 | Int(mark[3])
            if (0xC0...0xCF).contains(code), ![0xC4, 0xC8, 0xCC].contains(code) {
                guard let frame = source.bytes(at: offset + 4, count: 5) else {
                    throw .truncated(file: name, format: .jpeg)
                }
                let size = Size(
                    height: Int(frame[1]) << 8 | Int(frame[2]),
                    width: Int(frame[3]) << 8 | Int(frame[4]))
                return result(.jpeg, size, orientation)
            }
            if code == 0xE1, orientation == 1 {
                let segment = source.prefix(at: offset + 4, count: max(length - 2, 0))
                if segment.starts(with: "Exif\0") {
                    orientation = exifOrientation(Array(segment.dropFirst(6)))
                }
            }
            offset += 2 + max(length, 2)
        }
        throw damaged(.jpeg, "it has no frame header near its start")
    }

    // MARK: PNG

    /// Walks the chunks before the pixels; an `eXIf` chunk after them is not looked for.
    private func readPNG() throws(ImageError) -> Result {
        guard let start = source.bytes(at: 8, count: 18) else {
            throw .truncated(file: name, format: .png)
        }
        guard start.starts(with: "IHDR", at: 4),
            let width = start.integer(at: 8, bytes: 4, bigEndian: true),
            let height = start.integer(at: 12, bytes: 4, bigEndian: true)
        else { throw damaged(.png, "its first chunk is not IHDR") }
        var orientation = 1
        var offset = 33
        for _ in 0..<1000 {
            guard let chunk = source.bytes(at: offset, count: 8),
                !chunk.starts(with: "IDAT", at: 4),
                let length = chunk.integer(at: 0, bytes: 4, bigEndian: true)
            else { break }
            if chunk.starts(with: "eXIf", at: 4) {
                orientation = exifOrientation(
                    source.prefix(at: offset + 8, count: min(length, 65536)))
                break
            }
            offset += length + 12
        }
        let size = Size(height: height, width: width)
        // Colour types 0 and 4 are grey.
        let isDeepGrey = start[16] == 16 && (start[17] == 0 || start[17] == 4)
        return Result(
            header: ImageHeader(
                format: .png, size: size, orientation: orientation, isDeepGrey: isDeepGrey),
            storedSize: size)
    }

    // MARK: WebP

    private func readWebP() throws(ImageError) -> Result {
        guard let start = source.bytes(at: 12, count: 18) else {
            throw .truncated(file: name, format: .webp)
        }
        func field(_ offset: Int, _ length: Int) -> Int {
            start.integer(at: offset, bytes: length, bigEndian: false) ?? 0
        }
        if start.starts(with: "VP8 ") {
            guard start[11] == 0x9D, start[12] == 0x01, start[13] == 0x2A else {
                throw damaged(.webp, "its frame has no start code")
            }
            let size = Size(height: field(16, 2) & 0x3FFF, width: field(14, 2) & 0x3FFF)
            return result(.webp, size, 1)
        }
        if start.starts(with: "VP8L") {
            guard start[8] == 0x2F else { throw damaged(.webp, "its frame has no signature") }
            let bits = field(9, 4)
            let size = Size(height: bits >> 14 & 0x3FFF + 1, width: bits & 0x3FFF + 1)
            return result(.webp, size, 1)
        }
        guard start.starts(with: "VP8X") else {
            throw damaged(.webp, "its first chunk is not an image")
        }
        let size = Size(height: field(15, 3) + 1, width: field(12, 3) + 1)
        return result(.webp, size, start[8] & 8 != 0 ? webPOrientation() : 1)
    }

    private func webPOrientation() -> Int {
        var offset = 30
        for _ in 0..<10000 {
            guard let chunk = source.bytes(at: offset, count: 8),
                let length = chunk.integer(at: 4, bytes: 4, bigEndian: false)
            else { break }
            if chunk.starts(with: "EXIF") {
                var exif = source.prefix(at: offset + 8, count: min(length, 65536))
                if exif.starts(with: "Exif\0") { exif.removeFirst(6) }
                return exifOrientation(exif)
            }
            offset += 8 + length + length & 1
        }
        return 1
    }

    // MARK: TIFF

    /// Pillow turns TIFF images as they say when it loads them, so the orientation is already in
    /// the size, and none is left to apply.
    private func readTIFF() throws(ImageError) -> Result {
        guard let directory = TIFFDirectory(source) else {
            throw damaged(.tiff, "its first directory is missing or unreadable")
        }
        guard let width = directory.width, let height = directory.height else {
            throw damaged(.tiff, "its directory gives no size")
        }
        let stored = ImageHeader(
            format: .tiff, size: Size(height: height, width: width),
            orientation: directory.orientation)
        return Result(
            header: ImageHeader(
                format: .tiff, size: stored.orientedSize, isDeepGrey: directory.isDeepGrey),
            storedSize: stored.size, fixedOrientation: stored.orientation)
    }

    private func exifOrientation(_ exif: [UInt8]) -> Int {
        exif.withUnsafeBytes { TIFFDirectory(ByteSource($0))?.orientation ?? 1 }
    }
}
