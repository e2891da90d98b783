package import Foundation

/// A named array as it lies in a checkpoint file: nothing is copied until its values are asked for.
///
/// Every reader checks shape, strides and offset against the bytes before it makes one, so using
/// one never reads outside the file.
package struct StoredTensor: Sendable {
    /// The element types of checkpoint files; raw values are those of safetensors.
    package enum ElementType: String, Sendable, CaseIterable {
        case float64 = "F64"
        case float32 = "F32"
        case float16 = "F16"
        case bfloat16 = "BF16"
        case int64 = "I64"
        case int32 = "I32"
        case int16 = "I16"
        case int8 = "I8"
        case uint8 = "U8"
        case bool = "BOOL"

        /// Bytes per element.
        package var size: Int {
            switch self {
            case .float64, .int64: 8
            case .float32, .int32: 4
            case .float16, .bfloat16, .int16: 2
            case .int8, .uint8, .bool: 1
            }
        }

        package var isFloatingPoint: Bool {
            switch self {
            case .float64, .float32, .float16, .bfloat16: true
            default: false
            }
        }
    }

    package var name: String
    package let elementType: ElementType
    package let shape: [Int]
    /// Distance in elements between neighbours along each axis.
    package let strides: [Int]
    /// The bytes that hold the elements, usually a whole mapped file.
    let storage: Data
    /// Where in `storage` the first element lies, in bytes.
    let byteOffset: Int

    /// How many elements there are.
    package var count: Int { shape.reduce(1, *) }

    /// Bytes of the elements when they lie in row-major order without gaps.
    package var byteCount: Int { count * elementType.size }

    /// Whether the elements lie in row-major order without gaps.
    package var isContiguous: Bool {
        var expected = 1
        for (size, stride) in zip(shape, strides).reversed() where size != 1 {
            if stride != expected { return false }
            expected *= size
        }
        return true
    }

    /// A tensor over little-endian elements in row-major order.
    package init(name: String, elementType: ElementType, shape: [Int], data: Data) {
        precondition(
            data.count == shape.reduce(1, *) * elementType.size,
            "\(name): \(data.count) bytes do not fill \(shape) of \(elementType)")
        self.init(
            name: name, elementType: elementType, shape: shape,
            strides: Self.rowMajorStrides(shape), storage: data, byteOffset: 0)
    }

    /// A tensor of float32 values in row-major order.
    package init(name: String, shape: [Int], floats: [Float]) {
        self.init(
            name: name, elementType: .float32, shape: shape,
            data: floats.withUnsafeBytes { Data($0) })
    }

    init(
        name: String, elementType: ElementType, shape: [Int], strides: [Int], storage: Data,
        byteOffset: Int
    ) {
        self.name = name
        self.elementType = elementType
        self.shape = shape
        self.strides = strides
        self.storage = storage
        self.byteOffset = byteOffset
    }

    /// The same array under another name.
    package func renamed(_ name: String) -> StoredTensor {
        var copy = self
        copy.name = name
        return copy
    }

    /// Gives the elements in row-major order, little-endian; copies them only where they do not
    /// lie so in the file. The pointer may be unaligned and is valid only inside the call.
    package func withContiguousBytes<R>(
        _ body: (UnsafeRawBufferPointer) throws -> R
    ) rethrows -> R {
        let count = byteCount
        guard count > 0 else { return try body(UnsafeRawBufferPointer(start: nil, count: 0)) }
        guard isContiguous else { return try gathered().withUnsafeBytes(body) }
        return try storage.withUnsafeBytes {
            try body(UnsafeRawBufferPointer(rebasing: $0[byteOffset..<byteOffset + count]))
        }
    }

    /// The elements copied into row-major order.
    private func gathered() -> [UInt8] {
        let size = elementType.size
        return [UInt8](unsafeUninitializedCapacity: byteCount) { output, initialized in
            storage.withUnsafeBytes { (input: UnsafeRawBufferPointer) in
                var index = [Int](repeating: 0, count: shape.count)
                var source = byteOffset
                for element in 0..<count {
                    for byte in 0..<size { output[element * size + byte] = input[source + byte] }
                    for axis in shape.indices.reversed() {
                        index[axis] += 1
                        source += strides[axis] * size
                        if index[axis] < shape[axis] { break }
                        source -= index[axis] * strides[axis] * size
                        index[axis] = 0
                    }
                }
            }
            initialized = byteCount
        }
    }

    static func rowMajorStrides(_ shape: [Int]) -> [Int] {
        var strides = [Int](repeating: 1, count: shape.count)
        for axis in shape.indices.dropLast().reversed() {
            strides[axis] = strides[axis + 1] * max(shape[axis + 1], 1)
        }
        return strides
    }

    /// The number of elements of a shape from a file, or nil when it is negative somewhere or too
    /// large to count with. Axes of size 0 count as 1 in that, so partial products are safe too.
    static func checkedCount(_ shape: [Int]) -> Int? {
        var product = 1
        for size in shape {
            guard size >= 0 else { return nil }
            let (next, overflow) = product.multipliedReportingOverflow(by: max(size, 1))
            guard !overflow, next < 1 << 48 else { return nil }
            product = next
        }
        return shape.contains(0) ? 0 : product
    }
}
