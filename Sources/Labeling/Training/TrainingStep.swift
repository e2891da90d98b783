package import MaskModel
package import Torch

// B batch, S side of a crop, o side of the logits, t side of the mean field's maps.

/// One batch as the networks take it.
package struct TrainingTensors {
    /// (B, 3, S, S) float32, normalised; augmented, for the student.
    package let image: Tensor
    /// The same crops without colour augmentation, for the teacher.
    package let teacherImage: Tensor
    /// (B, 1, S, S) float32, 0 or 1: the boxes.
    package let mask: Tensor
    /// The boxes' areas in pixels of their images.
    package let areas: [Float]

    package init(image: Tensor, teacherImage: Tensor, mask: Tensor, areas: [Float]) {
        self.image = image
        self.teacherImage = teacherImage
        self.mask = mask
        self.areas = areas
    }

    /// From bytes as the loader gives them, row-major: image and teacherImage (B, S, S, 3), mask
    /// (B, S, S) of 0 and 1.
    package init(
        image: [UInt8], teacherImage: [UInt8], mask: [UInt8], areas: [Float], cropSize: Int,
        device: Device
    ) {
        let (count, side) = (areas.count, cropSize)
        self.image = normalized(Tensor(bytes: image, [count, side, side, 3], device: device))
        self.teacherImage = normalized(
            Tensor(bytes: teacherImage, [count, side, side, 3], device: device))
        self.mask = Tensor(bytes: mask, [count, 1, side, side], device: device).to(.float32)
        self.areas = areas
    }
}

extension TrainingTensors {
    /// The batch in parts of at most `count` objects; views.
    fileprivate func parts(of count: Int) -> [TrainingTensors] {
        precondition(count > 0, "parts of \(count) objects")
        guard areas.count > count else { return [self] }
        return stride(from: 0, to: areas.count, by: count).map { start in
            let rows = start..<min(start + count, areas.count)
            return TrainingTensors(
                image: image.narrowed(0, rows), teacherImage: teacherImage.narrowed(0, rows),
                mask: mask.narrowed(0, rows), areas: Array(areas[rows]))
        }
    }
}

/// The numbers of the method that a step needs.
package struct TrainingStepSettings: Sendable, Equatable {
    package var schedule: LearningRateSchedule
    /// What the schedule calls an epoch; optimizer steps.
    package var stepsPerEpoch: Int
    package var teacherMomentum = 0.996
    package var milWeight = 4.0
    package var crfWeight = 0.5
    /// Steps of the first epoch in which a loss gains its weight.
    package var milWarmupSteps = 1000
    package var crfWarmupSteps = 4000
    package var meanField = MeanField()
    /// t / o (`train.crf_size_ratio`).
    package var crfSizeRatio = 1
    /// Gradients are shrunk to this norm when they are longer; nil leaves them.
    package var gradientNormLimit: Double?
    package var options = TrainingOptions()
    /// Objects whose activations are held at the same time; a larger batch goes through in parts, to
    /// the same gradients. Nil takes a batch as it is.
    package var objectsAtOnce: Int?
    /// For drop path: the same seed, epoch and step leave out the same branches.
    package var seed: UInt64 = 0

    package init(schedule: LearningRateSchedule, stepsPerEpoch: Int) {
        self.schedule = schedule
        self.stepsPerEpoch = stepsPerEpoch
    }

    /// What ``objectsAtOnce`` suits a device: on a CPU about 2,048 tokens, more of which make no
    /// operator faster; on a GPU all.
    package static func objectsAtOnce(
        on device: Device, cropSize: Int, _ configuration: MaskNetworkConfiguration
    ) -> Int? {
        guard device == .cpu else { return nil }
        let side = max(1, cropSize / configuration.backbone.tokenStride)
        return max(1, 2048 / (side * side))
    }
}

/// Pictures of a step, as probabilities: (B, o, o) float32, the target (B, t, t).
package struct StepMaps {
    package let student: Tensor
    package let teacher: Tensor
    /// What the mean field made of both, 0 or 1.
    package let target: Tensor
}

