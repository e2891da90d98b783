import Annotations
package import Imaging

/// What clean-up did to one mask.
package struct CleanupRecord: Equatable, Sendable {
    /// Mask pixels outside the box that were cleared.
    package var outsidePixels = 0
    /// Small pieces that were removed, and small holes that were filled.
    package var islands = 0
    package var holes = 0
    /// The pixels that changed, as COCO's compressed run lengths at the image's size: a mask and
    /// these, combined by exclusive or, give the mask before.
    package var changedCounts: [UInt8] = []
    package var changedPixels = 0
}

/// Rules that repair what is never right in a mask. Each is counted, and `CleanupRecord` undoes it.
package struct MaskCleanup: Sendable, Equatable {
    /// Pieces below this share of the mask are islands. Parts of an object that something else
    /// hides in the middle are far larger.
    package var islandShare = 0.02
    /// Holes below this share of the mask are pin-holes; the hole of a ring or a handle is larger.
    package var holeShare = 0.01

    package init() {}

    /// Clears pixels that the box does not touch, then islands, then fills pin-holes.
    ///
    /// - Parameter box: in pixels of the image.
    /// - Returns: nil when nothing had to be done.
    package func clean(
        _ mask: WindowMask, box: Box, imageSize: Size
    ) -> (mask: WindowMask, record: CleanupRecord)? {
        let (width, height) = (mask.size.width, mask.size.height)
        guard width > 0, height > 0 else { return nil }
        var record = CleanupRecord()
        var pixels = mask.pixels
        let columns = touched(box.minX, box.maxX, origin: mask.originX, length: width)
        let rows = touched(box.minY, box.maxY, origin: mask.originY, length: height)
        var area = 0
        for y in 0..<height {
            for x in 0..<width where pixels[y * width + x] != 0 {
                if rows.contains(y), columns.contains(x) {
                    area += 1
                } else {
                    pixels[y * width + x] = 0
                    record.outsidePixels += 1
                }
            }
        }
        // Only a box of which the mask has no pixel at all ends here: better a strange mask than
        // none.
        guard area > 0 else { return nil }
        record.islands = set(
            0, &pixels, width: width, height: height, below: islandShare * Double(area))
        record.holes = set(
            1, &pixels, width: width, height: height, below: holeShare * Double(area))
        guard record.outsidePixels + record.islands + record.holes > 0 else { return nil }
        var changed = [UInt8](repeating: 0, count: pixels.count)
        for place in pixels.indices where pixels[place] != mask.pixels[place] {
            changed[place] = 1
            record.changedPixels += 1
        }
        let difference = RLE(
            window: changed, windowSize: mask.size, originX: mask.originX, originY: mask.originY,
            imageSize: imageSize)
        record.changedCounts = difference.compressed
        let cleaned = WindowMask(
            pixels, size: mask.size, originX: mask.originX, originY: mask.originY)
        return (cleaned, record)
    }

    /// Gives the small pieces of the other value this value. A hole must lie inside the window: a
    /// piece of background that reaches its edge is not enclosed.
    private func set(
        _ value: UInt8, _ pixels: inout [UInt8], width: Int, height: Int, below limit: Double
    ) -> Int {
        let fillsHoles = value != 0
        let components = pixels.withUnsafeBufferPointer {
            MaskComponents(
                $0, width: width, height: height, of: !fillsHoles, diagonals: !fillsHoles)
        }
        // The largest piece stays even in a mask that is all dust.
        let limit = fillsHoles ? limit : min(limit, Double(components.areas.max() ?? 0))
        let isSmall = components.areas.indices.map {
            Double(components.areas[$0]) < limit && !(fillsHoles && components.touchesEdge[$0])
        }
        let count = isSmall.count { $0 }
        guard count > 0 else { return 0 }
        for run in components.runs where isSmall[run.component] {
            for column in run.columns { pixels[run.row * width + column] = value }
        }
        return count
    }

    /// The window's columns or rows that the box covers, even in part.
    private func touched(_ low: Double, _ high: Double, origin: Int, length: Int) -> Range<Int> {
        let first = min(max(low.rounded(.down) - Double(origin), 0), Double(length))
        let last = min(max(high.rounded(.up) - Double(origin), first), Double(length))
        return Int(first)..<Int(last)
    }
}

/// The clean-up of a whole run, in numbers.
public struct CleanupTotals: Sendable, Equatable {
    public var masks = 0
    public var islands = 0
    public var holes = 0
    public var outsidePixels = 0

    public init() {}

    package mutating func add(_ record: CleanupRecord) {
        masks += 1
        islands += record.islands
        holes += record.holes
        outsidePixels += record.outsidePixels
    }
}
