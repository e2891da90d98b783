package import Torch

// B batch, o × o pixels.

/// 1 − 2Σab / (Σa² + Σb² + 0.002) of each sample: (B) (SPEC §6; Milletari et al. 2016).
///
/// - Parameters: a, b: (B, …)
package func diceLoss(_ a: Tensor, _ b: Tensor) -> Tensor {
    let (a, b) = (a.flattened(from: 1), b.flattened(from: 1))
    let shared = (a * b).sum(1)
    let sizes = (a.squared().sum(1) + 0.001) + (b.squared().sum(1) + 0.001)
    return 1 - 2 * shared / sizes
}

/// ``diceLoss(_:_:)`` and the mean cross-entropy of each sample against a known mask: (B). Outside the box nothing
/// is compared.
///
/// - Parameters:
///   - probabilities: (B, o, o)
///   - target: (B, o, o), 0 to 1.
///   - box: (B, o, o)
package func maskLoss(_ probabilities: Tensor, _ target: Tensor, box: Tensor) -> Tensor {
    let inside = probabilities * box
    let bounded = inside.clamped(1e-4...1 - 1e-4)
    let entropy = -(target * bounded.log() + (1 - target) * (1 - bounded).log()) * box
    let mean = entropy.flattened(from: 1).sum(1) / (box.flattened(from: 1).sum(1) + 1e-6)
    return diceLoss(inside, target) + mean
}

/// The multiple-instance loss of each sample: (B). A box says that each of its rows and columns holds
/// a foreground pixel and all others none, so the largest values of rows and of columns are compared
/// by ``diceLoss(_:_:)`` (SPEC §6; Lan et al. 2023).
///
/// - Parameters:
///   - probabilities: (B, o, o)
///   - mask: (B, o, o), the box.
package func multipleInstanceLoss(_ probabilities: Tensor, _ mask: Tensor) -> Tensor {
    func projected(_ dimension: Int) -> Tensor {
        diceLoss(
            probabilities.maximum(along: dimension),
            withoutGradients { mask.amax(dimension) })
    }
    return projected(2) + projected(1)
}
