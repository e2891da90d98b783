import Foundation

/// Values of stored tensors: conversion between element types and joining.
extension StoredTensor {
    /// The values in row-major order, converted to float32; for tensors of model size.
    package func floats() -> [Float] {
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

    /// How many values are NaN, infinite, or infinite once they are float32; 0 for other kinds than floating point.
    package var nonFiniteCount: Int {
        withContiguousBytes { bytes in
            // A number is none when all bits of its exponent are set.
            func count<Bits: FixedWidthInteger & BitwiseCopyable>(exponent: Bits) -> Int {
                var found = 0
                for offset in stride(from: 0, to: bytes.count, by: MemoryLayout<Bits>.size) {
                    let bits = bytes.loadUnaligned(fromByteOffset: offset, as: Bits.self)
                    found &+= bits & exponent == exponent ? 1 : 0
                }
                return found
            }
            return switch elementType {
            case .float32: count(exponent: 0x7F80_0000 as UInt32)
            case .float16: count(exponent: 0x7C00 as UInt16)
            case .bfloat16: count(exponent: 0x7F80 as UInt16)
            case .float64: floats().count { !$0.isFinite }
            default: 0
            }
        }
    }

    /// The tensor as float16 or float32; other kinds than floating point are left as they are.
    /// - Throws: `CheckpointError` when a finite value is too large for float16.
    package func converted(
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
    package static func concatenated(_ parts: [StoredTensor], name: String) -> StoredTensor? {
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

extension Sequence where Element == StoredTensor {
    /// One pass over the values of weights that are to be used.
    ///
    /// - Throws: `CheckpointError` that names the first tensors with values that are not finite.
    package func requireFinite(file: String) throws(CheckpointError) {
        let lines = nonFinite
        guard !lines.isEmpty else { return }
        throw CheckpointError(
            file: file, kind: .damaged,
            message: "its weights are not all finite numbers, so that no mask could be right: "
                + lines.prefix(4).joined(separator: "; ")
                + (lines.count > 4 ? "; … (\(lines.count) tensors)" : ""))
    }

    /// `NAME: 3 of 768 values are NaN or infinite` for each tensor that has some.
    package var nonFinite: [String] {
        compactMap { tensor in
            let count = tensor.nonFiniteCount
            guard count > 0 else { return nil }
            return "\(tensor.name.printable): \(count) of \(tensor.count) values are NaN or "
                + "infinite"
        }.sorted()
    }
}
