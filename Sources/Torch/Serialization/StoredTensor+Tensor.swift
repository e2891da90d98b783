import Foundation

/// Between tensors and what checkpoint files hold.
extension StoredTensor.ElementType {
    package var dtype: DType {
        switch self {
        case .float64: .float64
        case .float32: .float32
        case .float16: .float16
        case .bfloat16: .bfloat16
        case .int64: .int64
        case .int32: .int32
        case .int16: .int16
        case .int8: .int8
        case .uint8: .uint8
        case .bool: .bool
        }
    }
}

extension StoredTensor {
    /// A tensor of its own memory with these values; bytes of a bool other than 0 become 1.
    package func tensor(device: Device = .cpu) -> Tensor {
        Tensor(shape, elementType.dtype, device: device) { memory in
            withContiguousBytes { memory.copyMemory(from: $0) }
            guard elementType == .bool else { return }
            for index in memory.indices where memory[index] != 0 { memory[index] = 1 }
        }
    }
}

extension StoredTensor {
    /// A copy of a tensor's values, for writing.
    package init(name: String, _ tensor: Tensor) {
        let type = ElementType.allCases.first { $0.dtype == tensor.dtype }
        guard let type else { preconditionFailure("\(name): no file holds \(tensor.dtype)") }
        self.init(
            name: name, elementType: type, shape: tensor.shape,
            // A placeholder of lost memory has no bytes (see ``withRecoverableMemory(_:)``).
            data: tensor.withBytes {
                $0.isEmpty ? Data(count: tensor.count * type.size) : Data($0)
            })
    }
}
