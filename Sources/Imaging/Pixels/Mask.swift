/// A binary mask.
public struct Mask: Sendable, Equatable {
    public let size: Size
    /// H·W values, row by row, each 0 or 1.
    public var pixels: [UInt8]

    public init(size: Size, pixels: [UInt8]) {
        precondition(
            size.pixelCount == pixels.count,
            "a mask of \(size) needs a value per pixel, has \(pixels.count) in all")
        self.size = size
        self.pixels = pixels
    }

    /// A mask with no pixel set.
    public init(empty size: Size) {
        self.init(size: size, pixels: [UInt8](repeating: 0, count: size.pixelCount ?? 0))
    }

    /// The inclusive box mask of SPEC §2.3: rows int(y)…int(y+h) and columns int(x)…int(x+w), both
    /// ends included, so that a whole-numbered box covers one pixel more per side. What lies
    /// outside the image is dropped.
    public init(box: Box, size: Size) {
        let rows = BoxSpan(box.minY, box.maxY).range(within: size.height)
        let columns = BoxSpan(box.minX, box.maxX).range(within: size.width)
        var pixels = [UInt8](repeating: 0, count: size.pixelCount ?? 0)
        for row in rows {
            for index in columns { pixels[row * size.width + index] = 1 }
        }
        self.init(size: size, pixels: pixels)
    }

    /// The number of pixels set.
    public var area: Int {
        pixels.withUnsafeBufferPointer { values in
            var sum = 0
            for value in values { sum &+= Int(value) }
            return sum
        }
    }
}

/// The pixels that a box covers along one axis, both ends included.
struct BoxSpan {
    let first: Int
    let last: Int

    init(_ low: Double, _ high: Double) {
        first = Int(clamping: low, to: 4e9)
        last = Int(clamping: high, to: 4e9)
    }

    func contains(_ position: Int) -> Bool { position >= first && position <= last }

    func range(within length: Int) -> Range<Int> {
        let start = max(first, 0)
        let end = min(last + 1, length)
        return start < end ? start..<end : 0..<0
    }
}
