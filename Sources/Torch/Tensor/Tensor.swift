package import CTorch

/// An n-dimensional array in libtorch's memory, on one device.
///
/// Operators do not throw: one that fails is our mistake and traps with its name. See
/// ``withRecoverableMemory(_:)`` for the exception. Not `Sendable`: a tensor stays with the task that
/// owns the network.
package final class Tensor {
    /// One strong reference to a `c10::TensorImpl`, given back by `deinit`.
    package let handle: ct_tensor

    init(owning handle: ct_tensor) { self.handle = handle }

    deinit { ct_release(handle) }

    /// The sizes of all dimensions.
    package var shape: [Int] {
        withSizes { sizes in sizes.map { Int($0) } }
    }

    /// How many dimensions there are.
    package var rank: Int { withSizes { $0.count } }

    /// How many elements there are.
    package var count: Int {
        withSizes { sizes in sizes.reduce(1) { $0 * Int($1) } }
    }

    /// The size of dimension `dimension`; a negative one counts from the last.
    package func size(_ dimension: Int) -> Int {
        withSizes { sizes in
            let index = dimension < 0 ? dimension + sizes.count : dimension
            precondition(
                sizes.indices.contains(index),
                "dimension \(dimension) of a tensor with \(sizes.count)")
            return Int(sizes[index])
        }
    }

    /// How many elements apart neighbours of each dimension are.
    package var strides: [Int] {
        var start: UnsafePointer<Int64>?
        var count: Int32 = 0
        check(ct_strides(handle, &start, &count), "strides")
        return withExtendedLifetime(self) {
            UnsafeBufferPointer(start: start, count: Int(count)).map { Int($0) }
        }
    }

    /// The type of the elements.
    package var dtype: DType {
        let number = ct_dtype(handle)
        guard let dtype = DType(rawValue: number) else {
            trap("dtype", reason: "ScalarType \(number) is not one we use")
        }
        return dtype
    }

    /// Where the memory is. A placeholder of ``withRecoverableMemory(_:)`` says `cpu`.
    package var device: Device {
        ct_device_type(handle) == Int32(CT_CUDA) ? .cuda(Int(ct_device_index(handle))) : .cpu
    }

    /// Whether this is a placeholder without memory (see ``withRecoverableMemory(_:)``).
    var isPlaceholder: Bool { ct_device_type(handle) == Int32(CT_META) }

    /// The elements as `Float`, in row-major order whatever the strides. Copies from the device.
    package func floats() -> [Float] { values(.float32, zero: Float(0)) }

    /// The elements as `Double`, in row-major order.
    package func doubles() -> [Double] { values(.float64, zero: 0.0) }

    /// The elements as `Int64`, in row-major order.
    package func integers() -> [Int64] { values(.int64, zero: Int64(0)) }

    /// The elements as bytes, in row-major order; for masks and images. Booleans give 0 and 1.
    package func bytes() -> [UInt8] { values(.uint8, zero: UInt8(0)) }

    /// The one element of a tensor that has one; 0 for a placeholder.
    package func item() -> Float {
        if isPlaceholder { return 0 }
        precondition(count == 1, "item() of a tensor of shape \(shape)")
        return floats()[0]
    }

    /// Lets `body` read the elements as they lie in host memory: contiguous, this type, row-major.
    ///
    /// Empty for a placeholder of ``withRecoverableMemory(_:)``.
    package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows
        -> Result
    {
        let host = to(.cpu).contiguous()
        return try withExtendedLifetime(host) {
            guard let start = ct_data(host.handle) else {
                return try body(UnsafeRawBufferPointer(start: nil, count: 0))
            }
            let size = host.count * host.dtype.byteCount
            return try body(UnsafeRawBufferPointer(start: start, count: size))
        }
    }

    private func values<Element>(_ dtype: DType, zero: Element) -> [Element] {
        let total = count
        return detached().to(dtype).withBytes { bytes in
            let elements = bytes.bindMemory(to: Element.self)
            return elements.isEmpty && total > 0
                ? [Element](repeating: zero, count: total) : Array(elements)
        }
    }

    private func withSizes<Result>(_ body: (UnsafeBufferPointer<Int64>) -> Result) -> Result {
        var start: UnsafePointer<Int64>?
        var count: Int32 = 0
        check(ct_shape(handle, &start, &count), "shape")
        return withExtendedLifetime(self) {
            body(UnsafeBufferPointer(start: start, count: Int(count)))
        }
    }
}

extension Tensor: CustomStringConvertible {
    package var description: String { "Tensor(\(shape), \(dtype), \(device))" }
}
