import Testing
import Torch

@Suite struct StatusTests {
    /// 128 TiB: more than any machine gives out.
    let absurd = [1 << 45]

    @Test("a failed allocation is thrown, with libtorch's message")
    func thrown() throws {
        let error = #expect(throws: TorchError.self) {
            try withRecoverableMemory { Tensor.zeros(absurd) }
        }
        #expect(error?.description.contains("tried to allocate 140737488355328 bytes") == true)
        #expect(error?.description.contains("frame #") == false)
    }

    @Test(
        "every library's words for lost memory are known",
        arguments: [
            "CUDA out of memory. Tried to allocate 2.00 GiB", "CUDA error: out of memory",
            "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
            "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
            "CUDA driver error: out of memory",
        ])
    func words(message: String) {
        #expect(meansOutOfMemory(message))
        #expect(!meansOutOfMemory("CUDA error: an illegal memory access was encountered"))
    }

    /// Shapes that our operators give for a map of shape (2, 4, 8, 8).
    private func shapes(_ map: Tensor) -> [[Int]] {
        let ones = Tensor.ones([8])
        let tokens = map.flattened(from: 2).transposed(1, 2)
        let results = [
            tokens, map + map, -map, 1 - map, map * map, map / map, map * 2, map / 2, map .> 0,
            map .< 0, map.matmul(map), map.abs().exp().log().sqrt().squared().sigmoid(),
            map.clamped(0...1), map.softmax(1), .maximum(map, map), .minimum(map, map), map.sum(),
            map.sum(1), map.mean(), map.mean(2, 3), map.amax(1), map.amin(2, keeping: true),
            map.cloned().add(map).multiply(by: map).copy(from: map).zero(), map.rows([1, 0, 1]),
            map.flipped(3), map.selecting(1, 0), map.narrowed(1, from: 1), map.unbound(0)[1],
            map.chunks(2, along: 1)[1], .concatenated([map, map]), .stacked([map, map]),
            map.permuted(0, 2, 3, 1).contiguous(), map.to(.float16), map.unsqueezed(0).squeezed(0),
            map.narrowed(0, 0..<1).expanded(3, -1, -1, -1), map.detached(), relu(map), gelu(map),
            conv2d(map, weight: .ones([5, 4, 3, 3]), bias: .ones([5]), stride: 2, padding: 1),
            linear(map, weight: .ones([3, 8]), bias: nil), attention(map, map, map),
            layerNorm(map, weight: ones, bias: ones, epsilon: 1e-6),
            groupNorm(map, groups: 2, weight: .ones([4]), bias: .ones([4]), epsilon: 1e-6),
            interpolate(map, height: 4, width: 4, .bilinear),
            interpolate(map, height: 4, width: 5, .bicubic),
            interpolate(map, height: 16, width: 16, .bicubic, scale: 2.01),
            interpolate(map, height: 4, width: 4, .bicubicAntialiased), unfold(map, kernel: 3),
            sum(consuming: map, map), product(consuming: map, map), gelu(consuming: map),
            relu(consuming: map), map.eigenvectors(),
            (map + .identity(8)).solved(for: map.narrowed(3, 0..<3)),
        ]
        return results.map(\.shape)
    }

    @Test("after a failure every operator gives the shape it would have given")
    func sameShapes() {
        let map = Tensor.ones([2, 4, 8, 8])
        let expected = shapes(map)
        var found: [[Int]] = []
        #expect(throws: TorchError.self) {
            try withRecoverableMemory {
                _ = Tensor.zeros(absurd)
                found = shapes(map)
            }
        }
        #expect(found == expected)
    }

    @Test("after a failure values are zeros and nothing real is written")
    func nothingReal() {
        let real = Tensor.ones([2, 3])
        var values: [Float] = []
        #expect(throws: TorchError.self) {
            try withRecoverableMemory {
                let lost = Tensor.zeros(absurd)
                #expect(isMemoryLost && lost.shape == absurd)
                real.add(.ones([2, 3]))
                values = real.floats()
                real.sum().backward()
                _ = real.isFinite
                #expect(Tensor([1], [1]).item() == 0)
            }
        }
        #expect(values == [0, 0, 0, 0, 0, 0])
        #expect(real.floats() == [1, 1, 1, 1, 1, 1])
    }

    @Test("the next attempt starts afresh, and scopes nest")
    func nests() throws {
        let value = try withRecoverableMemory {
            #expect(throws: TorchError.self) {
                try withRecoverableMemory { Tensor.zeros(absurd) }
            }
            #expect(!isMemoryLost)
            return Tensor.ones([2]).sum().item()
        }
        #expect(value == 2)
    }

    @Test("lost memory outranks an error of the closure, which passes otherwise")
    func errors() {
        struct Other: Error {}
        #expect(throws: Other.self) { try withRecoverableMemory { throw Other() } }
        #expect(throws: TorchError.self) {
            try withRecoverableMemory {
                _ = Tensor.zeros(absurd)
                throw Other()
            }
        }
    }

    @Test("a device that is not there is thrown too", .enabled(if: !Device.cudaIsAvailable))
    func deviceFailed() throws {
        let error = #expect(throws: TorchError.self) {
            try withRecoverableMemory {
                let lost = Tensor.zeros([2, 3], device: .cuda(0))
                #expect(isMemoryLost && lost.floats() == [0, 0, 0, 0, 0, 0])
            }
        }
        guard case .deviceFailed(let reason) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(reason.contains("CUDA") || reason.contains("cuda"))
        #expect(!reason.contains("\n"))
    }

    @Test("a tensor without memory can be stored, as zeros, and the closure throws")
    func storesNothing() {
        #expect(throws: TorchError.self) {
            try withRecoverableMemory {
                _ = Tensor.zeros(absurd)
                let stored = StoredTensor(name: "x", Tensor.zeros([2, 3]))
                #expect(stored.floats() == [0, 0, 0, 0, 0, 0])
            }
        }
    }

    @Test("memory that libtorch knows nothing of is lost in the same way")
    func lostElsewhere() async {
        let error = #expect(throws: TorchError.self) {
            try withRecoverableMemory { loseMemory(for: "a test") }
        }
        #expect(error == .outOfMemory("no memory for a test"))
        await #expect(processExitsWith: .failure) { loseMemory(for: "a test") }
    }

    @Test("a failed allocation outside a closure ends the process")
    func trap() async {
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([1 << 45]) }
    }

}
