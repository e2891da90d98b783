/// A height and a width in pixels, in that order everywhere.
public struct Size: Sendable, Hashable, CustomStringConvertible {
    public var height: Int
    public var width: Int

    public init(height: Int, width: Int) {
        self.height = height
        self.width = width
    }

    /// A square of `side` by `side` pixels.
    public init(square side: Int) {
        self.init(height: side, width: side)
    }

    /// The number of pixels, or nil if a side is negative or the product does not fit.
    public var pixelCount: Int? {
        guard height >= 0, width >= 0 else { return nil }
        let (count, overflow) = height.multipliedReportingOverflow(by: width)
        return overflow ? nil : count
    }

    /// Width first, as people write it: `640×480`.
    public var description: String { "\(width)×\(height)" }
}