/// What a step did.
package struct StepResult {
    /// With their weights, as they were summed.
    package let lossMIL: Double
    package let lossCRF: Double
    /// The rate this step used, and the one set for the next.
    package let learningRate: Double
    package let nextLearningRate: Double
    /// Before clipping; 0 when nothing had a gradient.
    package let gradientNorm: Double
    /// Whether the student was left as it was: float16 gradients overflowed, or a number was not
    /// finite.
    package let isSkipped: Bool
    /// Of the last batch, or part of one, that went through, when asked for.
    package let maps: StepMaps?

    package var loss: Double { lossMIL + lossCRF }
    /// Whether the losses and the gradients are numbers. With float16 arithmetic single steps that are
    /// not are part of the method, which then lowers its scale.
    package var isFinite: Bool { loss.isFinite && gradientNorm.isFinite }
}

/// One step of training: student and teacher forward, losses, backward, AdamW, learning rate, moving
/// average (SPEC §7).
///
/// Between steps there is nothing in here that a checkpoint must keep but ``scaler``, the optimizer's
/// state and its rate, and the parameters of the pair.
package final class TrainingStep {
    package let pair: StudentTeacher
    package let optimizer: AdamW
    package let settings: TrainingStepSettings
    /// Of use with float16 arithmetic only.
    package var scaler = LossScaler()
    /// Measures the parts of each step when there.
    package var profile: StepProfile?
    /// Joins the processes of a run; nil trains alone.
    package var exchange: TrainingExchange?

    package init(_ pair: StudentTeacher, _ optimizer: AdamW, _ settings: TrainingStepSettings) {
        self.pair = pair
        self.optimizer = optimizer
        self.settings = settings
    }

    /// - Parameters:
    ///   - batches: one, or several whose gradients are summed as if they were one.
    ///   - step: from 0 in `epoch`, which is from 0 too.
    package func run(
        _ batches: [TrainingTensors], epoch: Int, step: Int, wantsMaps: Bool = false
    ) -> StepResult {
        var losses = backward(batches, epoch: epoch, step: step, wantsMaps: wantsMaps)
        if let exchange {
            timed(.exchange) { exchange.reduce(mil: &losses.mil, crf: &losses.crf) }
        }
        let rate = optimizer.learningRate
        let (norm, isSkipped) = timed(.optimizer) {
            let result = update(lossIsFinite: (losses.mil + losses.crf).isFinite)
            exchange?.shareParameters()
            optimizer.clearGradients()
            return result
        }
        optimizer.learningRate = settings.schedule.rate(
            afterStep: step, epoch: epoch, stepsPerEpoch: settings.stepsPerEpoch)
        if !isSkipped || isScaled {
            timed(.average) { pair.updateTeacher(momentum: settings.teacherMomentum) }
        }
        profile?.endStep()
        return StepResult(
            lossMIL: losses.mil, lossCRF: losses.crf, learningRate: rate,
            nextLearningRate: optimizer.learningRate, gradientNorm: norm, isSkipped: isSkipped,
            maps: losses.maps)
    }

    package struct Losses {
        package var mil = 0.0
        package var crf = 0.0
        package var maps: StepMaps?
    }

    /// The first half of ``run(_:epoch:step:wantsMaps:)``: leaves the gradients (scaled, with float16
    /// arithmetic) and moves nothing.
    package func backward(
        _ batches: [TrainingTensors], epoch: Int, step: Int, wantsMaps: Bool = false
    ) -> Losses {
        let weights = lossWeights(epoch: epoch, step: step)
        let batches = batches.flatMap { batch in
            settings.objectsAtOnce.map { batch.parts(of: $0) } ?? [batch]
        }
        let total = exchange?.objectCount ?? batches.reduce(0) { $0 + $1.areas.count }
        var generator = Generator(seed: settings.seed ^ UInt64(truncatingIfNeeded: epoch) << 32)
        generator.state = generator.next() ^ UInt64(truncatingIfNeeded: step)
        optimizer.clearGradients()
        var losses = Losses()
        for (index, batch) in batches.enumerated() {
            accumulate(
                batch, of: total, weights, &losses, &generator,
                wantsMaps: wantsMaps && index == batches.count - 1)
        }
        return losses
    }

    private var isScaled: Bool { settings.options.arithmetic == .float16 }

    private func lossWeights(epoch: Int, step: Int) -> Losses {
        func warmth(_ steps: Int) -> Double {
            epoch > 0 ? 1 : min(1, Double(step) / Double(max(steps, 1)))
        }
        return Losses(
            mil: settings.milWeight * warmth(settings.milWarmupSteps),
            crf: settings.crfWeight * warmth(settings.crfWarmupSteps))
    }

    /// Adds one batch's losses and gradients, as its share of `total` objects.
    private func accumulate(
        _ batch: TrainingTensors, of total: Int, _ weights: Losses, _ losses: inout Losses,
        _ generator: inout Generator, wantsMaps: Bool
    ) {
        // First, while no activations of the student are held.
        let teacher = timed(.teacher) { teacherProbabilities(batch) }  // (B, o, o)
        let pass = timed(.student) {
            TrainingPass(
                pair, image: batch.image, areas: batch.areas, settings.options, using: &generator)
        }
        let student = pass.logits.selecting(1, 0).sigmoid().to(.float32)
        let side = student.size(1)

        let mil = timed(.losses) {
            multipleInstanceLoss(student, resized(batch.mask, side).selecting(1, 0)).sum()
                * (weights.mil / (Double(total) + 1e-4))
        }
        let crfSide = side * settings.crfSizeRatio
        let target = timed(.meanField) {
            crfTarget(batch, student: student, teacher: teacher, side: crfSide)
        }
        let crf = timed(.losses) {
            let scaledStudent = resized(student.unsqueezed(1), crfSide).selecting(1, 0)
            return diceLoss(scaledStudent, target).sum() * (weights.crf / Double(total))
        }
        let loss = mil + crf
        timed(.backward) { pass.backward(isScaled ? loss * scaler.scale : loss) }
        losses.mil += Double(mil.item())
        losses.crf += Double(crf.item())
        if wantsMaps {
            losses.maps = StepMaps(student: student.detached(), teacher: teacher, target: target)
        }
    }

    private func timed<Result>(_ part: StepProfile.Part, _ body: () -> Result) -> Result {
        guard let profile else { return body() }
        return profile.measure(part, body)
    }

    func teacherProbabilities(_ batch: TrainingTensors) -> Tensor {
        withoutGradients {
            autocast(settings.options.arithmetic, on: pair.device) {
                pair.teacher(image: batch.teacherImage, areas: batch.areas)
            }.selecting(1, 0).sigmoid().to(.float32)
        }
    }

    /// The mean field of both networks' average (SPEC §6): (B, t, t).
    func crfTarget(
        _ batch: TrainingTensors, student: Tensor, teacher: Tensor, side: Int
    ) -> Tensor {
        withoutGradients {
            let mean = (student.detached() + teacher) / 2
            return settings.meanField(
                image: resized(batch.image, side),
                probabilities: resized(mean.unsqueezed(1), side).selecting(1, 0),
                mask: resized(batch.mask, side).selecting(1, 0))
        }
    }

    /// Moves the student, unless a number is not finite. Gives the gradients' norm.
    private func update(lossIsFinite: Bool) -> (norm: Double, isSkipped: Bool) {
        let gradients = optimizer.gradients
        if isScaled && !gradients.isEmpty {
            let isGood = scaler.unscale(gradients)
            scaler.update(overflowed: !isGood)
        }
        let norm = norm(ofAll: gradients)
        guard lossIsFinite && norm.isFinite else { return (norm, true) }
        if let limit = settings.gradientNormLimit { clip(gradients, norm: norm, to: limit) }
        optimizer.step()
        return (norm, false)
    }

    /// Bilinear (B, C, ·, ·) to `side` × `side`; itself when it is that already.
    private func resized(_ x: Tensor, _ side: Int) -> Tensor {
        x.size(2) == side && x.size(3) == side
            ? x : interpolate(x, height: side, width: side, .bilinear)
    }
}
