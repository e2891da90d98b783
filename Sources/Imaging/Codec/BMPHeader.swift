/// The headers of a Windows or OS/2 bitmap.
struct BMPHeader {
    let size: Size
    let isTopDown: Bool
    let bits: Int
    let compression: Compression
    /// Where the pixels start.
    let dataOffset: Int
    /// Red, green, blue of each of 256 indices; black where the file has no entry, as in Pillow.
    let palette: [UInt8]
    /// Bit masks of red, green, blue, for 16 and 32 bits.
    let masks: [UInt32]

    enum Compression: Int {
        case none = 0
        case rle8 = 1
        case rle4 = 2
        case bitFields = 3
    }

    var result: HeaderReader.Result {
        HeaderReader.Result(header: ImageHeader(format: .bmp, size: size), storedSize: size)
    }

    init(source: ByteSource, name: String) throws(ImageError) {
        guard let headerLength = source.integer(at: 14, bytes: 4, bigEndian: false) else {
            throw .truncated(file: name, format: .bmp)
        }
        guard [12, 40, 52, 56, 64, 108, 124].contains(headerLength) else {
            throw .unsupported(
                file: name, format: .bmp, what: "its header is \(headerLength) bytes long")
        }
        guard let bytes = source.bytes(at: 0, count: 14 + headerLength) else {
            throw .truncated(file: name, format: .bmp)
        }
        func field(_ offset: Int, _ length: Int) -> Int {
            bytes.integer(at: offset, bytes: length, bigEndian: false) ?? 0
        }
        var colors = 0
        var method = 0
        if headerLength == 12 {
            size = Size(height: field(20, 2), width: field(18, 2))
            isTopDown = false
            bits = field(24, 2)
        } else {
            let height = Int(Int32(truncatingIfNeeded: field(22, 4)))
            size = Size(height: abs(height), width: Int(Int32(truncatingIfNeeded: field(18, 4))))
            isTopDown = height < 0
            bits = field(28, 2)
            method = field(30, 4)
            colors = field(46, 4)
        }
        guard let compression = Compression(rawValue: method),
            [1, 4, 8, 16, 24, 32].contains(bits),
            compression != .rle8 || bits == 8, compression != .rle4 || bits == 4,
            compression != .bitFields || bits >= 16
        else {
            throw .unsupported(
                file: name, format: .bmp, what: "\(bits) bits per pixel, compression \(method)")
        }
        self.compression = compression

        var masks: [UInt32] =
            bits == 16 ? [0x7C00, 0x3E0, 0x1F] : [0xFF0000, 0xFF00, 0xFF]
        var tableOffset = 14 + headerLength
        if compression == .bitFields {
            guard let raw = source.bytes(at: 54, count: 12) else {
                throw .truncated(file: name, format: .bmp)
            }
            let stored = (0..<3).map {
                UInt32(raw.integer(at: $0 * 4, bytes: 4, bigEndian: false) ?? 0)
            }
            if stored.contains(where: { $0 != 0 }) { masks = stored }
            if headerLength == 40 { tableOffset += 12 }
        }
        self.masks = masks

        let entryLength = headerLength == 12 ? 3 : 4
        if bits <= 8 && (colors <= 0 || colors > 1 << bits) { colors = 1 << bits }
        palette =
            bits <= 8
            ? Self.readPalette(source, at: tableOffset, entryLength: entryLength, count: colors)
            : []
        let offset = field(10, 4)
        // A pixel offset right behind the header forgets the palette.
        let forgetsPalette = bits <= 8 && offset == 14 + headerLength
        let tableLength = bits <= 8 ? entryLength * colors : 0
        dataOffset = offset == 0 || forgetsPalette ? tableOffset + tableLength : offset
    }

    private static func readPalette(
        _ source: ByteSource, at offset: Int, entryLength: Int, count: Int
    ) -> [UInt8] {
        var palette = [UInt8](repeating: 0, count: 256 * 3)
        let table = source.prefix(at: offset, count: count * entryLength)
        for index in 0..<min(table.count / entryLength, 256) {
            let entry = index * entryLength
            for channel in 0..<3 { palette[3 * index + channel] = table[entry + 2 - channel] }
        }
        return palette
    }
}
