/// Small PNG files whose pixels are stored uncompressed, so that a change reaches the filters and
/// palettes instead of breaking the compression.
enum PNGFile {
    static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

    /// One of each colour type and depth, plain and interlaced.
    static let samples: [[UInt8]] = {
        let kinds: [(type: UInt8, depths: [UInt8], channels: Int)] = [
            (0, [1, 2, 4, 8, 16], 1), (2, [8, 16], 3), (3, [1, 2, 4, 8], 1), (4, [8, 16], 2),
            (6, [8, 16], 4),
        ]
        var files: [[UInt8]] = []
        for kind in kinds {
            for depth in kind.depths {
                for interlace: UInt8 in [0, 1] {
                    files.append(
                        file(
                            width: 9, height: 7, type: kind.type, depth: depth,
                            channels: kind.channels, interlace: interlace))
                }
            }
        }
        return files
    }()

    private static func file(
        width: Int, height: Int, type: UInt8, depth: UInt8, channels: Int, interlace: UInt8
    ) -> [UInt8] {
        // Start and step of the seven passes of Adam7, or the one pass of a plain file.
        let passes: [(x: Int, y: Int, dx: Int, dy: Int)] =
            interlace == 0
            ? [(0, 0, 1, 1)]
            : [
                (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
                (0, 1, 1, 2),
            ]
        var rows: [UInt8] = []
        for pass in passes {
            let columns = (width - pass.x + pass.dx - 1) / pass.dx
            let lines = (height - pass.y + pass.dy - 1) / pass.dy
            guard columns > 0 else { continue }
            let length = (columns * channels * Int(depth) + 7) / 8
            for line in 0..<max(lines, 0) {
                rows.append(UInt8(line % 5))
                rows += (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ line &* 11) }
            }
        }
        let count = UInt16(rows.count)
        let stored =
            [0x78, 0x01, 0x01] + little(count) + little(~count) + rows + big(adler(rows))
        var file = signature
        file += chunk(
            "IHDR", big(UInt32(width)) + big(UInt32(height)) + [depth, type, 0, 0, interlace])
        if type == 3 {
            let colors = min(1 << Int(depth), 20)
            file += chunk("PLTE", (0..<colors * 3).map { UInt8(truncatingIfNeeded: $0 &* 13) })
            file += chunk("tRNS", [0, 128])
        }
        return file + chunk("IDAT", stored) + chunk("IEND", [])
    }

    private static func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
        let body = Array(name.utf8) + data
        return big(UInt32(data.count)) + body + big(checksum(body))
    }

    /// Sets the checksums of all chunks that can be found.
    static func repair(_ file: inout [UInt8]) {
        var place = 8
        while place + 12 <= file.count {
            let length = file[place..<place + 4].reduce(0) { $0 << 8 | Int($1) }
            guard length <= file.count - place - 12 else { return }
            let end = place + 8 + length
            file.replaceSubrange(end..<end + 4, with: big(checksum(file[place + 4..<end])))
            place = end + 4
        }
    }

    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in
            value & 1 == 0 ? value >> 1 : 0xEDB8_8320 ^ value >> 1
        }
    }

    private static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
        ~bytes.reduce(~UInt32(0)) { table[Int(($0 ^ UInt32($1)) & 255)] ^ $0 >> 8 }
    }

    private static func adler(_ bytes: [UInt8]) -> UInt32 {
        var (a, b): (UInt32, UInt32) = (1, 0)
        for byte in bytes {
            a = (a + UInt32(byte)) % 65521
            b = (b + a) % 65521
        }
        return b << 16 | a
    }

    private static func big(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * $0)) }
    }

    private static func little(_ value: UInt16) -> [UInt8] {
        [UInt8(truncatingIfNeeded: value), UInt8(truncatingIfNeeded: value >> 8)]
    }
}
