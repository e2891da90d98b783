/// √Σ‖g‖² over all gradients.
public func norm(ofAll gradients: [Tensor]) -> Double {
    guard !gradients.isEmpty else { return 0 }
    return withoutGradients {
        let each = callList(ops.foreachNorm, .tensors(gradients), .double(2))
        return Double(call(ops.norm, .tensor(.stacked(each))).item())
    }
}

/// Shrinks the gradients in place, all by one factor, when their norm is above `limit`
/// (`torch.nn.utils.clip_grad_norm_`).
public func clip(_ gradients: [Tensor], norm: Double, to limit: Double) {
    let factor = limit / (norm + 1e-6)
    guard factor < 1, !gradients.isEmpty else { return }
    withoutGradients { callVoid(ops.foreachMulInPlaceScalar, .tensors(gradients), .double(factor)) }
}

/// target ← target + share · (source − target) for each pair, in place.
public func move(_ targets: [Tensor], toward sources: [Tensor], by share: Double) {
    precondition(
        targets.count == sources.count, "\(targets.count) targets, \(sources.count) sources")
    guard !targets.isEmpty else { return }
    withoutGradients {
        callVoid(
            ops.foreachLerpInPlaceScalar, .tensors(targets), .tensors(sources), .double(share))
    }
}
