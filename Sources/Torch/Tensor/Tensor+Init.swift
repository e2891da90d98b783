import CTorch

extension Tensor {
    /// A tensor of `values`, row-major.
    package convenience init(_ values: [Float], _ shape: [Int], device: Device = .cpu) {
        self.init(copying: values, shape, .float32, device)
    }

    /// A byte tensor of `values`, row-major.
    package convenience init(bytes values: [UInt8], _ shape: [Int], device: Device = .cpu) {
        self.init(copying: values, shape, .uint8, device)
    }

    /// An integer tensor of `values`, row-major.
    package convenience init(integers values: [Int64], _ shape: [Int], device: Device = .cpu) {
        self.init(copying: values, shape, .int64, device)
    }

    private convenience init<Element>(
        copying values: [Element], _ shape: [Int], _ dtype: DType, _ device: Device
    ) {
        precondition(
            values.count == shape.reduce(1, *), "\(values.count) values for shape \(shape)")
        self.init(shape, dtype, device: device) { memory in
            values.withUnsafeBytes { memory.copyMemory(from: $0) }
        }
    }

    /// A tensor whose host memory `fill` writes, once and row-major, without a copy; then it is
    /// brought to `device`.
    ///
    /// The memory holds anything at first. `fill` is not called when there was no memory (see
    /// ``withRecoverableMemory(_:)``). On its way to a CUDA device it is pinned, and nobody waits for it.
    package convenience init(
        _ shape: [Int], _ dtype: DType, device: Device = .cpu,
        fill: (UnsafeMutableRawBufferPointer) throws -> Void
    ) rethrows {
        let made = Tensor.empty(shape, dtype, isPinned: device != .cpu)
        if let start = ct_data(made.handle) {
            let size = made.count * dtype.byteCount
            try fill(UnsafeMutableRawBufferPointer(start: start, count: size))
        }
        self.init(sharing: made.to(device, waits: false))
    }

    /// A copy of elements that lie in `bytes`, `strides` elements apart (row-major when nil); for
    /// weights in a mapped file. Traps when they do not lie inside `bytes`: check first.
    package convenience init(
        copying bytes: UnsafeRawBufferPointer, _ shape: [Int], strides: [Int]? = nil,
        _ dtype: DType, device: Device = .cpu
    ) {
        let strides = strides ?? Tensor.rowMajorStrides(shape)
        precondition(
            Tensor.fits(bytes.count, shape, strides, dtype),
            "shape \(shape), strides \(strides) of \(dtype) in \(bytes.count) bytes")
        guard !shape.contains(0) else {
            self.init(sharing: Tensor.empty(shape, dtype, device: device))
            return
        }
        var view: ct_tensor?
        check(
            ct_from_memory(
                bytes.baseAddress, shape.map(Int64.init), strides.map(Int64.init),
                Int32(shape.count), dtype.rawValue, &view),
            "a tensor from memory")
        guard let view else { trap("a tensor from memory") }
        let copy = call(
            ops.clone, .tensor(Tensor(owning: view)), .memoryFormat(.contiguous))
        self.init(sharing: copy.to(device))
    }

    /// The same tensor under a new Swift owner.
    private convenience init(sharing other: Tensor) {
        ct_retain(other.handle)
        self.init(owning: other.handle)
    }

    /// A tensor whose elements are not set.
    ///
    /// - Parameter isPinned: whether the host's memory is one that a CUDA device can copy from and to by itself.
    static func empty(
        _ shape: [Int], _ dtype: DType = .float32, device: Device = .cpu, isPinned: Bool = false
    ) -> Tensor {
        let made = call(
            ops.empty, .ints(shape), .dtype(dtype), .none, .device(device),
            isPinned ? .bool(true) : .none)
        // Shapes alone cannot be pinned.
        return isPinned && isMemoryLost ? .placeholder(shape, dtype) : made
    }

    /// A tensor without memory on no device: what a parameter is that could not be loaded, and what
    /// operators give after memory was lost.
    static func placeholder(_ shape: [Int], _ dtype: DType = .float32) -> Tensor {
        var made: ct_tensor?
        check(
            ct_placeholder(
                shape.map(Int64.init), Int32(shape.count), dtype.rawValue, &made),
            "a placeholder")
        guard let made else { trap("a placeholder") }
        return Tensor(owning: made)
    }

    package static func zeros(
        _ shape: [Int], _ dtype: DType = .float32, device: Device = .cpu
    ) -> Tensor {
        call(ops.zeros, .ints(shape), .dtype(dtype), .none, .device(device))
    }

    package static func ones(
        _ shape: [Int], _ dtype: DType = .float32, device: Device = .cpu
    ) -> Tensor {
        call(ops.ones, .ints(shape), .dtype(dtype), .none, .device(device))
    }

    package static func full(
        _ shape: [Int], _ value: Double, _ dtype: DType = .float32, device: Device = .cpu
    ) -> Tensor {
        call(
            ops.full, .ints(shape), .double(value), .dtype(dtype), .none, .device(device))
    }

    /// Float32 values that `next` gives one after the other.
    package static func drawn(
        _ shape: [Int], device: Device = .cpu, _ next: () -> Double
    ) -> Tensor {
        Tensor(shape, .float32, device: device) { memory in
            for offset in stride(from: 0, to: memory.count, by: 4) {
                memory.storeBytes(of: Float(next()), toByteOffset: offset, as: Float.self)
            }
        }
    }

    private static func rowMajorStrides(_ shape: [Int]) -> [Int] {
        var strides = shape
        var stride = 1
        for index in shape.indices.reversed() {
            strides[index] = stride
            stride *= max(shape[index], 1)
        }
        return strides
    }

    private static func fits(
        _ byteCount: Int, _ shape: [Int], _ strides: [Int], _ dtype: DType
    ) -> Bool {
        guard shape.count == strides.count, shape.allSatisfy({ $0 >= 0 }) else { return false }
        if shape.contains(0) { return true }
        var last = 0
        for (size, stride) in zip(shape, strides) {
            let (reach, overflow) = (size - 1).multipliedReportingOverflow(by: stride)
            let (sum, overflowToo) = last.addingReportingOverflow(reach)
            guard stride >= 0, !overflow, !overflowToo else { return false }
            last = sum
        }
        return last < byteCount / dtype.byteCount
    }
}
