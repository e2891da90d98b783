import CTorch

/// An argument of an operator.
enum Argument {
    /// The schema's default.
    case standard
    case none
    case tensor(Tensor)
    case optional(Tensor?)
    case int(Int)
    case double(Double)
    case bool(Bool)
    case ints([Int])
    case doubles([Double])
    case tensors([Tensor])
    case dtype(DType)
    case device(Device)
    case memoryFormat(MemoryFormat)
    case text(StaticString)
    /// A list without items, of any type.
    case noItems
}

/// The order of a (B, C, H, W) tensor's elements in memory, numbered as libtorch's `MemoryFormat`.
package enum MemoryFormat: Int, Sendable {
    case contiguous = 0
    case preserve = 1
    case channelsLast = 2
}

/// Calls an operator that gives one tensor.
@inline(__always)
func call(_ op: Op, _ arguments: Argument...) -> Tensor {
    withBoxed(op, arguments, resultCount: 1) { results, _ in take(op, results[0]) }
}

/// Calls an operator whose result has another shape than its first tensor and that libtorch cannot run
/// on shapes alone; `shape` is the result's when memory was lost (see ``withRecoverableMemory(_:)``).
@inline(__always)
func call(_ op: Op, _ arguments: Argument..., shapeIfLost shape: () -> [Int]) -> Tensor {
    let result = withBoxed(op, arguments, resultCount: 1) { results, _ in take(op, results[0]) }
    return isMemoryLost ? .placeholder(shape(), result.dtype) : result
}

/// Calls an operator that gives two tensors.
func callPair(_ op: Op, _ arguments: Argument...) -> (Tensor, Tensor) {
    withBoxed(op, arguments, resultCount: 2) { results, _ in
        (take(op, results[0]), take(op, results[1]))
    }
}

/// Calls an operator that gives a list of tensors.
func callList(_ op: Op, _ arguments: Argument...) -> [Tensor] {
    withBoxed(op, arguments, resultCount: 1) { results, _ in
        precondition(results[0].tag == CT_TENSORS, "\(op.name) does not give a list of tensors")
        guard let list = results[0].p else { return [] }
        defer { ct_free(list) }
        let handles = list.assumingMemoryBound(to: ct_tensor.self)
        return (0..<Int(results[0].n)).map { Tensor(owning: handles[$0]) }
    }
}

/// Calls an operator that gives an integer.
func callInt(_ op: Op, _ arguments: Argument...) -> Int {
    withBoxed(op, arguments, resultCount: 1) { results, _ in
        precondition(results[0].tag == CT_INT, "\(op.name) does not give an integer")
        return Int(results[0].i)
    }
}

/// Calls an operator that gives nothing.
func callVoid(_ op: Op, _ arguments: Argument...) {
    withBoxed(op, arguments, resultCount: 0) { _, _ in }
}

private func take(_ op: Op, _ value: ct_value) -> Tensor {
    precondition(value.tag == CT_TENSOR, "\(op.name) does not give a tensor")
    guard let handle = value.p else {
        trap("operator \(op.name)", reason: "it gives an undefined tensor")
    }
    return Tensor(owning: ct_tensor(handle))
}

/// Boxes the arguments, calls, and hands the results to `body`, which takes ownership of them.
private func withBoxed<Result>(
    _ op: Op, _ arguments: [Argument], resultCount: Int,
    _ body: (UnsafeMutablePointer<ct_value>, Int) -> Result
) -> Result {
    guard let handle = op.handle else { trapUnresolved(op.name) }
    var intCount = 0
    var doubleCount = 0
    var tensorCount = 0
    for argument in arguments {
        switch argument {
        case .ints(let values): intCount += values.count
        case .doubles(let values): doubleCount += values.count
        case .tensors(let values): tensorCount += values.count
        default: break
        }
    }
    // Room for one more than needed everywhere keeps base addresses non-nil.
    let room = arguments.count + max(resultCount, 1)
    return withUnsafeTemporaryAllocation(of: ct_value.self, capacity: room) { values in
        withUnsafeTemporaryAllocation(of: Int64.self, capacity: intCount + 1) { ints in
            withUnsafeTemporaryAllocation(of: Double.self, capacity: doubleCount + 1) { doubles in
                withUnsafeTemporaryAllocation(of: ct_tensor.self, capacity: tensorCount + 1) {
                    tensors in
                    var lists = Lists(
                        ints: ints.baseAddress!, doubles: doubles.baseAddress!,
                        tensors: tensors.baseAddress!)
                    for index in arguments.indices {
                        values.initializeElement(
                            at: index, to: ct_value(arguments[index], &lists))
                    }
                    for index in arguments.count..<room {
                        values.initializeElement(at: index, to: ct_value())
                    }
                    let results = values.baseAddress! + arguments.count
                    var count: Int32 = 0
                    let status = withExtendedLifetime(arguments) {
                        ct_call(
                            handle, Libtorch.threads, values.baseAddress!,
                            Int32(arguments.count), results, Int32(resultCount), &count)
                    }
                    check(status, "operator \(op.name)")
                    return body(results, Int(count))
                }
            }
        }
    }
}

/// Where the next list argument goes.
private struct Lists {
    var ints: UnsafeMutablePointer<Int64>
    var doubles: UnsafeMutablePointer<Double>
    var tensors: UnsafeMutablePointer<ct_tensor>
}

extension ct_value {
    fileprivate init(_ argument: Argument, _ lists: inout Lists) {
        self.init()
        switch argument {
        case .standard: tag = CT_DEFAULT
        case .none: tag = CT_NONE
        case .tensor(let tensor): self.init(tensor)
        case .optional(let tensor):
            if let tensor { self.init(tensor) } else { tag = CT_NONE }
        case .int(let value): self.init(Int64(value))
        case .dtype(let value): self.init(Int64(value.rawValue))
        case .memoryFormat(let value): self.init(Int64(value.rawValue))
        case .double(let value):
            tag = CT_DOUBLE
            d = value
        case .bool(let value):
            tag = CT_BOOL
            i = value ? 1 : 0
        case .device(let value):
            tag = CT_DEVICE
            i = Int64(value.type)
            n = value.index
        case .ints(let values):
            self.init(CT_INTS, lists.ints, values.count)
            for value in values {
                lists.ints.initialize(to: Int64(value))
                lists.ints += 1
            }
        case .doubles(let values):
            self.init(CT_DOUBLES, lists.doubles, values.count)
            for value in values {
                lists.doubles.initialize(to: value)
                lists.doubles += 1
            }
        case .text(let value): self.init(CT_TEXT, value.utf8Start, value.utf8CodeUnitCount)
        case .noItems: tag = CT_NO_ITEMS
        case .tensors(let values):
            self.init(CT_TENSORS, lists.tensors, values.count)
            for value in values {
                lists.tensors.initialize(to: value.handle)
                lists.tensors += 1
            }
        }
    }

    private init(_ tensor: Tensor) {
        self.init()
        tag = CT_TENSOR
        p = UnsafeRawPointer(tensor.handle)
    }

    private init(_ value: Int64) {
        self.init()
        tag = CT_INT
        i = value
    }

    private init(_ tag: ct_tag, _ list: UnsafeRawPointer, _ count: Int) {
        self.init()
        self.tag = tag
        n = Int32(count)
        p = list
    }
}
