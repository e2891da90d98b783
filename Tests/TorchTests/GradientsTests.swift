import TestSupport
import Testing
import Torch

@Suite struct GradientsTests {
    @Test("the norm goes over all tensors, and clipping brings it to the limit")
    func clipping() {
        let gradients = [Tensor([3, 0], [2]), Tensor([-4], [1, 1])]
        let length = norm(of: gradients)
        #expect(abs(length.item() - 5) < 1e-6)
        clip(gradients, norm: length, to: 10)
        #expect(gradients[0].floats() == [3, 0])
        clip(gradients, norm: length, to: 1)
        #expect(abs(norm(ofAll: gradients) - 1) < 1e-5)
        #expect(norm(ofAll: []) == 0)
    }

    @Test("a norm with an infinity in it is not finite")
    func infinite() {
        #expect(!norm(ofAll: [Tensor([1, .infinity], [2])]).isFinite)
        #expect(norm(ofAll: [Tensor([1, .nan], [2])]).isNaN)
    }

    @Test("moving goes the given share of the way")
    func moving() {
        let (target, source) = (Tensor([1, 2], [2]), Tensor([2, 0], [2]))
        move([target], toward: [source], by: 0.25)
        expectClose(target, Tensor([1.25, 1.5], [2]), tolerance: 1e-6)
        move([target], toward: [source], by: 0)
        expectClose(target, Tensor([1.25, 1.5], [2]), tolerance: 0)
        move([target], toward: [source], by: 1)
        #expect(target.floats() == source.floats())
    }
}

@Suite struct LossScalerTests {
    @Test("halves on overflow and doubles after enough good steps")
    func scale() {
        var scaler = LossScaler(growthInterval: 2)
        #expect(scaler.scale == 65536)
        scaler.update(overflowed: true)
        #expect(scaler == LossScaler(scale: 32768, growthInterval: 2))
        scaler.update(overflowed: false)
        scaler.update(overflowed: true)
        scaler.update(overflowed: false)
        #expect(scaler == LossScaler(scale: 16384, goodStepCount: 1, growthInterval: 2))
        scaler.update(overflowed: false)
        #expect(scaler == LossScaler(scale: 32768, growthInterval: 2))
    }

    @Test("the scale stays a float32 number")
    func largest() {
        var scaler = LossScaler(scale: 0x1p127, growthInterval: 1)
        scaler.update(overflowed: false)
        #expect(scaler.scale == 0x1p127)
    }

    @Test("gradients are divided in place, and an overflow is seen")
    func unscaling() {
        let scaler = LossScaler(scale: 4)
        let gradients = [Tensor([4, 8], [2]), Tensor([-2], [1])]
        #expect(scaler.unscale(gradients).item() == 0)
        #expect(gradients.flatMap { $0.floats() } == [1, 2, -0.5])
        #expect(scaler.unscale([Tensor([1, .infinity], [2])]).item() == 1)
        #expect(scaler.unscale([Tensor([.nan], [1]), Tensor([1], [1])]).item() == 1)
        #expect(scaler.unscale([]).item() == 0)
    }
}
