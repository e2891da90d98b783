/// √Σ‖g‖² over all gradients: float32 of shape [], where they are. Nothing is read from the device.
package func norm(of gradients: [Tensor]) -> Tensor {
    guard !gradients.isEmpty else { return .zeros([]) }
    return withoutGradients {
        let each = callList(ops.foreachNorm, .tensors(gradients), .double(2))
        return call(ops.norm, .tensor(.stacked(each)))
    }
}

/// √Σ‖g‖² over all gradients.
package func norm(ofAll gradients: [Tensor]) -> Double { Double(norm(of: gradients).item()) }

/// Shrinks the gradients in place, all by one factor, when their norm is above `limit`
/// (`torch.nn.utils.clip_grad_norm_`).
///
/// - Parameter norm: of shape [], on the gradients' device.
package func clip(_ gradients: [Tensor], norm: Tensor, to limit: Double) {
    guard !gradients.isEmpty else { return }
    withoutGradients {
        let factor =
            Tensor.full([], limit, .float64, device: norm.device) / (norm.to(.float64) + 1e-6)
        callVoid(
            ops.foreachMulInPlace, .tensors(gradients), .tensor(factor.clamped(0...1).to(.float32)))
    }
}

/// target ← target + share · (source − target) for each pair, in place.
package func move(_ targets: [Tensor], toward sources: [Tensor], by share: Double) {
    precondition(
        targets.count == sources.count, "\(targets.count) targets, \(sources.count) sources")
    guard !targets.isEmpty else { return }
    withoutGradients {
        callVoid(
            ops.foreachLerpInPlaceScalar, .tensors(targets), .tensors(sources), .double(share))
    }
}
