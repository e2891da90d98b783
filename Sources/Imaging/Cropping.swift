/// What lies outside the image in a crop.
enum CropEdge {
    /// The opposite side of the image (SPEC §3.2), at any distance.
    case wrapped
    /// Zeros.
    case zero
}

extension RGBImage {
    /// The pixels under `window`; outside the image those of the opposite side (SPEC §3.2).
    package func wrappedCrop(_ window: CropWindow) throws(ImageError) -> RGBImage {
        let pixels = try window.cut(pixels, size: size, channels: 3, edge: .wrapped)
        return RGBImage(size: window.size, pixels: pixels)
    }
}

extension Mask {
    /// The mask under `window`; outside the image that of the opposite side (SPEC §3.2).
    package func wrappedCrop(_ window: CropWindow) throws(ImageError) -> Mask {
        let pixels = try window.cut(pixels, size: size, channels: 1, edge: .wrapped)
        return Mask(size: window.size, pixels: pixels)
    }

    /// The mask under `window`; outside the image 0 (SPEC §3.2, `boxmask`).
    package func zeroPaddedCrop(_ window: CropWindow) throws(ImageError) -> Mask {
        let pixels = try window.cut(pixels, size: size, channels: 1, edge: .zero)
        return Mask(size: window.size, pixels: pixels)
    }
}

extension CropWindow {
    /// The longest side of a crop. Weights and buffers of a resize grow with it, so it bounds
    /// memory (about 100 MB for the longest).
    static let longestSide = 1 << 22
    /// The most pixels in a crop that is made without resizing.
    static let mostPixels = 1 << 28

    init(wholeOf image: Size) {
        self.init(minX: 0, minY: 0, maxX: image.width, maxY: image.height)
    }

    func check(against image: Size) throws(ImageError) {
        guard width > 0, height > 0 else { throw .impossibleCrop(window: self, reason: "is empty") }
        guard image.width > 0, image.height > 0 else {
            throw .impossibleCrop(window: self, reason: "is of an image without pixels")
        }
        guard max(width, height) <= Self.longestSide else {
            throw .impossibleCrop(
                window: self, reason: "must be at most \(Self.longestSide) pixels a side")
        }
    }

    fileprivate func cut(
        _ pixels: [UInt8], size: Size, channels: Int, edge: CropEdge
    ) throws(ImageError) -> [UInt8] {
        try check(against: size)
        guard width * height <= Self.mostPixels else {
            throw .impossibleCrop(
                window: self, reason: "must have at most \(Self.mostPixels) pixels")
        }
        let rowLength = width * channels
        return [UInt8](unsafeUninitializedCapacity: height * rowLength) { output, count in
            count = height * rowLength
            pixels.withUnsafeBufferPointer { bytes in
                let source = PixelSource(bytes: bytes, imageSize: size, channels: channels)
                var rows = CropRows(window: self, source: source, edge: edge)
                for row in 0..<height {
                    rows.withRow(row) { pixels, _ in
                        (output.baseAddress! + row * rowLength)
                            .update(from: pixels, count: rowLength)
                    }
                }
            }
        }
    }
}

/// The pixels of an image, or of a rectangle of it, as crops read them.
struct PixelSource {
    let bytes: UnsafeBufferPointer<UInt8>
    let imageSize: Size
    let channels: Int
    /// What of the image `bytes` holds.
    let columns: Range<Int>
    let rows: Range<Int>

    init(
        bytes: UnsafeBufferPointer<UInt8>, imageSize: Size, channels: Int,
        columns: Range<Int>? = nil, rows: Range<Int>? = nil
    ) {
        self.bytes = bytes
        self.imageSize = imageSize
        self.channels = channels
        self.columns = columns ?? 0..<imageSize.width
        self.rows = rows ?? 0..<imageSize.height
        precondition(
            bytes.count == self.columns.count * self.rows.count * channels,
            "\(bytes.count) bytes are not those of \(self.columns) × \(self.rows)")
    }

    /// Where the pixel of column `x` and row `y` of the image begins.
    func offset(_ x: Int, _ y: Int) -> Int {
        ((y - rows.lowerBound) * columns.count + x - columns.lowerBound) * channels
    }

