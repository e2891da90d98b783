extension Tensor {
    package static func + (a: Tensor, b: Tensor) -> Tensor {
        call(ops.add, .tensor(a), .tensor(b))
    }

    package static func - (a: Tensor, b: Tensor) -> Tensor {
        call(ops.sub, .tensor(a), .tensor(b))
    }

    package static func * (a: Tensor, b: Tensor) -> Tensor {
        call(ops.mul, .tensor(a), .tensor(b))
    }

    package static func / (a: Tensor, b: Tensor) -> Tensor {
        call(ops.div, .tensor(a), .tensor(b))
    }

    package static func + (a: Tensor, b: Double) -> Tensor {
        call(ops.addScalar, .tensor(a), .double(b))
    }

    package static func - (a: Tensor, b: Double) -> Tensor { a + -b }

    package static func * (a: Tensor, b: Double) -> Tensor {
        call(ops.mulScalar, .tensor(a), .double(b))
    }

    package static func * (a: Double, b: Tensor) -> Tensor { b * a }

    package static func / (a: Tensor, b: Double) -> Tensor {
        call(ops.divScalar, .tensor(a), .double(b))
    }

    package static func - (a: Double, b: Tensor) -> Tensor { -b + a }

    package static prefix func - (a: Tensor) -> Tensor { call(ops.neg, .tensor(a)) }

    /// True where an element is above `bound`.
    package static func .> (a: Tensor, bound: Double) -> Tensor {
        call(ops.greater, .tensor(a), .double(bound))
    }

    /// True where an element is below `bound`.
    package static func .< (a: Tensor, bound: Double) -> Tensor {
        call(ops.less, .tensor(a), .double(bound))
    }

    package func matmul(_ other: Tensor) -> Tensor {
        call(ops.matmul, .tensor(self), .tensor(other))
    }

    package func abs() -> Tensor { call(ops.abs, .tensor(self)) }
    package func exp() -> Tensor { call(ops.exp, .tensor(self)) }
    package func log() -> Tensor { call(ops.log, .tensor(self)) }
    /// To the nearest whole number.
    package func rounded() -> Tensor { call(ops.round, .tensor(self)) }
    package func sqrt() -> Tensor { call(ops.sqrt, .tensor(self)) }
    package func squared() -> Tensor { call(ops.pow, .tensor(self), .double(2)) }
    package func sigmoid() -> Tensor { call(ops.sigmoid, .tensor(self)) }

    package func clamped(_ bounds: ClosedRange<Double>) -> Tensor {
        call(
            ops.clamp, .tensor(self), .double(bounds.lowerBound), .double(bounds.upperBound))
    }

    package func softmax(_ dimension: Int) -> Tensor {
        call(ops.softmax, .tensor(self), .int(dimension))
    }

    package static func maximum(_ a: Tensor, _ b: Tensor) -> Tensor {
        call(ops.maximum, .tensor(a), .tensor(b))
    }

    package static func minimum(_ a: Tensor, _ b: Tensor) -> Tensor {
        call(ops.minimum, .tensor(a), .tensor(b))
    }

    /// The sum of all elements, a tensor of shape [].
    package func sum() -> Tensor { call(ops.sumAll, .tensor(self)) }

    package func sum(_ dimensions: Int..., keeping: Bool = false) -> Tensor {
        call(ops.sum, .tensor(self), .ints(dimensions), .bool(keeping))
    }

    /// The mean of all elements, a tensor of shape [].
    package func mean() -> Tensor { call(ops.mean, .tensor(self), .none) }

    package func mean(_ dimensions: Int..., keeping: Bool = false) -> Tensor {
        call(ops.mean, .tensor(self), .ints(dimensions), .bool(keeping))
    }

    package func amax(_ dimensions: Int..., keeping: Bool = false) -> Tensor {
        call(ops.amax, .tensor(self), .ints(dimensions), .bool(keeping))
    }

    package func amin(_ dimensions: Int..., keeping: Bool = false) -> Tensor {
        call(ops.amin, .tensor(self), .ints(dimensions), .bool(keeping))
    }

    /// The largest of each line along `dimension`, which disappears. Of equal ones the gradient goes to
    /// one alone (``amax(_:keeping:)`` shares it out).
    package func maximum(along dimension: Int) -> Tensor {
        callPair(ops.maxAlong, .tensor(self), .int(dimension), .bool(false)).0
    }

    /// 1 where an element is finite, else 0, as float32.
    package var finiteness: Tensor { call(ops.isFinite, .tensor(self)).to(.float32) }

    /// Whether every element is finite.
    package var isFinite: Bool {
        let each = call(ops.isFinite, .tensor(self))
        return call(ops.amin, .tensor(each), .ints([])).to(.float32).item() != 0
    }

    /// Adds `other` into this tensor's memory.
    @discardableResult
    package func add(_ other: Tensor) -> Tensor {
        call(ops.addInPlace, .tensor(self), .tensor(other))
    }

    /// Multiplies `other` into this tensor's memory.
    @discardableResult
    package func multiply(by other: Tensor) -> Tensor {
        call(ops.mulInPlace, .tensor(self), .tensor(other))
    }

    /// Divides this tensor's memory by `other`.
    @discardableResult
    package func divide(by other: Tensor) -> Tensor {
        call(ops.divInPlace, .tensor(self), .tensor(other))
    }

    /// Adds a number into this tensor's memory.
    @discardableResult
    package func add(_ other: Double) -> Tensor {
        call(ops.addInPlaceScalar, .tensor(self), .double(other))
    }

    /// Overwrites this tensor's memory with the product of two tensors.
    @discardableResult
    package func setToProduct(_ a: Tensor, _ b: Tensor) -> Tensor {
        call(ops.mulInto, .tensor(a), .tensor(b), .tensor(self))
    }

    /// Overwrites this tensor's memory with its elements' logarithms.
    @discardableResult
    package func takeLog() -> Tensor { call(ops.logInPlace, .tensor(self)) }

    /// Overwrites this tensor's memory with e to the power of its elements.
    @discardableResult
    package func takeExp() -> Tensor { call(ops.expInPlace, .tensor(self)) }

    /// Brings this tensor's memory into `bounds`.
    @discardableResult
    package func clamp(_ bounds: ClosedRange<Double>) -> Tensor {
        call(
            ops.clampInPlace, .tensor(self), .double(bounds.lowerBound),
            .double(bounds.upperBound))
    }

    /// Overwrites this tensor's memory with `other`'s elements.
    @discardableResult
    package func copy(from other: Tensor) -> Tensor { copy(from: other, waits: true) }

    /// - Parameter waits: whether the host waits for a copy to or from its memory, which must be pinned if not.
    @discardableResult
    func copy(from other: Tensor, waits: Bool) -> Tensor {
        call(ops.copyInPlace, .tensor(self), .tensor(other), .bool(!waits))
    }

    /// Overwrites this tensor's memory with zeros.
    @discardableResult
    package func zero() -> Tensor { call(ops.zeroInPlace, .tensor(self)) }
}
