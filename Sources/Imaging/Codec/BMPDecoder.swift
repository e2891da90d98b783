/// The pixels of a bitmap: 1 to 32 bits, bit fields, run lengths.
struct BMPDecoder {
    let header: BMPHeader
    let bytes: UnsafeRawBufferPointer
    let name: String

    private var truncated: ImageError { .truncated(file: name, format: .bmp) }

    func decode() throws(ImageError) -> [UInt8] {
        guard header.dataOffset <= bytes.count else { throw truncated }
        switch header.compression {
        case .rle4, .rle8: return try decodeRuns()
        case .none, .bitFields: return try decodeRows()
        }
    }

    private func decodeRows() throws(ImageError) -> [UInt8] {
        let (width, height) = (header.size.width, header.size.height)
        let stride = (width * header.bits + 31) / 32 * 4
        guard (bytes.count - header.dataOffset) / stride >= height else { throw truncated }
        let fields = header.masks.map(BitField.init)
        var pixels = [UInt8](repeating: 0, count: width * height * 3)
        pixels.withUnsafeMutableBufferPointer { pixels in
            for row in 0..<height {
                let line = UnsafeRawBufferPointer(
                    rebasing: bytes[(header.dataOffset + row * stride)...].prefix(stride))
                let y = header.isTopDown ? row : height - 1 - row
                let target = UnsafeMutableBufferPointer(
                    rebasing: pixels[(y * width * 3)..<((y + 1) * width * 3)])
                switch header.bits {
                case 24: swapBlueAndRed(line, into: target)
                case 16, 32: unpack(line, fields, into: target)
                default: lookUp(line, into: target)
                }
            }
        }
        return pixels
    }

    private func swapBlueAndRed(
        _ line: UnsafeRawBufferPointer, into target: UnsafeMutableBufferPointer<UInt8>
    ) {
        for x in stride(from: 0, to: header.size.width * 3, by: 3) {
            target[x] = line[x + 2]
            target[x + 1] = line[x + 1]
            target[x + 2] = line[x]
        }
    }

    private func unpack(
        _ line: UnsafeRawBufferPointer, _ fields: [BitField],
        into target: UnsafeMutableBufferPointer<UInt8>
    ) {
        for x in 0..<header.size.width {
            let value =
                header.bits == 16
                ? UInt32(line.loadUnaligned(fromByteOffset: 2 * x, as: UInt16.self).littleEndian)
                : line.loadUnaligned(fromByteOffset: 4 * x, as: UInt32.self).littleEndian
            for channel in 0..<3 { target[3 * x + channel] = fields[channel].value(in: value) }
        }
    }

    private func lookUp(
        _ line: UnsafeRawBufferPointer, into target: UnsafeMutableBufferPointer<UInt8>
    ) {
        let bits = header.bits
        for x in 0..<header.size.width {
            let shift = 8 - bits - x * bits % 8
            let index = Int(line[x * bits / 8] >> UInt8(shift)) & ((1 << bits) - 1)
            for channel in 0..<3 { target[3 * x + channel] = header.palette[3 * index + channel] }
        }
    }

    /// Run lengths; pixels that are skipped, or missing after an end mark, have index 0.
    private func decodeRuns() throws(ImageError) -> [UInt8] {
        let (width, height) = (header.size.width, header.size.height)
        var indices = [UInt8](repeating: 0, count: width * height)
        var position = header.dataOffset
        var (x, row) = (0, 0)
        func next() throws(ImageError) -> UInt8 {
            guard position < bytes.count else { throw truncated }
            position += 1
            return bytes[position - 1]
        }
        func put(_ index: UInt8) {
            if x < width { indices[row * width + x] = index }
            x += 1
        }
        let isWide = header.compression == .rle8
        decoding: while row < height {
            let count = Int(try next())
            let value = try next()
            switch (count, value) {
            case (0, 0):
                (x, row) = (0, row + 1)
            case (0, 1):
                break decoding
            case (0, 2):
                x = min(x + Int(try next()), width)
                row += Int(try next())
            case (0, let length):
                var pair: UInt8 = 0
                for index in 0..<Int(length) {
                    if isWide || index % 2 == 0 { pair = try next() }
                    put(isWide ? pair : index % 2 == 0 ? pair >> 4 : pair & 15)
                }
                let used = isWide ? Int(length) : (Int(length) + 1) / 2
                if used % 2 == 1 { position += 1 }
            default:
                for index in 0..<count {
                    put(isWide ? value : index % 2 == 0 ? value >> 4 : value & 15)
                }
            }
        }
        var pixels = [UInt8](repeating: 0, count: width * height * 3)
        for source in 0..<height {
            let y = header.isTopDown ? source : height - 1 - source
            for x in 0..<width {
                let index = 3 * Int(indices[source * width + x])
                for channel in 0..<3 {
                    pixels[(y * width + x) * 3 + channel] = header.palette[index + channel]
                }
            }
        }
        return pixels
    }
}

/// One colour's bits in a pixel, brought to 8 bits.
private struct BitField {
    let mask: UInt32
    let shift: UInt32
    let most: UInt32

    init(_ mask: UInt32) {
        self.mask = mask
        shift = mask == 0 ? 0 : UInt32(mask.trailingZeroBitCount)
        most = max(mask >> shift, 1)
    }

    func value(in pixel: UInt32) -> UInt8 {
        UInt8(truncatingIfNeeded: UInt64((pixel & mask) >> shift) * 255 / UInt64(most))
    }
}
