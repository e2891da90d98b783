import MaskModel
import TestSupport
import Testing
import Torch

@Suite struct MeanFieldTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let file: String
        let field: MeanField
        var testDescription: String { file }
    }

    static let cases = [
        Case(file: "meanfield_k3_z0.1", field: MeanField()),
        Case(file: "meanfield_k3_z0.1_c128", field: MeanField()),
        Case(file: "meanfield_k3_z0.5", field: MeanField(zeta: 0.5)),
        Case(file: "meanfield_k5_z0.1", field: MeanField(kernelSize: 5)),
    ]

    /// Probabilities within 1e-4, and masks equal wherever the probability is not about one half.
    private func compare(
        _ field: MeanField, _ image: Tensor, _ seg: Tensor, _ mask: Tensor?,
        _ expected: Tensor, refined: Tensor?, _ what: String
    ) {
        let probabilities = field.refine(image: image, probabilities: seg, mask: mask)
        let near = (expected - 0.5).abs().floats()
        let off = (probabilities - expected).abs().floats()
        #expect(zip(near, off).allSatisfy { $0 < 1e-3 || $1 <= 1e-4 }, "\(what)")
        guard let refined else { return }
        let made = field(image: image, probabilities: seg, mask: mask).floats()
        let same = zip(zip(made, refined.floats()), near).allSatisfy { $0.0 == $0.1 || $1 < 1e-3 }
        #expect(same, "\(what)")
    }

    @Test("affinities, probabilities and masks are the reference's", arguments: cases)
    func fixtures(test: Case) throws {
        let file = try tensorFixture(test.file + ".safetensors")
        let image = try #require(file["image"])
        let seg = try #require(file["seg"])
        let mask = try #require(file["mask"])
        expectClose(test.field.affinities(of: image), file["kernel"], tolerance: 1e-5)
        for count in [1, 2, 10, 100] {
            var field = test.field
            field.iterationCount = count
            compare(
                field, image, seg, mask, try #require(file["prob_\(count)"]),
                refined: file["refined_\(count)"], "\(count) updates")
        }
        var field = test.field
        field.iterationCount = 10
        let free = field(image: image, probabilities: seg)
        expectClose(free, file["refined_10_no_targets"], tolerance: 0, "without a mask")
    }

    @Test(
        "vectorised updates are those by tensors",
        arguments: [(1, 5, 7), (3, 16, 16), (1, 33, 47), (5, 40, 17), (2, 1, 1), (1, 64, 130)])
    func vectorized(batch: Int, height: Int, width: Int) {
        var generator = Generator(seed: UInt64(height * 1000 + width))
        func random(_ shape: [Int]) -> Tensor {
            let count = shape.reduce(1, *)
            return Tensor(
                (0..<count).map { _ in Float.random(in: 0...1, using: &generator) }, shape)
        }
        // Patches of a colour, so that affinities are of all sizes.
        let image = random([batch, 3, height, width]) * 0.3
        let seg = random([batch, height, width])
        var box = Tensor.zeros([batch, height, width])
        box.narrowed(1, height / 4..<height - height / 5).narrowed(2, width / 3..<width).add(0.7)
        for mask in [box, nil] {
            for (zeta, count) in [(0.1, 1), (0.1, 3), (0.5, 20)] {
                let field = MeanField(zeta: zeta, iterationCount: count)
                let fast = field.refine(image: image, probabilities: seg, mask: mask)
                let slow = field.refineByTensors(image: image, probabilities: seg, mask: mask)
                expectClose(fast, slow, tolerance: 1e-4)
            }
        }
        box = Tensor.zeros([batch, height, width])
        let none = MeanField().refine(image: image, probabilities: seg, mask: box)
        expectClose(none, .full([batch, height, width], 0.1), tolerance: 0)
    }

    @Test("the number of threads does not change a mean field")
    func threads() {
        var generator = Generator(seed: 3)
        let image = Tensor(
            (0..<3 * 50 * 60).map { _ in Float.random(in: 0...0.3, using: &generator) },
            [1, 3, 50, 60])
        let seg = image.selecting(1, 0) * 3
        let made = [1, 2, 5].map { count in
            MeanField().refineVectorized(
                image: image, probabilities: seg, mask: nil, threads: count
            ).floats()
        }
        #expect(made[0] == made[1] && made[0] == made[2])
    }

    @Test("an even image of one half drifts to background")
    func uniform() throws {
        let file = try tensorFixture("meanfield_uniform_half.safetensors")
        let image = Tensor.zeros([1, 3, 6, 6])
        expectClose(MeanField().affinities(of: image), file["kernel"], tolerance: 1e-6)
        for count in [1, 2, 10, 100] {
            let made = MeanField(iterationCount: count).refine(
                image: image, probabilities: .full([1, 6, 6], 0.5), mask: .ones([1, 6, 6]))
            expectClose(made, file["prob_\(count)"], tolerance: 1e-4, "\(count) updates")
        }
    }

    @Test("the first step of the small network is the reference's")
    func trainingInternals() throws {
        let file = try tensorFixture("train_micro_crf_internals.safetensors")
        let image = try #require(file["image"])
        let mask = try #require(file["mask"])
        let student = try #require(file["student_sig"])
        let seg = (student + (try #require(file["teacher_sig"]))) / 2
        expectClose(MeanField().affinities(of: image), file["kernel"], tolerance: 1e-5)
        for count in [1, 10, 100] {
            compare(
                MeanField(iterationCount: count), image, seg, mask,
                try #require(file["prob_\(count)"]), refined: nil, "\(count) updates")
        }
        let target = MeanField()(image: image, probabilities: seg, mask: mask)
        expectClose(target, file["refined"], tolerance: 0)
        let loss = diceLoss(student, target).mean().reshaped(1)
        expectClose(loss, file["loss_crf"], tolerance: 1e-5)
        expectClose(multipleInstanceLoss(student, mask), file["loss_mil"], tolerance: 1e-5)
    }

    @Test("a mask stays inside its box")
    func insideBox() {
        var generator = Generator(seed: 5)
        let image = Tensor.drawn([2, 3, 20, 24]) { generator.normal() }
        let seg = Tensor.drawn([2, 20, 24]) { generator.unit() }
        let box = Tensor.zeros([2, 20, 24])
        box.narrowed(1, 3..<12).narrowed(2, 4..<20).copy(from: .ones([2, 9, 16]))
        let mask = MeanField(iterationCount: 20)(image: image, probabilities: seg, mask: box)
        #expect((mask * (1 - box)).sum().item() == 0)
    }

    @Test("images that are not square work too, and nothing has a gradient")
    func notSquare() {
        let seg = Tensor.full([1, 5, 9], 0.8)
        seg.requiresGradient = true
        let mask = MeanField()(image: .zeros([1, 3, 5, 9]), probabilities: seg)
        #expect(!mask.requiresGradient)
        #expect(mask.floats().allSatisfy { $0 == 1 })
    }
}
