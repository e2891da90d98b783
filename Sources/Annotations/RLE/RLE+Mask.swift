package import Imaging

extension RLE {
    package init(_ mask: Mask) {
        self.init(
            window: mask.pixels, windowSize: mask.size, originX: 0, originY: 0,
            imageSize: mask.size)
    }

    /// The mask of an image that is zero outside a window, without the full image ever being made.
    ///
    /// - Parameters:
    ///   - window: windowSize.height · windowSize.width bytes, row by row; nonzero means set.
    ///   - originX: the column of the image where the window begins; may be negative.
    ///   - originY: the row of the image where the window begins; may be negative.
    package init(
        window: [UInt8], windowSize: Size, originX: Int, originY: Int, imageSize: Size
    ) {
        self = window.withUnsafeBufferPointer {
            RLE(
                window: $0, windowSize: windowSize, originX: originX, originY: originY,
                imageSize: imageSize)
        }
    }

    /// The same from memory that someone else owns.
    package init(
        window: UnsafeBufferPointer<UInt8>, windowSize: Size, originX: Int, originY: Int,
        imageSize: Size
    ) {
        precondition(
            windowSize.pixelCount == window.count,
            "a window of \(windowSize) needs a byte per pixel, has \(window.count)")
        guard let total = imageSize.pixelCount, total <= Self.pixelLimit else {
            preconditionFailure("an image of \(imageSize) is too large for run lengths")
        }
        let columns =
            max(0, -originX)..<max(0, -originX, min(windowSize.width, imageSize.width - originX))
        let rows =
            max(0, -originY)..<max(0, -originY, min(windowSize.height, imageSize.height - originY))
        var flips = FlipList()
        if !columns.isEmpty, !rows.isEmpty {
            var scan = WindowScan(window: window, stride: windowSize.width, rows: rows)
            for start in Swift.stride(from: columns.lowerBound, to: columns.upperBound, by: 8) {
                let width = min(8, columns.upperBound - start)
                scan.read(from: start, width: width)
                for column in 0..<width {
                    let top = (originX + start + column) * imageSize.height + originY
                    for row in scan.flips(in: column) { flips.add(UInt32(top + Int(row))) }
                }
            }
        }
        self.init(imageSize, flips.runs(total: UInt32(total)))
    }

    /// The mask, pixel by pixel.
    ///
    /// - Throws: ``AnnotationError/segmentation(_:)`` for a mask of more than `maxPixels`.
    package func mask(maxPixels: Int = 200_000_000) throws -> Mask {
        guard let count = size.pixelCount, count <= maxPixels else {
            throw AnnotationError.segmentation(
                "a mask of \(size) pixels is above the limit of \(maxPixels)")
        }
        var pixels = [UInt8](repeating: 0, count: count)
        let (height, width) = (size.height, size.width)
        pixels.withUnsafeMutableBufferPointer { pixels in
            forEachRun { start, length in
                var (column, row) = start.quotientAndRemainder(dividingBy: height)
                var place = row * width + column
                for _ in 0..<length {
                    pixels[place] = 1
                    row += 1
                    place += width
                    if row == height {
                        row = 0
                        column += 1
                        place = column
                    }
                }
            }
        }
        return Mask(size: size, pixels: pixels)
    }
}

/// The places where the value changes, in order; two at one place cancel out.
private struct FlipList {
    private var places: [UInt32] = []

    mutating func add(_ place: UInt32) {
        if places.last == place { places.removeLast() } else { places.append(place) }
    }

    consuming func runs(total: UInt32) -> [UInt32] {
        if places.last == total, total > 0 { places.removeLast() }
        var previous: UInt32 = 0
        for index in places.indices {
            let place = places[index]
            places[index] = place - previous
            previous = place
        }
        places.append(total - previous)
        return places
    }
}

/// Finds the rows at which each of eight columns changes, reading eight pixels of a row at once.
private struct WindowScan {
    private let window: UnsafeRawBufferPointer
    private let stride: Int
    private let rows: Range<Int>
    private var found: [UInt32]
    private var counts = [Int](repeating: 0, count: 8)

    init(window: UnsafeBufferPointer<UInt8>, stride: Int, rows: Range<Int>) {
        self.window = UnsafeRawBufferPointer(window)
        self.stride = stride
        self.rows = rows
        found = [UInt32](repeating: 0, count: 8 * (rows.count + 1))
    }

    /// The rows of the window where `column` of the last block changes; it ends with zeros.
    func flips(in column: Int) -> ArraySlice<UInt32> {
        let first = column * (rows.count + 1)
        return found[first..<first + counts[column]]
    }

    mutating func read(from start: Int, width: Int) {
        let (window, stride, rows) = (window, stride, rows)
        let slots = rows.count + 1
        for column in 0..<8 { counts[column] = 0 }
        found.withUnsafeMutableBufferPointer { found in
            counts.withUnsafeMutableBufferPointer { counts in
                func note(_ changes: UInt64, at row: Int) {
                    var changes = changes
                    while changes != 0 {
                        let column = changes.trailingZeroBitCount >> 3
                        found[column * slots + counts[column]] = UInt32(row)
                        counts[column] += 1
                        changes &= changes - 1
                    }
                }
                var previous: UInt64 = 0
                for row in rows {
                    let pixels = Self.load(window, row * stride + start, width)
                    if pixels != previous { note(pixels ^ previous, at: row) }
                    previous = pixels
                }
                note(previous, at: rows.upperBound)
            }
        }
    }

    /// Up to eight pixels as bytes of 0x80 (set) or 0.
    private static func load(
        _ window: UnsafeRawBufferPointer, _ offset: Int, _ width: Int
    ) -> UInt64 {
        var word: UInt64 = 0
        if width == 8 {
            word = UInt64(
                littleEndian: window.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        } else {
            for index in 0..<width { word |= UInt64(window[offset + index]) << (8 * UInt64(index)) }
        }
        let low: UInt64 = 0x7F7F_7F7F_7F7F_7F7F
        return (((word & low) + low) | word) & ~low
    }
}
