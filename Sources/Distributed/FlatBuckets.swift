package import Torch

/// Lists of tensors as a few long vectors, in which they cross between processes: many small messages
/// would each pay the way.
package struct FlatBuckets {
    /// Places in the list; one vector each.
    package let ranges: [Range<Int>]

    /// - Parameter byteLimit: of float32 in a vector; a tensor above it has one of its own.
    package init(_ tensors: [Tensor], byteLimit: Int = 32 << 20) {
        var ranges: [Range<Int>] = []
        var start = 0
        var size = 0
        for (place, tensor) in tensors.enumerated() {
            let bytes = tensor.count * 4
            if place > start, size + bytes > byteLimit {
                ranges.append(start..<place)
                start = place
                size = 0
            }
            size += bytes
        }
        if start < tensors.count { ranges.append(start..<tensors.count) }
        self.ranges = ranges
    }

    /// The tensors' elements one after the other, on `device`; never their own memory.
    package static func packed(
        _ tensors: some Sequence<Tensor>, as dtype: DType, on device: Device = .cpu
    ) -> Tensor {
        withoutGradients {
            let flat = tensors.map { $0.detached().to(dtype).flattened(from: 0) }
            return Tensor.concatenated(flat).to(device)
        }
    }

    /// Views of `vector` in the shapes of `tensors`, as float32 on the device; of its own memory where it is that
    /// already.
    package static func views(
        of vector: Tensor, shapes: [[Int]], device: Device
    ) -> [Tensor] {
        parts(of: vector.to(.float32).to(device), shapes: shapes)
    }

    /// Views of the memory of `vector`.
    package static func parts(of vector: Tensor, shapes: [[Int]]) -> [Tensor] {
        var offset = 0
        return shapes.map { shape in
            let count = shape.reduce(1, *)
            defer { offset += count }
            return vector.narrowed(0, offset..<offset + count).reshaped(shape)
        }
    }
}
