import Foundation
package import Imaging

/// A small baseline JPEG encoder (ITU-T T.81) for the report's thumbnails: colours at half the
/// resolution, one fixed quality. `Imaging` writes only PNG, which would make a report of 10⁵ boxes
/// several gigabytes large.
package enum JPEGEncoder {
    /// `image` as a JPEG file.
    package static func encode(_ image: RGBImage) -> [UInt8] {
        precondition(
            (1...65535).contains(image.size.width) && (1...65535).contains(image.size.height),
            "a JPEG image of \(image.size)")
        var bits = BitWriter(bytes: header(of: image.size))
        let planes = Planes(image)
        var last = [0, 0, 0]
        for top in stride(from: 0, to: planes.height, by: 16) {
            for left in stride(from: 0, to: planes.width, by: 16) {
                for (dy, dx) in [(0, 0), (0, 8), (8, 0), (8, 8)] {
                    block(
                        planes.brightness, planes.width, left + dx, top + dy, .brightness,
                        &last[0], &bits)
                }
                let half = planes.width / 2
                block(planes.blue, half, left / 2, top / 2, .color, &last[1], &bits)
                block(planes.red, half, left / 2, top / 2, .color, &last[2], &bits)
            }
        }
        bits.flush()
        return bits.bytes + [0xFF, 0xD9]
    }

    private static func header(of size: Size) -> [UInt8] {
        var bytes: [UInt8] = [0xFF, 0xD8]
        func segment(_ marker: UInt8, _ body: [UInt8]) {
            let length = body.count + 2
            bytes += [0xFF, marker, UInt8(length >> 8), UInt8(length & 255)] + body
        }
        segment(0xE0, Array("JFIF".utf8) + [0, 1, 1, 0, 0, 1, 0, 1, 0, 0])
        let tables = [JPEGTables.brightness, JPEGTables.color]
        for (index, table) in tables.enumerated() { segment(0xDB, [UInt8(index)] + table.divisors) }
        let sides = [size.height, size.width].flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }
        segment(0xC0, [8] + sides + [3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1])
        for (index, table) in tables.enumerated() {
            let number = UInt8(index)
            segment(0xC4, [number] + table.steady.lengths + table.steady.symbols)
            segment(0xC4, [0x10 | number] + table.changing.lengths + table.changing.symbols)
        }
        segment(0xDA, [3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0])
        return bytes
    }

    /// cos((2x+1)uπ/16)/2, for u = 0 divided by √2: the rows of the transform.
    private static let cosines: [Float] = (0..<64).map { place in
        let (frequency, x) = (place / 8, place % 8)
        let scale = frequency == 0 ? 0.5 / 2.0.squareRoot() : 0.5
        return Float(scale * cos(Double(2 * x + 1) * Double(frequency) * .pi / 16))
    }

    /// The place in row order of each zigzag step.
    private static let zigzag: [Int] = (0..<15).flatMap { diagonal in
        let cells = (0...diagonal).filter { $0 < 8 && diagonal - $0 < 8 }
        return (diagonal % 2 == 0 ? cells.reversed() : cells).map { $0 * 8 + diagonal - $0 }
    }

    private static func block(
        _ plane: [Float], _ width: Int, _ left: Int, _ top: Int, _ tables: JPEGTables,
        _ last: inout Int, _ bits: inout BitWriter
    ) {
        var rows = [Float](repeating: 0, count: 64)
        var frequencies = rows
        for y in 0..<8 {
            let start = (top + y) * width + left
            for u in 0..<8 {
                var sum: Float = 0
                for x in 0..<8 { sum += cosines[u * 8 + x] * plane[start + x] }
                rows[y * 8 + u] = sum
            }
        }
        for v in 0..<8 {
            for u in 0..<8 {
                var sum: Float = 0
                for y in 0..<8 { sum += cosines[v * 8 + y] * rows[y * 8 + u] }
                frequencies[v * 8 + u] = sum
            }
        }
        let values = (0..<64).map {
            Int((frequencies[zigzag[$0]] / Float(tables.divisors[$0])).rounded())
        }
        bits.put(values[0] - last, zeros: 0, tables.steady)
        last = values[0]
        var zeros = 0
        for value in values.dropFirst() {
            guard value != 0 else {
                zeros += 1
                continue
            }
            while zeros > 15 {
                bits.put(symbol: 0xF0, tables.changing)
                zeros -= 16
            }
            bits.put(value, zeros: zeros, tables.changing)
            zeros = 0
        }
        if zeros > 0 { bits.put(symbol: 0, tables.changing) }
    }

    /// Brightness, and at half the resolution the two colour differences, around zero; the sides
    /// are whole blocks, filled by repeating the last row and column.
    private struct Planes {
        let width: Int
        let height: Int
        var brightness: [Float]
        var blue: [Float]
        var red: [Float]

        init(_ image: RGBImage) {
            width = (image.size.width + 15) / 16 * 16
            height = (image.size.height + 15) / 16 * 16
            brightness = [Float](repeating: 0, count: width * height)
            blue = [Float](repeating: 0, count: width * height / 4)
            red = blue
            for y in 0..<height {
                let row = min(y, image.size.height - 1) * image.size.width
                for x in 0..<width {
                    let source = (row + min(x, image.size.width - 1)) * 3
                    let r = Float(image.pixels[source])
                    let g = Float(image.pixels[source + 1])
                    let b = Float(image.pixels[source + 2])
                    let light = 0.299 * r + 0.587 * g + 0.114 * b
                    brightness[y * width + x] = light - 128
                    let half = y / 2 * (width / 2) + x / 2
                    blue[half] += (b - light) / 1.772 / 4
                    red[half] += (r - light) / 1.402 / 4
                }
            }
        }
    }

    private struct BitWriter {
        var bytes: [UInt8]
        private var pending: UInt32 = 0
        private var count = 0

        init(bytes: [UInt8]) { self.bytes = bytes }

        /// A number after a run of zeros: how many bits it has, then those bits.
        mutating func put(_ value: Int, zeros: Int, _ table: HuffmanTable) {
            let length = Int.bitWidth - value.magnitude.leadingZeroBitCount
            put(symbol: UInt8(zeros << 4 | length), table)
            guard length > 0 else { return }
            let bits = value < 0 ? value + (1 << length) - 1 : value
            put(UInt32(bits), length)
        }

        mutating func put(symbol: UInt8, _ table: HuffmanTable) {
            let code = table.codes[Int(symbol)]
            put(code.bits, code.length)
        }

        private mutating func put(_ bits: UInt32, _ length: Int) {
            pending = pending << UInt32(length) | bits
            count += length
            while count >= 8 {
                count -= 8
                let byte = UInt8(truncatingIfNeeded: pending >> UInt32(count))
                bytes.append(byte)
                // 0xFF begins a marker; a zero after it says that it does not.
                if byte == 0xFF { bytes.append(0) }
            }
        }

        mutating func flush() { put(0x7F, 7) }
    }
}
