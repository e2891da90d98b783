import Inference
import MaskModel
import Torch

// A step as a run asks for it: its batches, the other processes, when its numbers are read.
extension TrainingStep {
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
        if let exchange { profile.measure(.exchange) { add(&sums, over: exchange) } }
        let rate = optimizer.learningRate
        let numbers = profile.measure(.optimizer) {
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
            [sums.mil, sums.crf, sums.composite, sums.mask].map { $0.doubles()[0] })
        func scalar(_ value: Double) -> Tensor { .zeros([], .float64, device: pair.device) + value }
        sums.mil = scalar(losses[0])
        sums.crf = scalar(losses[1])
        sums.composite = scalar(losses[2])
        sums.mask = scalar(losses[3])
    }

    package typealias Losses = (mil: Double, crf: Double)

    /// The first half of ``run(_:epoch:step:wantsMaps:)``: leaves the gradients (scaled, with float16
    /// arithmetic) and moves nothing.
    package func backward(_ batches: [TrainingTensors], epoch: Int, step: Int) -> Losses {
        let sums = accumulate(batches, epoch: epoch, step: step, wantsMaps: false)
        return (sums.mil.doubles()[0], sums.crf.doubles()[0])
    }

    /// The losses and gradients of all batches, in parts that fit into memory.
    private func accumulate(
        _ batches: [TrainingTensors], epoch: Int, step: Int, wantsMaps: Bool
    ) -> Sums {
        let batches = batches.flatMap { batch in
            settings.objectsAtOnce.map { batch.parts(of: $0) } ?? [batch]
        }
        var weights = Weights(settings, epoch: epoch, step: step)
        weights.objectCount = exchange?.objectCount ?? batches.reduce(0) { $0 + $1.areas.count }
        var generator = Generator(seed: settings.seed ^ UInt64(truncatingIfNeeded: epoch) << 32)
        generator.state = generator.next() ^ UInt64(truncatingIfNeeded: step)
        optimizer.clearGradients()
        var sums = Sums(on: pair.device)
        for (index, batch) in batches.enumerated() {
            let isLast = index == batches.count - 1
            // The gradients of earlier batches go to the other processes with the last one's.
            let exchange = isLast && exchange?.overlaps == true ? exchange : nil
            accumulate(
                batch, weights, &sums, &generator, wantsMaps: isLast && wantsMaps,
                blockDone: exchange?.start)
        }
        return sums
    }
}
