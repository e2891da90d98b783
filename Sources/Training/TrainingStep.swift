package import Inference
package import MaskModel
package import Torch

// B batch, S side of a crop, o side of the logits, t side of the mean field's maps.

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

    var isScaled: Bool { settings.options.arithmetic == .float16 }

    /// The losses so far, float64 of shape [] on the device.
    struct Sums {
        var mil, crf, composite, mask: Tensor
        var maps: StepMaps?

        init(on device: Device) {
            mil = .zeros([], .float64, device: device)
            (crf, composite, mask) = (mil, mil, mil)
        }
    }

    /// What the losses weigh in a step.
    struct Weights {
        let mil, crf, composite, mask: Double
        /// The prior's share of where the mean field begins.
        let prior: Double
        /// Objects in all of the step's batches.
        var objectCount = 0

        init(_ settings: TrainingStepSettings, epoch: Int, step: Int) {
            func warmth(_ steps: Int) -> Double {
                epoch > 0 ? 1 : min(1, Double(step) / Double(max(steps, 1)))
            }
            let runStep = epoch * settings.stepsPerEpoch + step
            mil = settings.milWeight * warmth(settings.milWarmupSteps)
            crf = settings.crfWeight * warmth(settings.crfWarmupSteps)
            composite = settings.composites?.weight(atStep: runStep) ?? 0
            mask = settings.maskWeight
            prior = settings.prior?.share(atStep: runStep) ?? 0
        }
    }

    /// Adds one batch's losses and gradients, as its share of the step's objects.
    ///
    /// - Parameter blockDone: told of each block that the backward pass has finished.
    func accumulate(
        _ batch: TrainingTensors, _ weights: Weights, _ sums: inout Sums,
        _ generator: inout Generator, wantsMaps: Bool, blockDone: ((_ block: Int) -> Void)?
    ) {
        let count = Double(weights.objectCount)
        // First, while no activations of the student are held.
        let (teacher, features) = profile.measure(.teacher) { teacherProbabilities(batch) }
        let guess = profile.measure(.teacher) { firstGuess(batch, features, weights.prior) }
        if weights.composite > 0, batch.areas.count > 1 {
            accumulateComposites(
                of: batch, teacher: teacher, weight: weights.composite / count, &sums, &generator)
        }
        let pass = profile.measure(.student) {
            TrainingPass(
                pair, image: batch.image, areas: batch.areas, settings.options,
                inBlocks: blockDone != nil, using: &generator)
        }
        let student = probabilities(pass.logits)
        let side = student.size(1)

        let mil = profile.measure(.losses) {
            multipleInstanceLoss(student, resized(batch.mask, side).selecting(1, 0)).sum()
                * (weights.mil / (count + 1e-4))
        }
        let crfSide = side * settings.crfSizeRatio
        let target = profile.measure(.meanField) {
            crfTarget(batch, student: student, teacher: teacher, side: crfSide, guess: guess)
        }
        let crf = profile.measure(.losses) {
            let scaledStudent = resized(student.unsqueezed(1), crfSide).selecting(1, 0)
            return diceLoss(scaledStudent, target).sum() * (weights.crf / count)
        }
        var loss = mil + crf
        if let truth = batch.truth, weights.mask > 0 {
            let known = profile.measure(.losses) {
                maskLoss(
                    student.rows(truth.rows), resized(truth.mask, side).selecting(1, 0),
                    box: resized(batch.mask, side).selecting(1, 0).rows(truth.rows)
                ).sum() * (weights.mask / count)
            }
            loss = loss + known
            sums.mask = sums.mask + known.detached()
        }
        profile.measure(.backward) {
            pass.backward(isScaled ? loss * scaler.scale : loss) { blockDone?($0) }
        }
        sums.mil = sums.mil + mil.detached()
        sums.crf = sums.crf + crf.detached()
        if wantsMaps {
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
        let pass = profile.measure(.student) {
            TrainingPass(
                pair, image: made.image, areas: batch.areas, settings.options, using: &generator)
        }
        let student = probabilities(pass.logits)
        let loss = profile.measure(.losses) {
            composites.loss(
                student, made, box: resized(batch.mask, student.size(1)).selecting(1, 0)
            ).sum() * weight
        }
        profile.measure(.backward) { pass.backward(isScaled ? loss * scaler.scale : loss) }
        sums.composite = sums.composite + loss.detached()
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

    /// Moves the student, unless a number is not finite; the device decides.
    ///
    /// - Returns: MIL and CRF loss, the gradients' norm, whether the step was skipped, whether float16
    ///   overflowed, the losses of composites and of true masks: float64.
    func update(_ sums: Sums) -> Tensor {
        let gradients = optimizer.gradients
        let device = pair.device
        let overflow =
            isScaled && !gradients.isEmpty
            ? scaler.unscale(gradients) : .zeros([], device: device)
        let norm = gradients.isEmpty ? .zeros([], device: device) : norm(of: gradients)
        let isSkipped = 1 - (sums.mil + sums.crf + sums.composite + sums.mask + norm).finiteness
        if let limit = settings.gradientNormLimit { clip(gradients, norm: norm, to: limit) }
        optimizer.step(unless: isSkipped)
        return .stacked(
            [sums.mil, sums.crf, norm, isSkipped, overflow, sums.composite, sums.mask]
                .map { $0.to(.float64) })
    }

    /// The moving average.
    func moveTeacher() {
        profile.measure(.average) {
            pair.updateTeacher(
                momentum: settings.teacherMomentum, includesBuffers: settings.averagesBuffers)
        }
    }

    /// Bilinear (B, C, ·, ·) to `side` × `side`; itself when it is that already.
    private func resized(_ x: Tensor, _ side: Int) -> Tensor {
        x.size(2) == side && x.size(3) == side
            ? x : interpolate(x, height: side, width: side, .bilinear)
    }
}
