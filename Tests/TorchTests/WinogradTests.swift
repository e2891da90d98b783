import TestSupport
import Testing
import Torch

@Suite struct WinogradTests {
    struct Case: Sendable {
        let batch, height, width, inputs, outputs: Int
    }

    static let cases = [
        Case(batch: 1, height: 4, width: 4, inputs: 16, outputs: 16),
        Case(batch: 2, height: 1, width: 3, inputs: 16, outputs: 32),
        Case(batch: 3, height: 9, width: 14, inputs: 32, outputs: 16),
        Case(batch: 2, height: 33, width: 66, inputs: 48, outputs: 64),
    ]

    private func random(_ shape: [Int], _ generator: inout Generator) -> Tensor {
        .drawn(shape) { Double.random(in: -1...1, using: &generator) }
    }

    @Test("a convolution, its bias and ReLU are libtorch's", arguments: cases)
    func forward(test: Case) {
        var generator = Generator(seed: 1)
        let x = random([test.batch, test.inputs, test.height, test.width], &generator)
        let weight = random([test.outputs, test.inputs, 3, 3], &generator)
        let bias = random([test.outputs], &generator)
        #expect(Winograd.applies(to: weight, .float32, on: .cpu))
        let lastChannels = x.permuted(0, 2, 3, 1).contiguous()
        let made = Winograd.convolve(lastChannels, weight: weight, bias: bias, isReLU: true)
        let expected = relu(conv2d(x, weight: weight, bias: bias, padding: 1))
        expectClose(made.permuted(0, 3, 1, 2).contiguous(), expected, tolerance: 5e-4)
        let plain = Winograd.convolve(lastChannels, weight: weight)
        expectClose(
            plain.permuted(0, 3, 1, 2).contiguous(),
            conv2d(x, weight: weight, bias: nil, padding: 1), tolerance: 5e-4)
    }

    @Test("the gradients of input and weight are libtorch's", arguments: cases)
    func backward(test: Case) throws {
        var generator = Generator(seed: 2)
        let x = random([test.batch, test.inputs, test.height, test.width], &generator)
        let weight = random([test.outputs, test.inputs, 3, 3], &generator)
        let gradient = random([test.batch, test.outputs, test.height, test.width], &generator)
        x.requiresGradient = true
        weight.requiresGradient = true
        conv2d(x, weight: weight, bias: nil, padding: 1).backward(from: gradient)
        let lastChannels = x.detached().permuted(0, 2, 3, 1).contiguous()
        let from = gradient.permuted(0, 2, 3, 1).contiguous()
        withoutGradients {
            let forInput = Winograd.convolve(from, weight: weight, isGradient: true)
            expectClose(
                forInput.permuted(0, 3, 1, 2).contiguous(), x.gradient, tolerance: 5e-4)
            // Sums over all pixels.
            let scale = Double(test.batch * test.height * test.width).squareRoot()
            expectClose(
                Winograd.weightGradient(lastChannels, from), weight.gradient,
                tolerance: 2e-5 * max(scale, 10))
        }
    }

    @Test("autocast changes nothing, and bfloat16's own convolution is near", arguments: cases)
    func underAutocast(test: Case) {
        var generator = Generator(seed: 3)
        let x = random([test.batch, test.height, test.width, test.inputs], &generator)
        let weight = random([test.outputs, test.inputs, 3, 3], &generator)
        let gradient = random([test.batch, test.height, test.width, test.outputs], &generator)
        let exact = Winograd.convolve(x, weight: weight)
        let exactGradient = Winograd.weightGradient(x, gradient)
        autocast(.bfloat16, on: .cpu) {
            #expect(Winograd.convolve(x, weight: weight).floats() == exact.floats())
            #expect(Winograd.weightGradient(x, gradient).floats() == exactGradient.floats())
            let half = conv2d(x.permuted(0, 3, 1, 2), weight: weight, bias: nil, padding: 1)
            #expect(half.dtype == .bfloat16)
            // Eight bits of the result, and of the factors, which add up as the root of their number.
            let largest = Double(exact.abs().amax().item())
            let tolerance = 0x1p-8 * largest + 0x1p-9 * Double(9 * test.inputs).squareRoot()
            expectClose(half.permuted(0, 2, 3, 1), exact, tolerance: tolerance)
        }
    }

    @Test("other kernels, channels and types are left to libtorch")
    func limits() {
        #expect(!Winograd.applies(to: .zeros([16, 16, 1, 1]), .float32, on: .cpu))
        #expect(!Winograd.applies(to: .zeros([16, 24, 3, 3]), .float32, on: .cpu))
        #expect(!Winograd.applies(to: .zeros([16, 16, 3, 3]), .bfloat16, on: .cpu))
    }
}
