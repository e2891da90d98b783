package import Torch

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
    /// 0 without true masks.
    package let lossMask: Double
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

    package var loss: Double { lossMIL + lossCRF + lossComposite + lossMask }
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

    /// - Parameter numbers: of ``TrainingStep/update(_:)``.
    init(
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
            lossMask: numbers[6], learningRate: learningRate,
            nextLearningRate: nextLearningRate, gradientNorm: numbers[2],
            isSkipped: numbers[3] != 0, maps: maps)
    }

    func hasOverflowed() -> Bool { readback.doubles()[4] != 0 }
}
