/// How far a crop reaches beyond its box, as fractions of half the box's width or height.
package struct Margins: Sendable, Hashable {
    package var left: Double
    package var top: Double
    package var right: Double
    package var bottom: Double

    package init(left: Double, top: Double, right: Double, bottom: Double) {
        self.left = left
        self.top = top
        self.right = right
        self.bottom = bottom
    }

    /// Half of `rate` on every side (SPEC §3.1, test).
    package static func test(rate: Double) -> Margins {
        Margins(left: 0.5 * rate, top: 0.5 * rate, right: 0.5 * rate, bottom: 0.5 * rate)
    }

    /// Random margins of a training crop (SPEC §3.1, train).
    ///
    /// - Parameters:
    ///   - rates: the two ends of `margin_rate`; they need not be in order.
    ///   - sides: four numbers in [0, 1) for left, top, right, bottom.
    ///   - gates: two numbers in [0, 1); the first shares the margin between left and right, the
    ///     second between top and bottom.
    package static func train(
        from low: Double, to high: Double, sides: (Double, Double, Double, Double),
        gates: (Double, Double)
    ) -> Margins {
        let span = high - low
        return Margins(
            left: (sides.0 * span + low) * gates.0, top: (sides.1 * span + low) * gates.1,
            right: (sides.2 * span + low) * (1 - gates.0),
            bottom: (sides.3 * span + low) * (1 - gates.1))
    }
}

/// The whole-pixel rectangle that is cut out of an image around a box; the upper edge is exclusive.
///
/// It may reach far outside the image and need not be square.
public struct CropWindow: Sendable, Hashable {
    package var minX: Int
    package var minY: Int
    package var maxX: Int
    package var maxY: Int

    /// Corners are held within ±10⁹, so that no later sum or difference overflows.
    package init(minX: Int, minY: Int, maxX: Int, maxY: Int) {
        self.minX = min(max(minX, -Self.limit), Self.limit)
        self.minY = min(max(minY, -Self.limit), Self.limit)
        self.maxX = min(max(maxX, -Self.limit), Self.limit)
        self.maxY = min(max(maxY, -Self.limit), Self.limit)
    }

    /// The extended box of SPEC §3.1.
    ///
    /// The corners are rounded to single precision first and x0 + x1 is a sum in single precision;
    /// the rest is done in double, which is what the reference's types amount to.
    package init(around box: Box, margins: Margins) {
        let x = Self.extend(Float(box.minX), Float(box.maxX), margins.left, margins.right)
        let y = Self.extend(Float(box.minY), Float(box.maxY), margins.top, margins.bottom)
        self.init(minX: x.low, minY: y.low, maxX: x.high, maxY: y.high)
    }

    package var width: Int { max(maxX - minX, 0) }
    package var height: Int { max(maxY - minY, 0) }
    package var size: Size { Size(height: height, width: width) }

    private static let limit = 1_000_000_000

    private static func extend(
        _ low: Float, _ high: Float, _ lowMargin: Double, _ highMargin: Double
    ) -> (low: Int, high: Int) {
        let centre = Double((low + high) / 2)
        let extendedLow = (centre - (centre - Double(low)) * (1 + lowMargin)).rounded(.down)
        let extendedHigh = (centre + (Double(high) - centre) * (1 + highMargin) + 1).rounded(.up)
        return (wholeNumber(extendedLow), wholeNumber(extendedHigh))
    }

    private static func wholeNumber(_ value: Double) -> Int {
        Int(clamping: value, to: Double(limit))
    }
}

extension Int {
    /// `value` without its fraction, held within ±`bound`; 0 for NaN. Never traps.
    init(clamping value: Double, to bound: Double) {
        self = value.isNaN ? 0 : Int(Swift.min(Swift.max(value, -bound), bound))
    }
}
