import TestSupport
import Testing
import Torch

@Suite("A transformer's block in one piece")
struct FusedBlockTests {
    /// A block with random weights, and the same by libtorch's operators.
    private struct Layers {
        let norm1, norm2: LayerNorm
        let qkv, proj, fc1, fc2: Linear
        let scale1, scale2: Tensor?
        let headCount: Int

        init(width: Int, headCount: Int, hidden: Int, isScaled: Bool = true, hasBias: Bool = true) {
            var generator = Generator(seed: 7)
            func random(_ shape: [Int], _ size: Double, around mean: Double = 0) -> Tensor {
                .drawn(shape) { generator.normal() * size + mean }
            }
            func linear(_ inputs: Int, _ outputs: Int) -> Linear {
                let tensors = [
                    "weight": random([outputs, inputs], 1 / Double(inputs).squareRoot()),
                    "bias": random([outputs], 0.2),
                ]
                return Linear(
                    ParameterStore(loading: tensors).root, inputs: inputs, outputs: outputs,
                    hasBias: hasBias)
            }
            func norm() -> LayerNorm {
                let tensors = [
                    "weight": random([width], 0.2, around: 1), "bias": random([width], 0.2),
                ]
                return LayerNorm(ParameterStore(loading: tensors).root, width: width)
            }
            (norm1, norm2) = (norm(), norm())
            (qkv, proj) = (linear(width, 3 * width), linear(width, width))
            (fc1, fc2) = (linear(width, hidden), linear(hidden, width))
            scale1 = isScaled ? random([width], 1) : nil
            scale2 = isScaled ? random([width], 1) : nil
            self.headCount = headCount
        }

        func fused(_ x: Tensor) -> Tensor? {
            withoutGradients {
                FusedBlock(
                    norm1: norm1, qkv: qkv, headCount: headCount, proj: proj, scale1: scale1,
                    norm2: norm2, fc1: fc1, fc2: fc2, scale2: scale2
                )(consuming: x.cloned())
            }
        }

        func operators(_ x: Tensor) -> Tensor {
            withoutGradients {
                let parts = qkv(norm1(x)).reshaped(x.size(0), x.size(1), 3, headCount, -1)
                    .permuted(2, 0, 3, 1, 4).unbound(0)
                let mixed = attention(parts[0], parts[1], parts[2])
                    .transposed(1, 2).flattened(from: 2)
                let x = x + proj(mixed) * (scale1 ?? .ones([1]))
                return x + fc2(gelu(fc1(norm2(x)))) * (scale2 ?? .ones([1]))
            }
        }
    }

    private func tokens(_ shape: [Int], size: Double = 1) -> Tensor {
        var generator = Generator(seed: 3)
        return .drawn(shape) { generator.normal() * size }
    }

    @Test(
        "It gives what libtorch's operators give",
        arguments: [
            (1, 1, 16, 1), (2, 5, 64, 1), (3, 17, 48, 3), (2, 97, 96, 2), (1, 257, 192, 3),
            (2, 50, 400, 5),
        ])
    func operators(batch: Int, count: Int, width: Int, headCount: Int) throws {
        let x = tokens([batch, count, width])
        for (isScaled, hasBias) in [(true, true), (false, false)] {
            let layers = Layers(
                width: width, headCount: headCount, hidden: 2 * width + 16, isScaled: isScaled,
                hasBias: hasBias)
            let (made, expected) = (try #require(layers.fused(x)), layers.operators(x))
            #expect(made.shape == x.shape)
            #expect((made - expected).abs().amax().item() < 4e-5)
        }
    }

    @Test("Scores that differ by hundreds leave one token to be read")
    func wideScores() throws {
        let layers = Layers(width: 64, headCount: 2, hidden: 64)
        let x = tokens([1, 40, 64], size: 30)
        let qkv = withoutGradients { layers.qkv(x) }
        let made = try #require(withoutGradients { FusedBlock.heads(qkv, 2) })
        let parts = qkv.reshaped(1, 40, 3, 2, -1).permuted(2, 0, 3, 1, 4).unbound(0)
        let expected = attention(parts[0], parts[1], parts[2]).transposed(1, 2).flattened(from: 2)
        #expect(made.isFinite)
        #expect((made - expected).abs().amax().item() < 1e-3 * expected.abs().amax().item())
    }

    @Test("Neither threads nor the other images of a batch change a bit")
    func sameBits() throws {
        let layers = Layers(width: 96, headCount: 2, hidden: 160)
        let x = tokens([3, 61, 96])
        let expected = try #require(Libtorch.withThreads(1) { layers.fused(x) }).floats()
        for threads in [2, 3, 7] {
            #expect(
                try #require(Libtorch.withThreads(threads) { layers.fused(x) }).floats() == expected
            )
        }
        let alone = try #require(layers.fused(x.narrowed(0, 1..<2)))
        #expect(alone.floats() == Array(expected[61 * 96..<2 * 61 * 96]))
    }

    @Test("A number that is none stays none in its image, and in no other")
    func notFinite() throws {
        let layers = Layers(width: 32, headCount: 2, hidden: 48)
        let x = tokens([2, 9, 32])
        let expected = try #require(layers.fused(x)).floats()
        for value in [Float.nan, .infinity, -.infinity] {
            var numbers = x.floats()
            numbers[100] = value
            let made = try #require(layers.fused(Tensor(numbers, [2, 9, 32]))).floats()
            #expect(made[..<(9 * 32)].allSatisfy { $0.isNaN })
            #expect(made[(9 * 32)...] == expected[(9 * 32)...])
        }
    }

    @Test("Libtorch has to do other widths, half precision, and what is recorded")
    func others() {
        let x = tokens([1, 4, 48])
        #expect(Layers(width: 48, headCount: 2, hidden: 48).fused(x) == nil)
        #expect(Layers(width: 48, headCount: 3, hidden: 50).fused(x) == nil)
        let layers = Layers(width: 48, headCount: 3, hidden: 48)
        #expect(layers.fused(x) != nil)
        #expect(autocast(.bfloat16, on: .cpu) { layers.fused(x) } == nil)
        #expect(layers.fused(x.to(.bfloat16)) == nil)
        #expect(FusedBlock.heads(tokens([1, 4, 144]), 3) == nil)
    }

    @Test("Lost memory gives the shapes that there would have been")
    func lostMemory() {
        let layers = Layers(width: 32, headCount: 2, hidden: 48)
        var shape: [Int]?
        #expect(throws: TorchError.self) {
            try withRecoverableMemory { shape = layers.fused(.zeros([1 << 40, 4, 32]))?.shape }
        }
        #expect(shape == [1 << 40, 4, 32])
    }
}
