import TestSupport
import Testing
import Torch

@Suite struct FunctionalTests {
    let x = Tensor([1, 2, 3, 4], [2, 2])

    @Test("linear multiplies by the transposed weight")
    func linearLayer() {
        let y = linear(x, weight: Tensor([1, 0, 1, 1], [2, 2]), bias: Tensor([0.5, 0], [2]))
        #expect(y.floats() == [1.5, 3, 3.5, 7])
    }

    @Test("a convolution sums its neighbourhood, zeros outside")
    func convolution() {
        let image = x.reshaped(1, 1, 2, 2)
        let y = conv2d(image, weight: .ones([1, 1, 3, 3]), bias: .ones([1]), padding: 1)
        #expect(y.floats() == [11, 11, 11, 11])
        #expect(conv2d(image, weight: .ones([1, 1, 2, 2]), bias: nil, stride: 2).floats() == [10])
    }

    @Test("float16 on a CPU rounds factors and results, and sums in float32")
    func roundedProducts() {
        let weight = Tensor([1, 0.5], [1, 2])
        weight.requiresGradient = true
        let y = autocast(.float16, on: .cpu) {
            linear(Tensor([2049, 2049], [1, 2]), weight: weight, bias: nil)
        }
        #expect(y.dtype == .float16)
        #expect(y.floats() == [3072])  // 3073.5 of factors that are not rounded
        y.sum().backward()
        #expect(weight.gradient?.floats() == [2048, 2048])
        let large = Tensor.ones([1, 64, 32, 32])
        let z = autocast(.float16, on: .cpu) {
            conv2d(large, weight: .ones([64, 64, 3, 3]), bias: nil, padding: 1)
        }
        #expect(z.dtype == .float16 && z.floats().max() == 576)
    }

    @Test("norms give mean 0 and biased variance 1")
    func norms() {
        let ones = Tensor.ones([2])
        let zeros = Tensor.zeros([2])
        expectClose(
            layerNorm(x, weight: ones, bias: zeros, epsilon: 0), Tensor([-1, 1, -1, 1], [2, 2]))
        let grouped = groupNorm(
            x.reshaped(1, 2, 1, 2), groups: 2, weight: ones, bias: zeros, epsilon: 0)
        expectClose(grouped, Tensor([-1, 1, -1, 1], [1, 2, 1, 2]))
    }

    @Test("gelu is exact, and its in-place form agrees")
    func activation() {
        let z = Tensor([-1, 0, 1], [3])
        let expected = Tensor([-0.158_655_25, 0, 0.841_344_75], [3])
        expectClose(gelu(z), expected, tolerance: 1e-6)
        expectClose(gelu(consuming: z), expected, tolerance: 1e-6)
        #expect(z.floats() == [-1, 0, 1])
        withoutGradients { _ = gelu(consuming: z) }
        expectClose(z, expected, tolerance: 1e-6)
        #expect(relu(Tensor([-1, 1], [2])).floats() == [0, 1])
    }

    @Test("attention with equal keys averages the values")
    func uniformAttention() {
        let keys = Tensor.ones([1, 1, 2, 2])
        let y = attention(keys, keys, x.reshaped(1, 1, 2, 2))
        expectClose(y, Tensor([2, 3, 2, 3], [1, 1, 2, 2]))
    }

    @Test("interpolation places pixel centres at one half")
    func interpolation() {
        let row = Tensor([0, 1], [1, 1, 1, 2]).expanded(1, 1, 2, 2)
        let y = interpolate(row, height: 1, width: 4, .bilinear)
        #expect(y.floats() == [0, 0.25, 0.75, 1])
        // Keys' cubic at a quarter: a = -0.75 overshoots.
        let z = interpolate(row, height: 1, width: 4, .bicubic).floats()
        #expect(abs(z[0] + 0.105_468_75) < 1e-6)
        let constant = interpolate(
            Tensor.full([1, 1, 5, 5], 3), height: 3, width: 3, .bicubicAntialiased)
        expectClose(constant, .full([1, 1, 3, 3], 3))
    }

    @Test("unfold lists neighbourhoods row by row")
    func neighbourhoods() {
        let y = unfold(x.reshaped(1, 1, 2, 2), kernel: 3)
        #expect(y.shape == [1, 9, 4])
        #expect(y.selecting(2, 0).floats() == [0, 0, 0, 0, 1, 2, 0, 3, 4])
    }

    @Test("groups of a convolution do not see each other")
    func groups() {
        var generator = Generator(seed: 1)
        let x = Tensor.drawn([2, 4, 5, 6]) { generator.normal() }
        let weight = Tensor.drawn([6, 2, 3, 3]) { generator.normal() }
        let whole = conv2d(x, weight: weight, bias: nil, padding: 1, groups: 2)
        let parts = (0..<2).map { part in
            conv2d(
                x.narrowed(1, 2 * part..<2 * part + 2),
                weight: weight.narrowed(0, 3 * part..<3 * part + 3), bias: nil, padding: 1)
        }
        expectClose(whole, .concatenated(parts, along: 1))
    }
}
