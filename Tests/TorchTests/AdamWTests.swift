#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif
import TestSupport
import Testing
import Torch

@Suite struct AdamWTests {
    let configuration = AdamW.Configuration(betas: [0.9, 0.8], epsilon: 1e-8, weightDecay: 0.1)

    /// The published rule for one number.
    private func expected(_ start: Double, gradients: [Double], rate: Double, decay: Double)
        -> Double
    {
        var (value, mean, square) = (start, 0.0, 0.0)
        for (index, gradient) in gradients.enumerated() {
            let step = Double(index + 1)
            value *= 1 - rate * decay
            mean = 0.9 * mean + 0.1 * gradient
            square = 0.8 * square + 0.2 * gradient * gradient
            let root = (square / (1 - pow(0.8, step))).squareRoot()
            value -= rate * (mean / (1 - pow(0.9, step))) / (root + 1e-8)
        }
        return value
    }

    private func leaf(_ values: [Float]) -> Tensor {
        let tensor = Tensor(values, [values.count])
        tensor.requiresGradient = true
        return tensor
    }

    @Test("moves as the published rule, with decay and without")
    func rule() {
        let (a, b) = (leaf([1, -2]), leaf([0.5]))
        let optimizer = AdamW(
            [("a", a), ("b", b)], learningRate: 0.01, configuration,
            isDecayed: { name, _ in name != "b" })
        for gradient in [0.3, -0.2, 0.7] as [Float] {
            a.gradient = Tensor([gradient, 2 * gradient], [2])
            b.gradient = Tensor([gradient], [1])
            optimizer.step()
        }
        let gradients = [0.3, -0.2, 0.7]
        let values = a.floats() + b.floats()
        let rule = [
            expected(1, gradients: gradients, rate: 0.01, decay: 0.1),
            expected(-2, gradients: gradients.map { 2 * $0 }, rate: 0.01, decay: 0.1),
            expected(0.5, gradients: gradients, rate: 0.01, decay: 0),
        ]
        for (value, rule) in zip(values, rule) { #expect(abs(Double(value) - rule) < 1e-6) }
    }

    @Test("a step that a tensor forbids changes nothing, and does not count")
    func skipped() {
        func moved(_ forbidden: Set<Int>) -> (values: [Float], state: [[Float]]) {
            let a = leaf([1, -2])
            let optimizer = AdamW([("a", a)], learningRate: 0.01, configuration)
            for (index, gradient) in [0.3, -0.2, 0.7].enumerated() {
                a.gradient = Tensor([Float(gradient), .nan], [2])
                if !forbidden.contains(index) { a.gradient = Tensor([Float(gradient), 1], [2]) }
                optimizer.step(unless: .full([], forbidden.contains(index) ? 1 : 0))
            }
            return (a.floats(), optimizer.exportState().map { $0.tensor.floats() })
        }
        let a = leaf([1, -2])
        let optimizer = AdamW([("a", a)], learningRate: 0.01, configuration)
        for gradient in [0.3, 0.7] as [Float] {
            a.gradient = Tensor([gradient, 1], [2])
            optimizer.step()
        }
        let (values, state) = moved([1])
        #expect(values == a.floats())
        #expect(state == optimizer.exportState().map { $0.tensor.floats() })
        #expect(moved([0, 1, 2]).state == [[0, 0], [0, 0], [0]])
    }

    @Test("a parameter's rate is scaled by its factor")
    func rates() {
        let (a, b, c) = (leaf([1]), leaf([1]), leaf([1]))
        let scales = ["a": 1.0, "b": 0.5, "c": 0.0]
        let optimizer = AdamW(
            [("a", a), ("b", b), ("c", c)], learningRate: 0.01, configuration,
            rateScale: { scales[$0] ?? 1 })
        let gradients = [0.3, -0.2]
        for gradient in gradients {
            for tensor in [a, b, c] { tensor.gradient = Tensor([Float(gradient)], [1]) }
            optimizer.step()
        }
        for (tensor, rate) in [(a, 0.01), (b, 0.005), (c, 0)] {
            let rule = expected(1, gradients: gradients, rate: rate, decay: 0.1)
            #expect(abs(Double(tensor.item()) - rule) < 1e-6)
        }
    }

    @Test("a parameter without a gradient keeps its value and gets no state")
    func withoutGradient() {
        let (a, b) = (leaf([1]), leaf([2]))
        let optimizer = AdamW([("a", a), ("b", b)], learningRate: 0.1, configuration)
        a.gradient = Tensor([0], [1])
        optimizer.step()
        #expect(abs(a.item() - 0.99) < 1e-6)  // a gradient of zero still decays
        #expect(b.item() == 2)
        #expect(
            optimizer.exportState().map(\.name) == ["a.exp_avg", "a.exp_avg_sq", "a.step"])
        optimizer.clearGradients()
        #expect(optimizer.gradients.isEmpty)
    }

    @Test("with its state imported another optimizer goes on bit by bit")
    func goingOn() throws {
        func run(_ a: Tensor, _ optimizer: AdamW, _ gradients: [Float]) {
            for gradient in gradients {
                a.gradient = Tensor([gradient, -gradient], [2])
                optimizer.step()
            }
        }
        let whole = leaf([1, 2])
        run(whole, AdamW([("a", whole)], learningRate: 0.1, configuration), [1, 2, 3, 4])

        let first = leaf([1, 2])
        let before = AdamW([("a", first)], learningRate: 0.1, configuration)
        run(first, before, [1, 2])
        let saved = before.exportState().map { ($0.name, $0.tensor.cloned()) }
        let second = leaf(first.floats())
        let after = AdamW([("a", second)], learningRate: 0.1, configuration)
        try after.importState(Dictionary(uniqueKeysWithValues: saved))
        run(second, after, [3, 4])
        #expect(second.floats() == whole.floats())
    }

    @Test("state that does not fit is named and not taken")
    func wrongState() {
        let a = leaf([1, 2])
        let optimizer = AdamW([("a", a)], learningRate: 0.1, configuration)
        let mismatch = ParameterMismatch(
            missing: ["a.exp_avg"], unexpected: ["b.step"],
            misshaped: [.init(name: "a.exp_avg_sq", expected: [2], found: [3])])
        #expect(throws: TorchError.parameterMismatch(mismatch)) {
            try optimizer.importState([
                "a.step": .zeros([]), "b.step": .zeros([]), "a.exp_avg_sq": .zeros([3]),
            ])
        }
        #expect(optimizer.exportState().isEmpty)
    }
}
