/// The few fields of the first directory of a TIFF file, or of EXIF data, that say how large the
/// image is and which way up.
struct TIFFDirectory {
    private(set) var width: Int?
    private(set) var height: Int?
    /// 1–8; 1 if absent or not valid.
    private(set) var orientation = 1
    /// 16 bits of one sample that stands for grey.
    var isDeepGrey: Bool { bits == 16 && samples == 1 && photometric <= 1 }
    private var bits = 1
    private var samples = 1
    private var photometric = 0

    /// Classic and big TIFF in both byte orders.
    static let magics: [[UInt8]] = [
        [0x49, 0x49, 42, 0], [0x4D, 0x4D, 0, 42], [0x49, 0x49, 43, 0], [0x4D, 0x4D, 0, 43],
    ]

    /// Nil if there is no readable directory.
    init?(_ source: ByteSource) {
        let start = source.prefix(at: 0, count: 4)
        guard Self.magics.contains(start) else { return nil }
        let bigEndian = start[0] == 0x4D
        let isBig = start.contains(43)
        guard
            let directory = source.integer(
                at: isBig ? 8 : 4, bytes: isBig ? 8 : 4, bigEndian: bigEndian),
            let count = source.integer(at: directory, bytes: isBig ? 8 : 2, bigEndian: bigEndian)
        else { return nil }
        let entryLength = isBig ? 20 : 12
        let entries = source.prefix(
            at: directory + (isBig ? 8 : 2), count: min(count, 4096) * entryLength)
        for offset in stride(from: 0, to: entries.count - entryLength + 1, by: entryLength) {
            let valueOffset = offset + (isBig ? 12 : 8)
            guard let tag = entries.integer(at: offset, bytes: 2, bigEndian: bigEndian),
                let type = entries.integer(at: offset + 2, bytes: 2, bigEndian: bigEndian),
                let length = [1: 1, 3: 2, 4: 4, 16: 8][type], length <= (isBig ? 8 : 4),
                let value = entries.integer(at: valueOffset, bytes: length, bigEndian: bigEndian)
            else { continue }
            switch tag {
            case 256: width = value
            case 257: height = value
            case 258: bits = value
            case 262: photometric = value
            case 277: samples = value
            case 274: orientation = (1...8).contains(value) ? value : 1
            default: break
            }
        }
    }
}
