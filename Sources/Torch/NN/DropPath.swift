/// Random factors that leave out whole residual branches for some samples (Huang et al. 2016).
package enum DropPath {
    /// For each of `batch` samples 0 with probability `rate`, else 1/(1 − rate): (batch, 1, 1).
    /// Nil when the rate is 0.
    package static func factors(
        rate: Double, batch: Int, device: Device, using generator: inout Generator
    ) -> Tensor? {
        guard rate > 0 else { return nil }
        precondition(rate < 1, "a drop path rate of \(rate)")
        let kept = Float(1 / (1 - rate))
        let factors = (0..<batch).map { _ in generator.unit() < rate ? 0 : kept }
        return Tensor(factors, [batch, 1, 1], device: device)
    }
}
