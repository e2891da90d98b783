extension Tensor {
    public static func + (a: Tensor, b: Tensor) -> Tensor {
        call(ops.add, .tensor(a), .tensor(b))
    }

    public static func - (a: Tensor, b: Tensor) -> Tensor {
        call(ops.sub, .tensor(a), .tensor(b))
    }

    public static func * (a: Tensor, b: Tensor) -> Tensor {
        call(ops.mul, .tensor(a), .tensor(b))
    }

    public static func / (a: Tensor, b: Tensor) -> Tensor {
        call(ops.div, .tensor(a), .tensor(b))
    }

    public static func + (a: Tensor, b: Double) -> Tensor {
        call(ops.addScalar, .tensor(a), .double(b))
    }

    public static func - (a: Tensor, b: Double) -> Tensor { a + -b }

    public static func * (a: Tensor, b: Double) -> Tensor {
        call(ops.mulScalar, .tensor(a), .double(b))
    }

    public static func * (a: Double, b: Tensor) -> Tensor { b * a }

    public static func / (a: Tensor, b: Double) -> Tensor {
        call(ops.divScalar, .tensor(a), .double(b))
    }

    public static func - (a: Double, b: Tensor) -> Tensor { -b + a }

    public static prefix func - (a: Tensor) -> Tensor { call(ops.neg, .tensor(a)) }

    /// True where an element is above `bound`.
    public static func .> (a: Tensor, bound: Double) -> Tensor {
        call(ops.greater, .tensor(a), .double(bound))
    }

    /// True where an element is below `bound`.
    public static func .< (a: Tensor, bound: Double) -> Tensor {
        call(ops.less, .tensor(a), .double(bound))
    }

    public func matmul(_ other: Tensor) -> Tensor {
        call(ops.matmul, .tensor(self), .tensor(other))
    }

    public func abs() -> Tensor { call(ops.abs, .tensor(self)) }
    public func exp() -> Tensor { call(ops.exp, .tensor(self)) }
    public func log() -> Tensor { call(ops.log, .tensor(self)) }
    public func sqrt() -> Tensor { call(ops.sqrt, .tensor(self)) }
    public func squared() -> Tensor { call(ops.pow, .tensor(self), .double(2)) }
    public func sigmoid() -> Tensor { call(ops.sigmoid, .tensor(self)) }

    public func clamped(_ bounds: ClosedRange<Double>) -> Tensor {
        call(
            ops.clamp, .tensor(self), .double(bounds.lowerBound), .double(bounds.upperBound))
    }

    public func softmax(_ dimension: Int) -> Tensor {
        call(ops.softmax, .tensor(self), .int(dimension))
    }

    public static func maximum(_ a: Tensor, _ b: Tensor) -> Tensor {
        call(ops.maximum, .tensor(a), .tensor(b))
    }

    public static func minimum(_ a: Tensor, _ b: Tensor) -> Tensor {
        call(ops.minimum, .tensor(a), .tensor(b))
    }

    /// The sum of all elements, a tensor of shape [].
    public func sum() -> Tensor { call(ops.sumAll, .tensor(self)) }

    public func sum(_ dimensions: Int..., keeping: Bool = false) -> Tensor {
        call(ops.sum, .tensor(self), .ints(dimensions), .bool(keeping))
    }

    /// The mean of all elements, a tensor of shape [].
    public func mean() -> Tensor { call(ops.mean, .tensor(self), .none) }

    public func mean(_ dimensions: Int..., keeping: Bool = false) -> Tensor {
        call(ops.mean, .tensor(self), .ints(dimensions), .bool(keeping))
    }

    public func amax(_ dimensions: Int..., keeping: Bool = false) -> Tensor {
        call(ops.amax, .tensor(self), .ints(dimensions), .bool(keeping))
    }

    public func amin(_ dimensions: Int..., keeping: Bool = false) -> Tensor {
        call(ops.amin, .tensor(self), .ints(dimensions), .bool(keeping))
    }

    /// The largest of each line along `dimension`, which disappears. Of equal ones the gradient goes to
    /// one alone (``amax(_:keeping:)`` shares it out).
    public func maximum(along dimension: Int) -> Tensor {
        callPair(ops.maxAlong, .tensor(self), .int(dimension), .bool(false)).0
    }

    /// 1 where an element is finite, else 0, as float32.
    package var finiteness: Tensor { call(ops.isFinite, .tensor(self)).to(.float32) }

    /// Whether every element is finite.
    public var isFinite: Bool {
        let each = call(ops.isFinite, .tensor(self))
        return call(ops.amin, .tensor(each), .ints([])).to(.float32).item() != 0
    }

    /// Adds `other` into this tensor's memory.
    @discardableResult
    public func add(_ other: Tensor) -> Tensor {
        call(ops.addInPlace, .tensor(self), .tensor(other))
    }

    /// Multiplies `other` into this tensor's memory.
    @discardableResult
    public func multiply(by other: Tensor) -> Tensor {
        call(ops.mulInPlace, .tensor(self), .tensor(other))
    }

    /// Divides this tensor's memory by `other`.
    @discardableResult
    public func divide(by other: Tensor) -> Tensor {
        call(ops.divInPlace, .tensor(self), .tensor(other))
    }

    /// Adds a number into this tensor's memory.
    @discardableResult
    public func add(_ other: Double) -> Tensor {
        call(ops.addInPlaceScalar, .tensor(self), .double(other))
    }

    /// Overwrites this tensor's memory with the product of two tensors.
    @discardableResult
    public func setToProduct(_ a: Tensor, _ b: Tensor) -> Tensor {
        call(ops.mulInto, .tensor(a), .tensor(b), .tensor(self))
    }

    /// Overwrites this tensor's memory with its elements' logarithms.
    @discardableResult
    public func takeLog() -> Tensor { call(ops.logInPlace, .tensor(self)) }

    /// Overwrites this tensor's memory with e to the power of its elements.
    @discardableResult
    public func takeExp() -> Tensor { call(ops.expInPlace, .tensor(self)) }

    /// Brings this tensor's memory into `bounds`.
    @discardableResult
    public func clamp(_ bounds: ClosedRange<Double>) -> Tensor {
        call(
            ops.clampInPlace, .tensor(self), .double(bounds.lowerBound),
            .double(bounds.upperBound))
    }

    /// Overwrites this tensor's memory with `other`'s elements.
    @discardableResult
    public func copy(from other: Tensor) -> Tensor { copy(from: other, waits: true) }

    /// - Parameter waits: whether the host waits for a copy to or from its memory, which must be pinned if not.
    @discardableResult
    func copy(from other: Tensor, waits: Bool) -> Tensor {
        call(ops.copyInPlace, .tensor(self), .tensor(other), .bool(!waits))
    }

    /// Overwrites this tensor's memory with zeros.
    @discardableResult
    public func zero() -> Tensor { call(ops.zeroInPlace, .tensor(self)) }
}
