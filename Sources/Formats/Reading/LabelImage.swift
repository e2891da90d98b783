import Annotations
import Imaging

/// An image whose pixels are numbers, as it is read: column by column, as the runs of masks go.
struct LabelImage {
    let size: Size
    let columns: [UInt16]

    init(path: String) throws(ImageError) {
        let (size, rows) = try ImageCodec.decodeLabels(path: path)
        self.init(size: size, rows: rows)
    }

    init(size: Size, rows: [UInt16]) {
        self.init(size: size, columns: Self.turned(rows, size))
    }

    init(size: Size, columns: [UInt16]) {
        self.size = size
        self.columns = columns
    }

    /// The mask of each number but 0, the background, in the order of numbers.
    func masks() -> [(number: Int, mask: RLE)] {
        let highest = Int(columns.max() ?? 0)
        let masks = RLE.masks(columns: columns, size: size, highest: highest)
        return masks.indices.dropFirst().compactMap { number in
            masks[number].map { (number, $0) }
        }
    }

    /// The column and row of a pixel, for a message.
    ///
    /// - Parameter place: in ``columns``.
    func pixel(_ place: Int) -> String {
        "pixel (\(place / size.height), \(place % size.height))"
    }

    /// The first pixel of one of the ``masks()``.
    func firstPixel(of mask: RLE) -> String { pixel(Int(mask.counts[0])) }

    private static func turned(_ rows: [UInt16], _ size: Size) -> [UInt16] {
        let (height, width) = (size.height, size.width)
        return [UInt16](unsafeUninitializedCapacity: rows.count) { columns, count in
            rows.withUnsafeBufferPointer { rows in
                // Blocks of columns, so that the columns written to stay in the cache.
                for first in stride(from: 0, to: width, by: 16) {
                    let last = min(first + 16, width)
                    for row in 0..<height {
                        for column in first..<last {
                            columns[column * height + row] = rows[row * width + column]
                        }
                    }
                }
            }
            count = rows.count
        }
    }
}

extension RLE {
    /// All pixels above 0 of a PNG of numbers.
    init(labels path: String) throws(ImageError) {
        let (size, rows) = try ImageCodec.decodeLabels(path: path)
        self.init(Mask(size: size, pixels: rows.map { $0 > 0 ? 1 : 0 }))
    }

    /// The mask of each number of a label image; nil for a number that no pixel has.
    ///
    /// - Parameters:
    ///   - columns: the numbers, column by column.
    ///   - highest: no number is above it.
    static func masks(columns: [UInt16], size: Size, highest: Int) -> [RLE?] {
        var counts = [[UInt32]](repeating: [], count: highest + 1)
        var ends = [Int](repeating: 0, count: highest + 1)
        columns.withUnsafeBufferPointer { columns in
            var start = 0
            while start < columns.count {
                let value = columns[start]
                var end = start + 1
                while end < columns.count, columns[end] == value { end += 1 }
                if value > 0 {
                    counts[Int(value)].append(UInt32(start - ends[Int(value)]))
                    counts[Int(value)].append(UInt32(end - start))
                    ends[Int(value)] = end
                }
                start = end
            }
        }
        return counts.indices.map { value in
            guard !counts[value].isEmpty else { return nil }
            let rest = columns.count - ends[value]
            if rest > 0 { counts[value].append(UInt32(rest)) }
            return RLE(size, counts[value])
        }
    }
}
