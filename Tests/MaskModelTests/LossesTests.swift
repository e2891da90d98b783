import MaskModel
import TestSupport
import Testing
import Torch

@Suite struct LossesTests {
    @Test("dice and multiple-instance losses are the reference's")
    func fixtures() throws {
        let file = try tensorFixture("loss_mil_dice.safetensors")
        let pred = try #require(file["pred"])
        let target = try #require(file["target"])
        expectClose(diceLoss(pred, target), file["dice"], tolerance: 1e-5)
        expectClose(multipleInstanceLoss(pred, target), file["mil"], tolerance: 1e-5)
    }

    @Test("of equal values in a line one alone gets the gradient")
    func ties() throws {
        let pred = Tensor.full([1, 4, 4], 0.5)
        pred.requiresGradient = true
        multipleInstanceLoss(pred, .ones([1, 4, 4])).sum().backward()
        let gradient = try #require(pred.gradient).floats()
        // The first of each row and of each column; the corner is both.
        let touched = (0..<16).filter { gradient[$0] != 0 }
        #expect(touched == [0, 1, 2, 3, 4, 8, 12])
        #expect(abs(gradient[0] - 2 * gradient[1]) < 1e-6)
    }

    @Test("a known mask pulls up inside it, down in the rest of the box, and nowhere else")
    func knownMask() throws {
        let mask = Tensor([1, 1, 0, 0, 1, 0, 0, 0, 0], [1, 3, 3])
        let box = Tensor([1, 1, 0, 1, 1, 0, 0, 0, 0], [1, 3, 3])
        let probabilities = Tensor.full([1, 3, 3], 0.5)
        probabilities.requiresGradient = true
        maskLoss(probabilities, mask, box: box).sum().backward()
        let gradient = try #require(probabilities.gradient).floats()
        #expect(gradient.map { $0 < 0 ? -1 : $0 > 0 ? 1 : 0 } == [-1, -1, 0, 1, -1, 0, 0, 0, 0])
        #expect(maskLoss(mask, mask, box: box).item() < 1e-3)
        // Certain of the opposite: a cross-entropy of log 10,000, a Dice of 1.
        let wrong = maskLoss(box - mask * box, mask, box: box).item()
        #expect(abs(wrong - 10.2103) < 1e-2)
    }

    @Test("an empty target costs one and pulls nowhere but down")
    func empty() {
        expectClose(diceLoss(.ones([2, 3, 3]), .zeros([2, 3, 3])), .ones([2]), tolerance: 0)
    }
}
