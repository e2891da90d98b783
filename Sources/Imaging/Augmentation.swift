/// The random changes that only the student's image gets (SPEC §3.4, step 3).
package struct Augmentation: Sendable, Hashable {
    package var jitterProbability: Double
    package var jitter: ColorJitter
    package var grayscaleProbability: Double
    package var blurProbability: Double
    /// Radii of the Gaussian blur in pixels of the crop.
    package var blurRadius: ClosedRange<Double>

    package init(
        jitterProbability: Double = 0.5, jitter: ColorJitter = ColorJitter(),
        grayscaleProbability: Double = 0.2, blurProbability: Double = 0.5,
        blurRadius: ClosedRange<Double> = 0.1...2
    ) {
        self.jitterProbability = jitterProbability
        self.jitter = jitter
        self.grayscaleProbability = grayscaleProbability
        self.blurProbability = blurProbability
        self.blurRadius = blurRadius
    }

    /// Leaves every image as it is.
    package static let none = Augmentation(
        jitterProbability: 0, grayscaleProbability: 0, blurProbability: 0)

    /// What one image gets. The same amount of random numbers is used whatever the outcome.
    package func draw(using generator: inout some RandomNumberGenerator) -> AugmentationDraw {
        let jitters = generator.unitNumber() < jitterProbability
        let adjustments = jitter.draw(using: &generator)
        let isGrayscale = generator.unitNumber() < grayscaleProbability
        let blurs = generator.unitNumber() < blurProbability
        let radius = generator.number(in: blurRadius)
        return AugmentationDraw(
            adjustments: jitters ? adjustments : [], isGrayscale: isGrayscale,
            blurRadius: blurs ? radius : nil)
    }
}

/// What one image gets, in this order.
package struct AugmentationDraw: Sendable, Hashable {
    package var adjustments: [ColorAdjustment]
    package var isGrayscale: Bool
    package var blurRadius: Double?

    package init(
        adjustments: [ColorAdjustment] = [], isGrayscale: Bool = false, blurRadius: Double? = nil
    ) {
        self.adjustments = adjustments
        self.isGrayscale = isGrayscale
        self.blurRadius = blurRadius
    }
}

/// The ranges of random colour changes; each image gets all four, in a random order.
package struct ColorJitter: Sendable, Hashable {
    package var brightness: ClosedRange<Double>
    package var contrast: ClosedRange<Double>
    package var saturation: ClosedRange<Double>
    /// In turns of the colour circle.
    package var hue: ClosedRange<Double>

    package init(
        brightness: ClosedRange<Double> = 0.6...1.4, contrast: ClosedRange<Double> = 0.6...1.4,
        saturation: ClosedRange<Double> = 0.8...1.2, hue: ClosedRange<Double> = -0.1...0.1
    ) {
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue
    }

    /// Four changes with factors drawn evenly, in an order drawn evenly.
    package func draw(using generator: inout some RandomNumberGenerator) -> [ColorAdjustment] {
        var adjustments: [ColorAdjustment] = [
            .brightness(generator.number(in: brightness)),
            .contrast(generator.number(in: contrast)),
            .saturation(generator.number(in: saturation)),
            .hue(generator.number(in: hue)),
        ]
        for last in stride(from: adjustments.count - 1, to: 0, by: -1) {
            adjustments.swapAt(last, generator.index(below: last + 1))
        }
        return adjustments
    }
}

/// One change of colours; a factor of 1, or a hue of 0, changes nothing or little.
package enum ColorAdjustment: Sendable, Hashable {
    /// Blends with black.
    case brightness(Double)
    /// Blends with the mean grey.
    case contrast(Double)
    /// Blends with the image in grey.
    case saturation(Double)
    /// Turns the colour circle by this share of a turn.
    case hue(Double)
}

extension RGBImage {
    /// The image with the drawn changes, in 8 bits after each (SPEC §3.4).
    package func augmented(_ draw: AugmentationDraw) -> RGBImage {
        var image = self
        for adjustment in draw.adjustments { image.adjust(adjustment) }
        if draw.isGrayscale { image.makeGrayscale() }
        if let radius = draw.blurRadius { image.blur(radius: radius) }
        return image
    }
}

/// The standard library's random functions may differ from release to release; these may not.
extension RandomNumberGenerator {
    /// A number from 0 to below 1, evenly.
    package mutating func unitNumber() -> Double { Double(next() >> 11) * 0x1p-53 }

    package mutating func number(in range: ClosedRange<Double>) -> Double {
        range.lowerBound + (range.upperBound - range.lowerBound) * unitNumber()
    }

    /// A number from 0 to below `bound`, evenly but for 1 in 2⁶⁴ / `bound`.
    package mutating func index(below bound: Int) -> Int {
        Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }
}
