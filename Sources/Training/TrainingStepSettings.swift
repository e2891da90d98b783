package import MaskModel
package import Torch

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
    /// Of the true masks of those objects that have one.
    package var maskWeight = 0.0
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
