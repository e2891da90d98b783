import TestSupport
import Testing
import Torch

@Suite("int8 products")
struct Int8Tests {
    private func random(_ shape: [Int], seed: UInt64, size: Double = 1) -> Tensor {
        var generator = Generator(seed: seed)
        return .drawn(shape) { generator.normal() * size }
    }

    /// A layer and itself in int8.
    private func layers(inputs: Int, outputs: Int) -> (float: Linear, int8: Linear) {
        let tensors = [
            "weight": random([outputs, inputs], seed: 1, size: 0.1),
            "bias": random([outputs], seed: 2),
        ]
        func layer(_ factors: DType) -> Linear {
            Linear(
                ParameterStore(loading: tensors, factors: factors).root, inputs: inputs,
                outputs: outputs)
        }
        return (layer(.float32), layer(.int8))
    }

    /// The mean difference as a share of the mean amount.
    private func difference(_ made: Tensor, _ expected: Tensor) -> Float {
        (made - expected).abs().mean().item() / expected.abs().mean().item()
    }

    @Test(
        "A layer's result is near float32's",
        arguments: [(16, 16), (192, 576), (384, 96), (1536, 384)])
    func linear(inputs: Int, outputs: Int) {
        let (float, int8) = layers(inputs: inputs, outputs: outputs)
        #expect(int8.int8 != nil && int8.weight.shape == [outputs, inputs])
        // Each row has a size of its own.
        let x = random([2, 7, inputs], seed: 3) * random([2, 7, 1], seed: 4).exp() + 0.5
        let made = int8(x)
        #expect(made.shape == [2, 7, outputs])
        #expect(difference(made, float(x)) < 0.02)
    }

    @Test("What a row becomes depends on no other row")
    func rows() {
        let (_, int8) = layers(inputs: 48, outputs: 64)
        let x = random([37, 48], seed: 5)
        let all = int8(x)
        for row in [0, 5, 36] {
            let alone = int8(x.narrowed(0, row..<row + 1) * 1)
            #expect(alone.floats() == all.narrowed(0, row..<row + 1).floats())
        }
    }

    @Test("A row that is not finite gives none that is; others are as without it")
    func notFinite() {
        let (_, int8) = layers(inputs: 32, outputs: 16)
        let x = random([3, 32], seed: 6)
        let expected = int8(x).floats()
        for value in [Float.nan, .infinity, -.infinity] {
            var numbers = x.floats()
            numbers[40] = value
            let made = int8(Tensor(numbers, [3, 32])).floats()
            #expect(made[16..<32].allSatisfy { $0.isNaN })
            #expect(made[..<16] == expected[..<16] && made[32...] == expected[32...])
        }
        #expect(int8(.zeros([1, 32])).isFinite)
        #expect(int8(.full([1, 32], 3e38)).shape == [1, 16])
    }

    @Test("Norm, GELU and sum that are one with a product are what they are alone")
    func joined() throws {
        let (first, int8) = layers(inputs: 48, outputs: 96)
        let norm = LayerNorm(ParameterStore(seed: 1).root, width: 48)
        norm.weight.copy(from: random([48], seed: 7))
        norm.bias.copy(from: random([48], seed: 8))
        let x = random([5, 48], seed: 9)
        let layer = try #require(int8.int8)
        #expect(difference(layer(ByteRows(x, normalizedBy: norm)), first(norm(x))) < 0.02)
        let (second, back) = layers(inputs: 96, outputs: 48)
        let last = try #require(back.int8)
        let factors = random([48], seed: 10)
        let expected = x + second(gelu(first(norm(x)))) * factors
        let made = last.add(
            layer.gelu(ByteRows(x, normalizedBy: norm)), times: factors, consuming: x.cloned())
        #expect(difference(made, expected) < 0.02)
    }

    @Test("A layer whose sizes are no multiples of 16 stays in float32; convolutions take half")
    func others() throws {
        let (float, same) = layers(inputs: 20, outputs: 16)
        #expect(same.int8 == nil)
        let x = random([4, 20], seed: 11)
        #expect(same(x).floats() == float(x).floats())
        // 70000 does not fit float16.
        for (value, tolerance) in [(Float(0.1), 1e-4), (70_000, 0)] {
            let tensors = ["weight": Tensor.full([16, 16, 3, 3], Double(value))]
            let convolution = Conv2d(
                ParameterStore(loading: tensors, factors: .int8).root, inputs: 16, outputs: 16,
                kernel: 3, hasBias: false)
            #expect(convolution.weight.dtype == .float32)
            #expect(abs(convolution.weight.amax().item() - value) <= Float(tolerance))
        }
    }

    @Test("Lost memory gives the shapes that there would have been")
    func lostMemory() {
        let (_, int8) = layers(inputs: 32, outputs: 16)
        var shape: [Int] = []
        #expect(throws: TorchError.self) {
            try withRecoverableMemory {
                let x = Tensor.zeros([1 << 45, 32])
                shape = int8(x).shape
                _ = layers(inputs: 32, outputs: 16).int8(x)
            }
        }
        #expect(shape == [1 << 45, 16])
    }

    @Test("A recorder sees what goes into layers")
    func recorder() throws {
        let tensors = ["a.weight": Tensor.ones([3, 2]), "b.weight": Tensor.ones([1, 2, 1, 1])]
        let recorder = InputRecorder()
        let store = ParameterStore(loading: tensors, recorder: recorder)
        let linear = Linear(store.root / "a", inputs: 2, outputs: 3, hasBias: false)
        let convolution = Conv2d(
            store.root / "b", inputs: 2, outputs: 1, kernel: 1, hasBias: false)
        _ = linear(Tensor([1, 2, -3, 4], [2, 2]))
        _ = linear(Tensor([5, 0], [1, 2]))
        _ = convolution(Tensor([1, 2, 3, -4], [1, 2, 1, 2]))
        let a = try #require(recorder.inputs["a"])
        #expect(a.least.floats() == [-3, 0] && a.largest.floats() == [5, 4])
        #expect(a.amounts.floats() == [9, 6] && a.count == 3)
        let b = try #require(recorder.inputs["b"])
        #expect(b.least.floats() == [1, -4] && b.largest.floats() == [2, 3] && b.count == 2)
    }
}