    /// `count` pixels of a row, from column `x` on.
    func copy(_ x: Int, _ y: Int, count: Int, to output: UnsafeMutablePointer<UInt8>) {
        precondition(
            rows.contains(y) && x >= columns.lowerBound && x + count <= columns.upperBound,
            "\(count) pixels from (\(x), \(y)) are not in \(columns) × \(rows)")
        output.update(from: bytes.baseAddress! + offset(x, y), count: count * channels)
    }
}

/// Hands out the rows of a crop one by one; only rows that leave the image are copied.
struct CropRows {
    let window: CropWindow
    let source: PixelSource
    let edge: CropEdge
    private let liesInside: Bool
    private var scratch: [UInt8]

    init(window: CropWindow, source: PixelSource, edge: CropEdge) {
        self.window = window
        self.source = source
        self.edge = edge
        liesInside = window.minX >= 0 && window.maxX <= source.imageSize.width
        let scratchLength =
            (liesInside && edge == .wrapped) ? 0 : window.width * source.channels
        scratch = [UInt8](repeating: 0, count: scratchLength)
    }

    /// Calls `body` with row `row` of the crop: `window.width` pixels, and how many bytes from its
    /// start on may be read.
    mutating func withRow(
        _ row: Int, _ body: (_ pixels: UnsafePointer<UInt8>, _ readable: Int) -> Void
    ) {
        var y = window.minY + row
        let isOutside = y < 0 || y >= source.imageSize.height
        if isOutside, edge == .wrapped { y = wrap(y, source.imageSize.height) }
        if liesInside, !isOutside || edge == .wrapped {
            precondition(
                source.rows.contains(y) && window.minX >= source.columns.lowerBound
                    && window.maxX <= source.columns.upperBound,
                "row \(y) of \(window) is not in \(source.columns) × \(source.rows)")
            let offset = source.offset(window.minX, y)
            return body(source.bytes.baseAddress! + offset, source.bytes.count - offset)
        }
        scratch.withUnsafeMutableBufferPointer { [window, source, edge] buffer in
            let output = buffer.baseAddress!
            if isOutside, edge == .zero {
                buffer.update(repeating: 0)
            } else if edge == .wrapped {
                window.copyWrapped(row: y, of: source, to: output)
            } else {
                window.copyPadded(row: y, of: source, to: output)
            }
            body(output, buffer.count)
        }
    }
}

extension CropWindow {
    /// The window's columns of one image line, taken from the other side outside the image.
    fileprivate func copyWrapped(
        row: Int, of source: PixelSource, to output: UnsafeMutablePointer<UInt8>
    ) {
        var x = wrap(minX, source.imageSize.width)
        var done = 0
        while done < width {
            let count = min(source.imageSize.width - x, width - done)
            source.copy(x, row, count: count, to: output + done * source.channels)
            done += count
            x = 0
        }
    }

    /// The window's columns of one image line, 0 outside the image.
    fileprivate func copyPadded(
        row: Int, of source: PixelSource, to output: UnsafeMutablePointer<UInt8>
    ) {
        output.update(repeating: 0, count: width * source.channels)
        let start = max(minX, 0)
        let end = min(maxX, source.imageSize.width)
        guard start < end else { return }
        source.copy(
            start, row, count: end - start, to: output + (start - minX) * source.channels)
    }

    /// The columns and rows of an image that a wrapped crop reads. A window that leaves the image
    /// on an axis reads its other side too, which makes it all of the axis.
    func reach(in size: Size) -> (columns: Range<Int>, rows: Range<Int>) {
        func reach(_ low: Int, _ high: Int, _ length: Int) -> Range<Int> {
            low >= 0 && high <= length ? low..<max(low, high) : 0..<length
        }
        return (reach(minX, maxX, size.width), reach(minY, maxY, size.height))
    }
}

/// `position` modulo `length`, never negative.
func wrap(_ position: Int, _ length: Int) -> Int {
    let remainder = position % length
    return remainder < 0 ? remainder + length : remainder
}
