/// Keeps float16 gradients in range: the loss is multiplied by a scale that is halved when a gradient
/// overflows, and doubled after a long time without (Micikevicius et al. 2018; PyTorch's numbers).
package struct LossScaler: Sendable, Equatable {
    /// What the loss is multiplied by.
    package private(set) var scale: Double
    /// Steps since the last overflow or growth.
    package private(set) var goodStepCount: Int
    /// Good steps after which the scale doubles.
    package let growthInterval: Int

    /// - Parameters: scale, goodStepCount: as saved, or the start.
    package init(scale: Double = 65536, goodStepCount: Int = 0, growthInterval: Int = 2000) {
        self.scale = scale
        self.goodStepCount = goodStepCount
        self.growthInterval = growthInterval
    }

    /// Divides the gradients by the scale in place. Gives 1 when one was not finite, else 0: float32 of shape [],
    /// where they are. All of them are looked at in one operator, and nothing is read from the device.
    package func unscale(_ gradients: [Tensor]) -> Tensor {
        guard let first = gradients.first else { return .zeros([]) }
        return withoutGradients {
            let overflow = Tensor.zeros([], device: first.device)
            let inverse = Tensor.full([], 1 / scale, device: first.device)
            callVoid(
                ops.foreachNonFiniteAndUnscale, .tensors(gradients), .tensor(overflow),
                .tensor(inverse))
            return overflow
        }
    }

    /// Draws the conclusion from a step.
    package mutating func update(overflowed: Bool) {
        if overflowed {
            scale *= 0.5
            goodStepCount = 0
            return
        }
        goodStepCount += 1
        guard goodStepCount >= growthInterval else { return }
        goodStepCount = 0
        if Float(scale * 2).isFinite { scale *= 2 }
    }
}
