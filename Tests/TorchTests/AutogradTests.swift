import Testing
import Torch

@Suite struct AutogradTests {
    @Test("the gradient of a sum of squares is twice the value, and adds up")
    func gradient() {
        let x = Tensor([1, 2, 3], [3])
        #expect(x.gradient == nil)
        x.requiresGradient = true
        x.squared().sum().backward()
        #expect(x.gradient?.floats() == [2, 4, 6])
        x.squared().sum().backward()
        #expect(x.gradient?.floats() == [4, 8, 12])
        x.gradient = nil
        #expect(x.gradient == nil)
        x.gradient = .ones([3])
        #expect(x.gradient?.floats() == [1, 1, 1])
    }

    @Test("nothing is recorded without gradients, and the mode comes back")
    func withoutRecording() {
        let x = Tensor.ones([2])
        x.requiresGradient = true
        #expect((x + x).requiresGradient)
        withoutGradients {
            #expect(!gradientsAreRecorded)
            #expect(!(x + x).requiresGradient)
        }
        #expect(gradientsAreRecorded)
        #expect(!x.detached().requiresGradient)
        #expect(x.squared().floats() == [1, 1])
    }

    @Test("autocast multiplies in the type asked for, and nests")
    func casting() {
        let x = Tensor.ones([4, 4])
        autocast(.bfloat16, on: .cpu) {
            #expect(x.matmul(x).dtype == .bfloat16)
            autocast(.float32, on: .cpu) { #expect(x.matmul(x).dtype == .float32) }
            autocast(.float16, on: .cpu) { #expect(x.matmul(x).dtype == .float16) }
            #expect(x.matmul(x).dtype == .bfloat16)
        }
        #expect(x.matmul(x).dtype == .float32)
    }

    @Test("writing in place counts up the version")
    func versions() {
        let x = Tensor.ones([2])
        let before = x.version
        withoutGradients { _ = x.add(x) }
        #expect(x.version > before)
    }
}
