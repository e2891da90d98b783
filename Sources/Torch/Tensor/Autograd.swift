import CTorch

extension Tensor {
    /// Whether ``backward()`` leaves a gradient here. Parameters have it while they are trained.
    package var requiresGradient: Bool {
        get { ct_requires_grad(handle) }
        set { check(ct_set_requires_grad(handle, newValue), "requiresGradient") }
    }

    /// What ``backward()`` added up so far; nil before, and after it was set to nil.
    package var gradient: Tensor? {
        get {
            var found: ct_tensor?
            check(ct_grad(handle, &found), "gradient")
            return found.map(Tensor.init(owning:))
        }
        set { check(ct_set_grad(handle, newValue?.handle), "gradient") }
    }

    /// Adds the derivative of this one-element tensor to the gradient of every leaf it came from.
    package func backward() {
        callVoid(ops.backward, .tensor(self), .tensors([]), .none, .bool(false), .bool(false))
    }

    /// Continues a backward pass: adds the derivative of Σ self · `gradient` to the gradient of every
    /// leaf this tensor came from.
    package func backward(from gradient: Tensor) {
        callVoid(
            ops.backward, .tensor(self), .tensors([]), .tensor(gradient), .bool(false),
            .bool(false))
    }

    /// Adds to ``gradient``, as a backward pass does. `more` is taken over.
    package func addGradient(_ more: Tensor) {
        withoutGradients { gradient = gradient.map { $0.add(more) } ?? more }
    }

    /// The same memory without its history.
    package func detached() -> Tensor { call(ops.detach, .tensor(self)) }

    /// How often the memory was written in place, as libtorch counts.
    package var version: Int { callInt(ops.version, .tensor(self)) }
}

/// Whether operators of this thread record what a backward pass needs.
package var gradientsAreRecorded: Bool { ct_grad_enabled() }

/// Runs `body` without recording for a backward pass. The mode belongs to the thread, so `body` is
/// synchronous.
package func withoutGradients<Result>(_ body: () throws -> Result) rethrows -> Result {
    let previous = ct_grad_enabled()
    ct_set_grad_enabled(false)
    defer { ct_set_grad_enabled(previous) }
    return try body()
}

/// Whether operators of this thread are under autocast to another type than float32.
package func autocastIsOn(for device: Device) -> Bool { ct_autocast_enabled(device.type) }

/// Runs `body` with libtorch's autocast: linear, convolution and matrix products in `dtype`, what
/// needs range in float32 (SPEC §5.4). Float32 turns autocast off. The mode belongs to the thread, so
/// `body` is synchronous.
package func autocast<Result>(
    _ dtype: DType, on device: Device, _ body: () throws -> Result
) rethrows -> Result {
    precondition(
        [.float32, .float16, .bfloat16].contains(dtype), "autocast to \(dtype) does not exist")
    let isOn = dtype != .float32
    let wanted = ct_autocast(enabled: isOn, dtype: isOn ? dtype.rawValue : DType.bfloat16.rawValue)
    var previous = ct_autocast()
    check(ct_autocast_begin(device.type, wanted, &previous), "autocast")
    defer { check(ct_autocast_end(device.type, previous), "autocast") }
    return try body()
}
