import TestSupport
import Testing
import Torch

@Suite struct TensorTests {
    @Test("shape, type and strides are those asked for")
    func metadata() {
        let x = Tensor.zeros([2, 3, 4], .float64)
        #expect(x.shape == [2, 3, 4])
        #expect(x.size(-1) == 4)
        #expect(x.rank == 3)
        #expect(x.count == 24)
        #expect(x.dtype == .float64)
        #expect(x.device == .cpu)
        #expect(x.permuted(2, 0, 1).strides == [1, 12, 4])
        #expect(Tensor.zeros([]).shape == [])
        #expect(Tensor.zeros([0, 3]).floats() == [])
    }

    @Test("values come out row-major whatever the strides")
    func readingOut() {
        let x = Tensor([1, 2, 3, 4, 5, 6], [2, 3])
        #expect(x.transposed(0, 1).floats() == [1, 4, 2, 5, 3, 6])
        #expect(Tensor(bytes: [0, 255], [2]).floats() == [0, 255])
        #expect(Tensor(integers: [-1, 1 << 40], [2]).integers() == [-1, 1 << 40])
        #expect((x .> 3.5).bytes() == [0, 0, 0, 1, 1, 1])
        #expect(Tensor([1.5], [1]).to(.float16).item() == 1.5)
    }

    @Test("memory written in place is the tensor's")
    func filling() {
        let x = Tensor([4], .uint8) { memory in
            memory.copyBytes(from: [1, 2, 3, 4])
        }
        #expect(x.bytes() == [1, 2, 3, 4])
    }

    @Test("strided bytes are gathered, and must fit")
    func copyingBytes() async {
        let values: [Float] = [1, 2, 3, 4, 5, 6]
        let x = values.withUnsafeBytes { Tensor(copying: $0, [3, 2], strides: [1, 3], .float32) }
        #expect(x.floats() == [1, 4, 2, 5, 3, 6])
        await #expect(processExitsWith: .failure) {
            let two: [Float] = [1, 2]
            two.withUnsafeBytes { _ = Tensor(copying: $0, [2], strides: [2], .float32) }
        }
        await #expect(processExitsWith: .failure) {
            let two: [Float] = [1, 2]
            two.withUnsafeBytes {
                _ = Tensor(copying: $0, [Int.max, 3], strides: [Int.max, 1], .float32)
            }
        }
    }

    @Test("shape operators")
    func shapes() {
        let x = Tensor((0..<24).map(Float.init), [2, 3, 4])
        #expect(x.reshaped(6, -1).shape == [6, 4])
        #expect(x.flattened(from: 1).shape == [2, 12])
        #expect(x.selecting(1, 2).floats() == [8, 9, 10, 11, 20, 21, 22, 23])
        #expect(x.narrowed(2, 1..<2).floats() == [1, 5, 9, 13, 17, 21])
        #expect(x.narrowed(1, from: 2).shape == [2, 1, 4])
        #expect(x.rows([1, 0, 1]).selecting(2, 0).floats() == [12, 16, 20, 0, 4, 8, 12, 16, 20])
        #expect(x.flipped(2).selecting(0, 0).selecting(0, 0).floats() == [3, 2, 1, 0])
        #expect(x.unbound(0).count == 2)
        #expect(x.chunks(2, along: 2).map(\.shape) == [[2, 3, 2], [2, 3, 2]])
        #expect(Tensor.concatenated([x, x], along: 1).shape == [2, 6, 4])
        #expect(Tensor.stacked([x, x]).shape == [2, 2, 3, 4])
        #expect(x.unsqueezed(0).squeezed(0).shape == [2, 3, 4])
        #expect(Tensor([7], [1, 1]).expanded(-1, 3).floats() == [7, 7, 7])
    }

    @Test("arithmetic")
    func arithmetic() {
        let x = Tensor([1, 2, 3, 4], [2, 2])
        #expect((x + x).floats() == [2, 4, 6, 8])
        #expect((x - 1).floats() == [0, 1, 2, 3])
        #expect((1 - x).floats() == [0, -1, -2, -3])
        #expect((2 * x / 4).floats() == [0.5, 1, 1.5, 2])
        #expect((x / x * x).floats() == [1, 2, 3, 4])
        #expect((x .< 2).bytes() == [1, 0, 0, 0])
        #expect(x.matmul(x).floats() == [7, 10, 15, 22])
        #expect(x.sum().item() == 10)
        #expect(x.mean().item() == 2.5)
        #expect(x.sum(0).floats() == [4, 6])
        #expect(x.mean(1, keeping: true).shape == [2, 1])
        #expect(x.amax(1).floats() == [2, 4])
        #expect(x.amin().item() == 1)
        #expect(x.clamped(2...3).floats() == [2, 2, 3, 3])
        #expect(x.squared().sqrt().floats() == [1, 2, 3, 4])
        #expect((-x).abs().floats() == [1, 2, 3, 4])
        expectClose(x.log().exp(), x)
        expectClose(x.softmax(1).sum(1), .ones([2]))
        #expect(Tensor([0], [1]).sigmoid().item() == 0.5)
        #expect(Tensor.maximum(x, .full([2, 2], 2.5)).floats() == [2.5, 2.5, 3, 4])
        #expect(Tensor.minimum(x, .full([2, 2], 2.5)).floats() == [1, 2, 2.5, 2.5])
        #expect(x.isFinite)
        #expect(!Tensor([1, .infinity], [2]).isFinite)
        #expect(!Tensor([1, .nan], [2]).isFinite)
    }

    @Test("eigenvectors and the solution of linear equations")
    func linearAlgebra() {
        let matrix = Tensor([2, 1, 1, 2], [2, 2]).to(.float64)
        let vectors = matrix.eigenvectors()  // of 1 and 3
        expectClose(vectors.abs(), .full([2, 2], 0.5.squareRoot(), .float64), tolerance: 1e-12)
        expectClose(
            matrix.matmul(vectors), vectors * Tensor([1, 3], [2]).to(.float64), tolerance: 1e-12)
        expectClose(
            matrix.solved(for: Tensor([3, 3], [2, 1]).to(.float64)), .ones([2, 1], .float64),
            tolerance: 1e-12)
        #expect(Tensor.identity(2).floats() == [1, 0, 0, 1])
    }

    @Test("writing in place changes the memory")
    func inPlace() {
        let x = Tensor.ones([2])
        x.add(.ones([2])).multiply(by: .full([2], 3))
        #expect(x.floats() == [6, 6])
        let copy = x.cloned()
        x.copy(from: .zeros([2]))
        #expect(x.floats() == [0, 0])
        #expect(copy.zero().floats() == [0, 0])
    }
}
