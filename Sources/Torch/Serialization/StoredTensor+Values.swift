import Foundation

/// Values of stored tensors: conversion between element types and joining.
extension StoredTensor {
    /// The values in row-major order, converted to float32; for tensors of model size.
    public func floats() -> [Float] {
        withContiguousBytes { bytes in
            func map<T: BitwiseCopyable>(_ type: T.Type, _ convert: (T) -> Float) -> [Float] {
                let size = MemoryLayout<T>.size
                return [Float](unsafeUninitializedCapacity: count) { output, initialized in
                    for element in 0..<count {
                        output[element] = convert(
                            bytes.loadUnaligned(fromByteOffset: element * size, as: T.self))
                    }
                    initialized = count
                }
            }
            return switch elementType {
            case .float64: map(Double.self) { Float($0) }
            case .float32: map(Float.self) { $0 }
            case .float16: map(Float16.self) { Float($0) }
            case .bfloat16: map(UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
            case .int64: map(Int64.self) { Float($0) }
            case .int32: map(Int32.self) { Float($0) }
            case .int16: map(Int16.self) { Float($0) }
            case .int8: map(Int8.self) { Float($0) }
            case .uint8: map(UInt8.self) { Float($0) }
            case .bool: map(UInt8.self) { $0 == 0 ? 0 : 1 }
            }
        }
    }

    /// The tensor as float16 or float32; other kinds than floating point are left as they are.
    /// - Throws: `CheckpointError` when a finite value is too large for float16.
    public func converted(
        to type: ElementType, file: String
    ) throws(CheckpointError) -> StoredTensor {
        precondition(type == .float16 || type == .float32, "cannot convert to \(type)")
        guard elementType.isFloatingPoint, elementType != type else { return self }
        let values = floats()
        guard type == .float16 else {
            return StoredTensor(name: name, shape: shape, floats: values)
        }
        let halves = values.map { Float16($0) }
        for (value, half) in zip(values, halves) where value.isFinite && !half.isFinite {
            throw CheckpointError(
                file: file, kind: .unsupported,
                message: "\(name.printable) holds \(value), which does not fit fp16 (±65504)")
        }
        return StoredTensor(
            name: name, elementType: .float16, shape: shape,
            data: halves.withUnsafeBytes { Data($0) })
    }

    /// The tensors one after the other along the first axis. Nil unless they have the same element
    /// type and the same shape but for the first axis.
    public static func concatenated(_ parts: [StoredTensor], name: String) -> StoredTensor? {
        guard let first = parts.first, !first.shape.isEmpty,
            parts.allSatisfy({
                $0.elementType == first.elementType && !$0.shape.isEmpty
                    && $0.shape.dropFirst() == first.shape.dropFirst()
            })
        else { return nil }
        var shape = first.shape
        shape[0] = parts.reduce(0) { $0 + $1.shape[0] }
        guard checkedCount(shape) != nil else { return nil }
        var data = Data(capacity: parts.reduce(0) { $0 + $1.byteCount })
        for part in parts { part.withContiguousBytes { data.append(contentsOf: $0) } }
        return StoredTensor(name: name, elementType: first.elementType, shape: shape, data: data)
    }
}
