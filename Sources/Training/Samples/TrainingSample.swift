package import Imaging
import Inference
package import Specs
import Torch

/// How training samples are made (SPEC §3.4).
package struct TrainingSampleSettings: Sendable, Equatable {
    /// Side S of the square crop in pixels.
    package var cropSize: Int
    /// `margin_rate`, in half sides of the box.
    package var marginRate: ClosedRange<Double>
    /// Share of crops that have the margins of test crops.
    package var testCropShare = 0.0
    /// `test_margin_rate`, for these.
    package var testMarginRate = 0.6
    package var mirrorProbability: Double
    package var augmentation: Augmentation
    package var decoding: DecodeOptions

    package init(
        cropSize: Int, marginRate: ClosedRange<Double> = 0...1.2, mirrorProbability: Double = 0.5,
        augmentation: Augmentation = Augmentation(), decoding: DecodeOptions = DecodeOptions()
    ) {
        self.cropSize = cropSize
        self.marginRate = marginRate
        self.mirrorProbability = mirrorProbability
        self.augmentation = augmentation
        self.decoding = decoding
    }

    package init(_ spec: Spec) {
        self.init(
            cropSize: spec.dataset.cropSize,
            marginRate: spec.train.marginRate[0]...spec.train.marginRate[1],
            decoding: spec.dataset.decoding)
        testCropShare = spec.train.testCropShare
        testMarginRate = spec.train.testMarginRate
    }
}

/// All that is random in one training sample.
package struct TrainingDraw: Sendable, Equatable {
    package var margins: Margins
    package var isMirrored: Bool
    package var augmentation: AugmentationDraw

    package init(margins: Margins, isMirrored: Bool, augmentation: AugmentationDraw) {
        self.margins = margins
        self.isMirrored = isMirrored
        self.augmentation = augmentation
    }

    /// Margins with gates, mirroring, changes of the student's image; always the same amount of
    /// random numbers.
    package init(
        _ settings: TrainingSampleSettings, using generator: inout some RandomNumberGenerator
    ) {
        let sides = (
            generator.unitNumber(), generator.unitNumber(), generator.unitNumber(),
            generator.unitNumber()
        )
        let gates = (generator.unitNumber(), generator.unitNumber())
        margins = .train(
            from: settings.marginRate.lowerBound, to: settings.marginRate.upperBound,
            sides: sides, gates: gates)
        isMirrored = generator.unitNumber() < settings.mirrorProbability
        augmentation = settings.augmentation.draw(using: &generator)
        if generator.unitNumber() < settings.testCropShare {
            margins = .test(rate: settings.testMarginRate)
        }
    }
}

/// One crop for the student and the teacher.
package struct TrainingSample: Sendable, Equatable {
    /// S·S, augmented.
    package let image: RGBImage
    /// The same crop without colour changes.
    package let teacherImage: RGBImage
    /// The box inside the crop; it wraps around as the image does.
    package let mask: Mask
    /// The true mask inside the crop, where it is known; it wraps around too.
    package let truth: Mask?

    /// - Parameters:
    ///   - box: in pixels of `image`.
    ///   - truth: of `image`'s size.
    /// - Throws: ``ImageError`` for a box so large that no crop can be made.
    package init(
        box: Box, truth: Mask? = nil, image: RGBImage, draw: TrainingDraw, cropSize: Int
    ) throws(ImageError) {
        try self.init(
            box: box, truth: truth, image: ImageRegion(image), draw: draw, cropSize: cropSize)
    }

    /// - Parameter image: covers `draw`'s window of `box`.
    package init(
        box: Box, truth: Mask? = nil, image: ImageRegion, draw: TrainingDraw, cropSize: Int
    ) throws(ImageError) {
        let side = Size(square: cropSize)
        let window = draw.window(of: box)
        let crop = try image.wrappedCrop(window, resizedTo: side, isMirrored: draw.isMirrored)
        self.image = crop.augmented(draw.augmentation)
        teacherImage = crop
        mask = try Mask(
            box: box, image: image.imageSize, wrappedCrop: window, resizedTo: side,
            isMirrored: draw.isMirrored)
        self.truth = try truth?.wrappedCrop(
            window, resizedTo: side, isMirrored: draw.isMirrored)
    }
}

extension TrainingDraw {
    package func window(of box: Box) -> CropWindow { CropWindow(around: box, margins: margins) }
}

/// Random numbers that depend on nothing but the run's seed and what they are for, so that samples
/// come out the same in any order and on any number of threads.
enum TrainingRandom {
    /// For the order of the boxes in `epoch`.
    static func order(seed: UInt64, epoch: Int) -> Generator {
        generator(seed, purpose: 1, epoch, 0)
    }

    /// For the sample at `position` in the order of `epoch`.
    static func sample(seed: UInt64, epoch: Int, position: Int) -> Generator {
        generator(seed, purpose: 2, epoch, position)
    }

    private static func generator(
        _ seed: UInt64, purpose: UInt64, _ epoch: Int, _ position: Int
    ) -> Generator {
        var state = seed
        for part in [purpose, UInt64(epoch), UInt64(position)] {
            var mixer = Generator(seed: state)
            state = mixer.next() ^ part
        }
        var mixer = Generator(seed: state)
        return Generator(seed: mixer.next())
    }
}
