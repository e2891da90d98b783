extension Tensor {
    /// The same elements in another shape; one size may be -1. A view where the strides allow it.
    package func reshaped(_ shape: Int...) -> Tensor { reshaped(shape) }

    package func reshaped(_ shape: [Int]) -> Tensor {
        call(ops.reshape, .tensor(self), .ints(shape))
    }

    /// Dimensions from `first` to the last joined into one.
    package func flattened(from first: Int, to last: Int = -1) -> Tensor {
        call(ops.flatten, .tensor(self), .int(first), .int(last))
    }

    /// Dimensions in another order.
    package func permuted(_ order: Int...) -> Tensor {
        call(ops.permute, .tensor(self), .ints(order))
    }

    package func transposed(_ first: Int, _ second: Int) -> Tensor {
        call(ops.transpose, .tensor(self), .int(first), .int(second))
    }

    /// A view with sizes of 1 repeated; -1 keeps a size.
    package func expanded(_ shape: Int...) -> Tensor {
        call(ops.expand, .tensor(self), .ints(shape))
    }

    package func unsqueezed(_ dimension: Int) -> Tensor {
        call(ops.unsqueeze, .tensor(self), .int(dimension))
    }

    package func squeezed(_ dimension: Int) -> Tensor {
        call(ops.squeeze, .tensor(self), .int(dimension))
    }

    /// Entry `index` of `dimension`, which disappears; a view.
    package func selecting(_ dimension: Int, _ index: Int) -> Tensor {
        call(ops.select, .tensor(self), .int(dimension), .int(index))
    }

    /// Entries `range` of `dimension`; a view.
    package func narrowed(_ dimension: Int, _ range: Range<Int>) -> Tensor {
        call(
            ops.narrow, .tensor(self), .int(dimension), .int(range.lowerBound), .int(range.count))
    }

    /// Entries `range` of `dimension` to its end; a view.
    package func narrowed(_ dimension: Int, from first: Int) -> Tensor {
        narrowed(dimension, first..<max(first, size(dimension)))
    }

    /// The entries of `dimension` one by one; views.
    package func unbound(_ dimension: Int) -> [Tensor] {
        callList(ops.unbind, .tensor(self), .int(dimension))
    }

    /// `count` nearly equal parts along `dimension`; views.
    package func chunks(_ count: Int, along dimension: Int) -> [Tensor] {
        callList(ops.chunk, .tensor(self), .int(count), .int(dimension))
    }

    /// The rows (entries of the first dimension) `rows`, in that order; a copy.
    package func rows(_ rows: [Int]) -> Tensor {
        let index = Tensor(integers: rows.map(Int64.init), [rows.count], device: device)
        return call(ops.indexSelect, .tensor(self), .int(0), .tensor(index)) {
            [rows.count] + shape.dropFirst()
        }
    }

    /// Reversed along `dimension`; a copy.
    package func flipped(_ dimension: Int) -> Tensor {
        call(ops.flip, .tensor(self), .ints([dimension]))
    }

    /// Joined along an existing dimension.
    package static func concatenated(_ tensors: [Tensor], along dimension: Int = 0) -> Tensor {
        call(ops.cat, .tensors(tensors), .int(dimension))
    }

    /// Joined along a new dimension.
    package static func stacked(_ tensors: [Tensor], along dimension: Int = 0) -> Tensor {
        call(ops.stack, .tensors(tensors), .int(dimension))
    }

    /// These elements in the given order in memory; itself when they already are.
    package func contiguous(_ format: MemoryFormat = .contiguous) -> Tensor {
        call(ops.contiguous, .tensor(self), .memoryFormat(format))
    }

    /// As another type; itself when it already is.
    package func to(_ dtype: DType) -> Tensor {
        dtype == self.dtype ? self : call(ops.toDType, .tensor(self), .dtype(dtype))
    }

    /// On another device; itself when it already is there.
    package func to(_ device: Device) -> Tensor { to(device, waits: true) }

    /// - Parameter waits: whether the host waits for the copy. Without, this tensor's memory must be pinned if it
    ///   is the host's; libtorch keeps it until the copy is done.
    func to(_ device: Device, waits: Bool) -> Tensor {
        device == self.device || isPlaceholder
            ? self
            : call(ops.to, .tensor(self), .device(device), .dtype(dtype), .bool(!waits))
    }

    /// A copy with its own memory.
    package func cloned() -> Tensor { call(ops.clone, .tensor(self)) }
}
