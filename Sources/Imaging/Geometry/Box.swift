/// An axis-aligned rectangle in pixels; the upper edge is exclusive.
public struct Box: Sendable, Hashable {
    public var minX: Double
    public var minY: Double
    public var maxX: Double
    public var maxY: Double

    public init(minX: Double, minY: Double, maxX: Double, maxY: Double) {
        self.minX = minX
        self.minY = minY
        self.maxX = maxX
        self.maxY = maxY
    }

    /// A box as COCO writes it: upper left corner, width, height. The sums are taken in double.
    public init(cocoX x: Double, y: Double, width: Double, height: Double) {
        self.init(minX: x, minY: y, maxX: x + width, maxY: y + height)
    }

    public var width: Double { maxX - minX }
    public var height: Double { maxY - minY }
    public var area: Double { width * height }

    /// The part inside an image of `size`, or nil if nothing of positive area is (a NaN counts as
    /// nothing).
    public func clipped(to size: Size) -> Box? {
        let clipped = Box(
            minX: max(minX, 0), minY: max(minY, 0),
            maxX: min(maxX, Double(size.width)), maxY: min(maxY, Double(size.height)))
        guard clipped.maxX > clipped.minX, clipped.maxY > clipped.minY else { return nil }
        return clipped
    }

    /// The corners rounded to single precision, as the reference stores every box (SPEC §2.3).
    public var roundedToFloat: Box {
        Box(
            minX: Double(Float(minX)), minY: Double(Float(minY)),
            maxX: Double(Float(maxX)), maxY: Double(Float(maxY)))
    }
}
