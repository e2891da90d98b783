package import Inference
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

/// A guess that the mean field's target begins from instead of the networks, which are no better at
/// first.
package struct TargetPrior: Sendable, Equatable {
    package var guess = FeaturePrior()
    /// The step of the run at which the networks have wholly taken its place.
    package var endStep: Int

    package init(endStep: Int) { self.endStep = endStep }

    /// The prior's share of the beginning: 1 at the run's first step, falling evenly.
    package func share(atStep step: Int) -> Double { max(0, 1 - Double(step) / Double(endStep)) }
}

/// When composites count, and how much.
package struct CompositePlan: Sendable, Equatable {
    package var composites = Composites()
    package var weight: Double
    /// Steps of the run that are without them, and then those in which they gain their weight.
    package var startStep: Int

    package init(weight: Double, startStep: Int) {
        self.weight = weight
        self.startStep = startStep
    }

    package func weight(atStep step: Int) -> Double {
        weight * min(1, max(0, Double(step - startStep) / Double(max(startStep, 1))))
    }
}

/// The numbers of the method that a step needs.
package struct TrainingStepSettings: Sendable, Equatable {
    package var schedule: LearningRateSchedule
    /// Optimizer steps.
    package var stepsPerEpoch: Int
    /// What the schedule calls an epoch.
    package var stepsPerScheduleEpoch: Int
    package var teacherMomentum = 0.996
    /// Whether the moving average covers running statistics too (`train.ema_buffers`).
    package var averagesBuffers = false
    package var milWeight = 4.0
    package var crfWeight = 0.5
    /// Steps of the first epoch in which a loss gains its weight.
    package var milWarmupSteps = 1000
    package var crfWarmupSteps = 4000
    package var meanField = MeanField()
    /// Crops whose masks are known, beside those of boxes; nil, as TAO, is without them.
    package var composites: CompositePlan?
    /// What the mean field begins from at first; nil, as TAO, begins from the networks.
    package var prior: TargetPrior?
    /// t / o (`train.crf_size_ratio`).
    package var crfSizeRatio = 1
    /// Gradients are shrunk to this norm when they are longer; nil leaves them.
    package var gradientNormLimit: Double?
    package var options = TrainingOptions()
    /// Objects whose activations are held at the same time; a larger batch goes through in parts, to
    /// the same gradients. Nil takes a batch as it is, which batch norm needs.
    package var objectsAtOnce: Int?
    /// For drop path: the same seed, epoch and step leave out the same branches.
    package var seed: UInt64 = 0

    package init(schedule: LearningRateSchedule, stepsPerEpoch: Int) {
        self.schedule = schedule
        self.stepsPerEpoch = stepsPerEpoch
        stepsPerScheduleEpoch = stepsPerEpoch
    }

    /// What ``objectsAtOnce`` suits a device: on a CPU about 2,048 tokens, more of which make no
    /// operator faster; on a GPU, and with batch norm, all.
    package static func objectsAtOnce(
        on device: Device, cropSize: Int, _ configuration: MaskNetworkConfiguration
    ) -> Int? {
        guard device == .cpu, configuration.backbone.layout != .fan else { return nil }
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

    package init(student: Tensor, teacher: Tensor, target: Tensor) {
        (self.student, self.teacher, self.target) = (student, teacher, target)
    }
}

/// What a step did.
package struct StepResult {
    /// With their weights, as they were summed.
    package let lossMIL: Double
    package let lossCRF: Double
    /// 0 without composites.
    package let lossComposite: Double
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

    package var loss: Double { lossMIL + lossCRF + lossComposite }
    /// Whether the losses and the gradients are numbers. With float16 arithmetic single steps that are
    /// not are part of the method, which then lowers its scale.
    package var isFinite: Bool { loss.isFinite && gradientNorm.isFinite }
}

/// A step whose numbers may still be on their way from the device.
package final class PendingStep {
    private let readback: Readback
    private let learningRate: Double
    private let nextLearningRate: Double
    private let maps: StepMaps?

    /// - Parameter numbers: MIL and CRF loss, the gradients' norm, whether the step was skipped, whether float16
    ///   overflowed, the composites' loss: float64.
    fileprivate init(
        numbers: Tensor, learningRate: Double, nextLearningRate: Double, maps: StepMaps?
    ) {
        readback = Readback(numbers)
        self.learningRate = learningRate
        self.nextLearningRate = nextLearningRate
        self.maps = maps
    }

    /// What the step did; waits for it.
    package func result() -> StepResult {
        let numbers = readback.doubles()
        return StepResult(
            lossMIL: numbers[0], lossCRF: numbers[1], lossComposite: numbers[5],
            learningRate: learningRate,
            nextLearningRate: nextLearningRate, gradientNorm: numbers[2],
            isSkipped: numbers[3] != 0, maps: maps)
    }

    fileprivate func hasOverflowed() -> Bool { readback.doubles()[4] != 0 }
}

/// One step of training: student and teacher forward, losses, backward, AdamW, learning rate, moving
/// average (SPEC §7).
///
/// Between steps there is nothing in here that a checkpoint must keep but ``scaler``, the optimizer's
/// state and its rate, and the parameters and buffers of the pair.
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
    /// A trained network whose masks the mean field begins from (`train.guide_checkpoint`).
    package var guide: MaskNetwork?
    /// Does the mean field when there (`train.mean_field_kernel`).
    package var meanFieldKernel: MeanFieldKernel?

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
        let pending = move(batches, epoch: epoch, step: step, wantsMaps: wantsMaps)
        let result = pending.result()
        if isScaled { scaler.update(overflowed: pending.hasOverflowed()) }
        if !result.isSkipped || isScaled { moveTeacher() }
        profile?.endStep()
        return result
    }

    /// ``run(_:epoch:step:wantsMaps:)`` for a device that works on its own: asks everything of it and waits for
    /// nothing.
    ///
    /// The student is left alone when a number is not finite, as the device finds out; the teacher moves all the
    /// same, towards weights that are finite. Not for float16, where the next step's scale follows from this one.
    package func start(_ batches: [TrainingTensors], epoch: Int, step: Int) -> PendingStep {
        precondition(!isScaled, "a float16 step has to be read before the next")
        let pending = move(batches, epoch: epoch, step: step, wantsMaps: false)
        moveTeacher()
        profile?.endStep()
        return pending
    }

    /// Everything but the moving average.
    private func move(
        _ batches: [TrainingTensors], epoch: Int, step: Int, wantsMaps: Bool
    ) -> PendingStep {
        var sums = accumulate(batches, epoch: epoch, step: step, wantsMaps: wantsMaps)
        if let exchange { timed(.exchange) { add(&sums, over: exchange) } }
        let rate = optimizer.learningRate
        let numbers = timed(.optimizer) {
            defer { optimizer.clearGradients() }
            let numbers = withoutGradients { update(sums) }
            exchange?.shareParameters()
            return numbers
        }
        optimizer.learningRate = settings.schedule.rate(
            afterStep: step, epoch: epoch, stepsPerEpoch: settings.stepsPerScheduleEpoch)
        return PendingStep(
            numbers: numbers, learningRate: rate, nextLearningRate: optimizer.learningRate,
            maps: sums.maps)
    }

    /// Makes gradients and losses those of all processes, which waits for them.
    private func add(_ sums: inout Sums, over exchange: TrainingExchange) {
        let losses = exchange.reduced(
            [sums.mil, sums.crf, sums.composite].map { $0.doubles()[0] })
        func scalar(_ value: Double) -> Tensor { .zeros([], .float64, device: pair.device) + value }
        sums.mil = scalar(losses[0])
        sums.crf = scalar(losses[1])
        sums.composite = scalar(losses[2])
    }

    private func moveTeacher() {
        timed(.average) {
            pair.updateTeacher(
                momentum: settings.teacherMomentum, includesBuffers: settings.averagesBuffers)
        }
    }

    package struct Losses {
        package var mil = 0.0
        package var crf = 0.0
    }

    /// The first half of ``run(_:epoch:step:wantsMaps:)``: leaves the gradients (scaled, with float16
    /// arithmetic) and moves nothing.
    package func backward(_ batches: [TrainingTensors], epoch: Int, step: Int) -> Losses {
        let sums = accumulate(batches, epoch: epoch, step: step, wantsMaps: false)
        return Losses(mil: sums.mil.doubles()[0], crf: sums.crf.doubles()[0])
    }

    /// The losses of all batches: float64 of shape [], on the device.
    private struct Sums {
        var mil: Tensor
        var crf: Tensor
        var composite: Tensor
        var maps: StepMaps?
    }

    private func accumulate(
        _ batches: [TrainingTensors], epoch: Int, step: Int, wantsMaps: Bool
    ) -> Sums {
        let weights = lossWeights(epoch: epoch, step: step)
        let runStep = epoch * settings.stepsPerEpoch + step
        let compositeWeight = settings.composites?.weight(atStep: runStep) ?? 0
        let priorShare =
            settings.prior?.share(atStep: runStep) ?? 0
        let batches = batches.flatMap { batch in
            settings.objectsAtOnce.map { batch.parts(of: $0) } ?? [batch]
        }
        let total = exchange?.objectCount ?? batches.reduce(0) { $0 + $1.areas.count }
        var generator = Generator(seed: settings.seed ^ UInt64(truncatingIfNeeded: epoch) << 32)
        generator.state = generator.next() ^ UInt64(truncatingIfNeeded: step)
        optimizer.clearGradients()
        var sums = Sums(
            mil: .zeros([], .float64, device: pair.device),
            crf: .zeros([], .float64, device: pair.device),
            composite: .zeros([], .float64, device: pair.device))
        for (index, batch) in batches.enumerated() {
            accumulate(
                batch, of: total, weights, priorShare, compositeWeight, &sums, &generator,
                isLast: index == batches.count - 1, wantsMaps: wantsMaps)
        }
        return sums
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
        _ batch: TrainingTensors, of total: Int, _ weights: Losses, _ priorShare: Double,
        _ compositeWeight: Double, _ sums: inout Sums, _ generator: inout Generator, isLast: Bool,
        wantsMaps: Bool
    ) {
        // First, while no activations of the student are held.
        let (teacher, features) = timed(.teacher) { teacherProbabilities(batch) }  // (B, o, o)
        let guess = timed(.teacher) { firstGuess(batch, features, priorShare) }
        if compositeWeight > 0, batch.areas.count > 1 {
            accumulateComposites(
                of: batch, teacher: teacher, weight: compositeWeight / Double(total), &sums,
                &generator)
        }
        // The gradients of earlier batches go with the last one's.
        let exchange = isLast && exchange?.overlaps == true ? exchange : nil
        let pass = timed(.student) {
            TrainingPass(
                pair, image: batch.image, areas: batch.areas, settings.options,
                inBlocks: exchange != nil, using: &generator)
        }
        let student = probabilities(pass.logits)
        let side = student.size(1)

        let mil = timed(.losses) {
            multipleInstanceLoss(student, resized(batch.mask, side).selecting(1, 0)).sum()
                * (weights.mil / (Double(total) + 1e-4))
        }
        let crfSide = side * settings.crfSizeRatio
        let target = timed(.meanField) {
            crfTarget(batch, student: student, teacher: teacher, side: crfSide, guess: guess)
        }
        let crf = timed(.losses) {
            let scaledStudent = resized(student.unsqueezed(1), crfSide).selecting(1, 0)
            return diceLoss(scaledStudent, target).sum() * (weights.crf / Double(total))
        }
        let loss = mil + crf
        timed(.backward) {
            pass.backward(isScaled ? loss * scaler.scale : loss) { exchange?.start(from: $0) }
        }
        sums.mil = sums.mil + mil.detached()
        sums.crf = sums.crf + crf.detached()
        if isLast, wantsMaps {
            sums.maps = StepMaps(student: student.detached(), teacher: teacher, target: target)
        }
    }

    /// Adds the loss and gradients of composites of a batch's crops.
    private func accumulateComposites(
        of batch: TrainingTensors, teacher: Tensor, weight: Double, _ sums: inout Sums,
        _ generator: inout Generator
    ) {
        guard let composites = settings.composites?.composites else { return }
        let made = composites(
            image: batch.image, probabilities: teacher, mask: batch.mask, using: &generator)
        let pass = timed(.student) {
            TrainingPass(
                pair, image: made.image, areas: batch.areas, settings.options, using: &generator)
        }
        let student = probabilities(pass.logits)
        let loss = timed(.losses) {
            composites.loss(
                student, made, box: resized(batch.mask, student.size(1)).selecting(1, 0)
            ).sum() * weight
        }
        timed(.backward) { pass.backward(isScaled ? loss * scaler.scale : loss) }
        sums.composite = sums.composite + loss.detached()
    }

    private func timed<Result>(_ part: StepProfile.Part, _ body: () -> Result) -> Result {
        guard let profile else { return body() }
        return profile.measure(part, body)
    }

    /// The teacher's (B, o, o), and its feature map.
    func teacherProbabilities(
        _ batch: TrainingTensors
    ) -> (probabilities: Tensor, features: Tensor) {
        withoutGradients {
            let (logits, features) = autocast(settings.options.arithmetic, on: pair.device) {
                let features = pair.teacher.backbone(batch.teacherImage)
                return (pair.teacher.logits(features, areas: batch.areas), features)
            }
            return (probabilities(logits), features)
        }
    }

    /// (B, o, o) float32 of logits (B, 1, o, o). float16 takes the sigmoid as it is, as TAO (SPEC §5.4);
    /// bfloat16 has so few digits that above a logit of 6 the sigmoid is 1 and has no gradient.
    package func probabilities(_ logits: Tensor) -> Tensor {
        let logits = logits.selecting(1, 0)
        return logits.dtype == .bfloat16
            ? logits.to(.float32).sigmoid() : logits.sigmoid().to(.float32)
    }

    /// What takes a share of the networks' place where the mean field begins: the guide's masks, (B, g, g), or
    /// the prior while it lasts.
    private func firstGuess(
        _ batch: TrainingTensors, _ features: Tensor, _ priorShare: Double
    ) -> (map: Tensor, share: Double)? {
        withoutGradients {
            if let guide {
                let logits = autocast(settings.options.arithmetic, on: pair.device) {
                    guide(image: batch.teacherImage, areas: batch.areas)
                }
                return (probabilities(logits), 1)
            }
            guard priorShare > 0, let prior = settings.prior else { return nil }
            return (prior.guess(features: features, mask: batch.mask), priorShare)
        }
    }

    /// The mean field of both networks' average (SPEC §6), or of a mixture with a guess: (B, t, t).
    func crfTarget(
        _ batch: TrainingTensors, student: Tensor, teacher: Tensor, side: Int,
        guess: (map: Tensor, share: Double)? = nil
    ) -> Tensor {
        withoutGradients {
            var mean = (student.detached() + teacher) / 2
            if let guess {
                mean =
                    mean * (1 - guess.share)
                    + resized(guess.map.unsqueezed(1), student.size(1)).selecting(1, 0)
                    * guess.share
            }
            let image = resized(batch.image, side)
            let probabilities = resized(mean.unsqueezed(1), side).selecting(1, 0)
            let mask = resized(batch.mask, side).selecting(1, 0)
            guard let meanFieldKernel else {
                return settings.meanField(image: image, probabilities: probabilities, mask: mask)
            }
            return meanFieldKernel(image: image, probabilities: probabilities, mask: mask)
        }
    }

    /// Moves the student, unless a number is not finite; the device decides. Gives what ``PendingStep`` reads.
    private func update(_ sums: Sums) -> Tensor {
        let gradients = optimizer.gradients
        let device = pair.device
        let overflow =
            isScaled && !gradients.isEmpty
            ? scaler.unscale(gradients) : .zeros([], device: device)
        let norm = gradients.isEmpty ? .zeros([], device: device) : norm(of: gradients)
        let isSkipped = 1 - (sums.mil + sums.crf + sums.composite + norm).finiteness
        if let limit = settings.gradientNormLimit { clip(gradients, norm: norm, to: limit) }
        optimizer.step(unless: isSkipped)
        return .stacked(
            [sums.mil, sums.crf, norm, isSkipped, overflow, sums.composite].map { $0.to(.float64) })
    }

    /// Bilinear (B, C, ·, ·) to `side` × `side`; itself when it is that already.
    private func resized(_ x: Tensor, _ side: Int) -> Tensor {
        x.size(2) == side && x.size(3) == side
            ? x : interpolate(x, height: side, width: side, .bilinear)
    }
}
