public import Imaging

/// A binary mask as run lengths down the columns, left to right; the first run is of zeros.
///
/// The format and the numbers are those of pycocotools 2.0.8 (P. Dollár and T.-Y. Lin, BSD
/// licence).
public struct RLE: Sendable, Hashable {
    public let size: Size
    /// The lengths of the runs; they sum to the number of pixels.
    public let counts: [UInt32]

    /// The most pixels a mask can have.
    public static let pixelLimit = Int(UInt32.max)

    /// - Throws: ``AnnotationError/segmentation(_:)`` unless the runs fill the size exactly.
    public init(size: Size, counts: [UInt32]) throws {
        let pixels = try Self.pixelCount(of: size)
        var sum = 0
        for count in counts { sum &+= Int(count) }
        guard sum == pixels else {
            throw AnnotationError.segmentation(
                "run counts sum to \(sum), size [\(size.height), \(size.width)] needs \(pixels)")
        }
        self.init(size, counts)
    }

    package init(_ size: Size, _ counts: [UInt32]) {
        self.size = size
        self.counts = counts
    }

    package static func pixelCount(of size: Size) throws -> Int {
        guard let count = size.pixelCount, count <= pixelLimit else {
            throw AnnotationError.segmentation(
                "size [\(size.height), \(size.width)] is negative or above \(pixelLimit) pixels")
        }
        return count
    }

    /// The number of pixels set.
    public var area: Int {
        var sum = 0
        for index in stride(from: 1, to: counts.count, by: 2) { sum &+= Int(counts[index]) }
        return sum
    }

    /// The smallest box around all pixels set; all zero for an empty mask, as pycocotools has it.
    public var boundingBox: Box {
        var minX = Int.max
        var minY = Int.max
        var maxX = -1
        var maxY = -1
        forEachRun { start, length in
            let last = start + length - 1
            let (firstColumn, firstRow) = start.quotientAndRemainder(dividingBy: size.height)
            let (lastColumn, lastRow) = last.quotientAndRemainder(dividingBy: size.height)
            minX = min(minX, firstColumn)
            maxX = max(maxX, lastColumn)
            minY = min(minY, firstColumn == lastColumn ? firstRow : 0)
            maxY = max(maxY, firstColumn == lastColumn ? lastRow : size.height - 1)
        }
        guard maxX >= 0 else { return Box(minX: 0, minY: 0, maxX: 0, maxY: 0) }
        return Box(
            minX: Double(minX), minY: Double(minY), maxX: Double(maxX + 1), maxY: Double(maxY + 1))
    }

    /// Calls `body` with the start (column · height + row) and length of every run of ones.
    package func forEachRun(_ body: (_ start: Int, _ length: Int) -> Void) {
        var position = 0
        var isSet = false
        for count in counts {
            if isSet, count > 0 { body(position, Int(count)) }
            position += Int(count)
            isSet.toggle()
        }
    }
}
