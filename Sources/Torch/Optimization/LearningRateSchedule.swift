#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Linear warm-up from 0, then cosine waves between the peak and the minimum (SPEC §7).
package struct LearningRateSchedule: Sendable, Equatable {
    package var peak: Double
    package var minimum: Double
    package var warmupEpochCount: Double
    package var epochCount: Double
    /// Half waves from the end of the warm-up to the end of training.
    package var waveCount: Double

    package init(
        peak: Double, minimum: Double, warmupEpochCount: Double, epochCount: Double,
        waveCount: Double = 1
    ) {
        self.peak = peak
        self.minimum = minimum
        self.warmupEpochCount = warmupEpochCount
        self.epochCount = epochCount
        self.waveCount = waveCount
    }

    /// The rate after `epochs` epochs, a number with a fraction.
    package func rate(at epochs: Double) -> Double {
        if epochs < warmupEpochCount { return peak * epochs / warmupEpochCount }
        let length = epochCount - warmupEpochCount
        // A run that is all warm-up ends at the peak; the reference divides by zero.
        let progress = length > 0 ? (epochs - warmupEpochCount) / length : 0
        return minimum + (peak - minimum) * 0.5 * (1 + cos(.pi * waveCount * progress))
    }

    /// The rate that is set after step `step` (from 0) of epoch `epoch`, for the step that follows.
    package func rate(afterStep step: Int, epoch: Int, stepsPerEpoch: Int) -> Double {
        rate(at: Double(step) / Double(stepsPerEpoch) + Double(epoch))
    }

    /// The rate that step `step` of epoch `epoch` uses: set after the step before it, and the peak
    /// for the very first (SPEC §12, quirk 5).
    ///
    /// - Parameter scheduleSteps: what the curve calls an epoch, when that is not `stepsPerEpoch`.
    package func rate(
        ofStep step: Int, epoch: Int, stepsPerEpoch: Int, scheduleSteps: Int? = nil
    ) -> Double {
        if step == 0, epoch == 0 { return peak }
        let (last, itsEpoch) = step > 0 ? (step - 1, epoch) : (stepsPerEpoch - 1, epoch - 1)
        return rate(
            afterStep: last, epoch: itsEpoch, stepsPerEpoch: scheduleSteps ?? stepsPerEpoch)
    }
}
