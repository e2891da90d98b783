import Testing
import Torch

@Suite struct DropPathTests {
    @Test("factors are 0 or 1/(1 - rate), with mean 1")
    func factors() throws {
        var generator = Generator(seed: 3)
        let factors = try #require(
            DropPath.factors(rate: 0.2, batch: 10_000, device: .cpu, using: &generator))
        #expect(factors.shape == [10_000, 1, 1])
        let values = factors.floats()
        #expect(Set(values) == [0, 1.25])
        #expect(abs(values.reduce(0, +) / 10_000 - 1) < 0.02)
    }

    @Test("a rate of 0 draws nothing")
    func none() {
        var generator = Generator(seed: 3)
        #expect(
            DropPath.factors(rate: 0, batch: 2, device: .cpu, using: &generator) == nil)
        #expect(generator == Generator(seed: 3))
    }
}
