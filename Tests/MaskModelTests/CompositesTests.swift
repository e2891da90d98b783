import MaskModel
import Testing
import Torch

/// Crops of 8 × 8 pixels, each of one colour; the box is the middle 4 × 4, all of which is the object.
@Suite struct CompositesTests {
    let image = Tensor.concatenated(
        (0..<3).map { Tensor.full([1, 3, 8, 8], Double($0 + 1)) })
    let mask: Tensor

    init() {
        let row: [Float] = [0, 0, 1, 1, 1, 1, 0, 0]
        mask = Tensor(row.flatMap { y in row.map { y * $0 } }, [1, 1, 8, 8]).expanded(3, 1, 8, 8)
    }

    private func made(
        _ composites: Composites, probability: Double = 0.95, seed: UInt64 = 1
    ) -> Composites.Batch {
        var generator = Generator(seed: seed)
        return composites(
            image: image, probabilities: mask.selecting(1, 0) * probability, mask: mask,
            using: &generator)
    }

    @Test("an object keeps its place and mask on another ground")
    func onGround() {
        var composites = Composites()
        composites.groundShare = 1
        let batch = made(composites)
        let object = mask.selecting(1, 0)
        #expect(batch.target.floats() == object.floats())
        #expect(batch.weight.floats().allSatisfy { $0 > 0.99 })
        for index in 0..<3 {
            let own = image.rows([index]), picture = batch.image.rows([index])
            let inside = (picture - own).abs() * mask.rows([index])
            #expect(inside.amax().item() < 1e-5)
            // One other crop, and the same everywhere.
            let ground = (picture * (1 - mask.rows([index]))).floats().filter { $0 != 0 }
            #expect(Set(ground).count == 1 && ground[0] != Float(index + 1))
        }
    }

    @Test("what hides an object is taken from its mask")
    func behind() {
        var composites = Composites()
        composites.groundShare = 0
        composites.looseness = 100
        var hidesSomething = false
        for seed in 1...20 as ClosedRange<UInt64> {
            let batch = made(composites, seed: seed)
            let target = batch.target.floats(), whole = mask.selecting(1, 0).floats()
            let kept = (batch.image.selecting(1, 0) - image.selecting(1, 0)).abs().floats()
            for (place, value) in target.enumerated() {
                #expect(value <= whole[place])
                // Colours differ by 1 or 2; half of that is another object's pixel.
                guard whole[place] == 1 else { continue }
                #expect(value == 1 ? kept[place] <= 1.01 : kept[place] >= 0.49)
            }
            hidesSomething = hidesSomething || target != whole
        }
        #expect(hidesSomething)
    }

    @Test(
        "an object that the teacher is not sure of, or that leaves its box's sides free, does not count"
    )
    func weights() {
        let composites = Composites()
        #expect(made(composites, probability: 0.6).weight.floats() == [0, 0, 0])
        var generator = Generator(seed: 1)
        let half = mask.selecting(1, 0) * 0.95 * Tensor((0..<8).map { $0 < 3 ? 1 : 0 }, [8])
        let batch = composites(
            image: image, probabilities: half, mask: mask, using: &generator)
        #expect(batch.weight.floats() == [0, 0, 0])
    }

    @Test("the loss is nothing for the truth, and more the more is wrong")
    func loss() {
        var composites = Composites()
        composites.groundShare = 1
        let batch = made(composites), box = mask.selecting(1, 0)
        let losses = [1.0, 0.7, 0.2].map {
            composites.loss(box * $0, batch, box: box).sum().item()
        }
        #expect(losses[0] < 1e-2 && losses[0] < losses[1] && losses[1] < losses[2])
    }
}
