import Testing
import Torch

@Suite struct GeneratorTests {
    @Test("the numbers of a seed never change")
    func vectors() {
        var generator = Generator(seed: 0)
        #expect(generator.next() == 0xE220_A839_7B1D_CDAF)
        #expect(generator.next() == 0x6E78_9E6A_A1B9_65F4)
    }

    @Test("the state is all there is")
    func state() {
        var generator = Generator(seed: 5)
        _ = generator.normal()
        var copy = Generator(seed: 0)
        copy.state = generator.state
        #expect(copy.normal() == generator.normal())
    }

    @Test("normal numbers have mean 0 and variance 1, unit ones mean one half")
    func moments() {
        var generator = Generator(seed: 1)
        let normal = (0..<20_000).map { _ in generator.normal() }
        let mean = normal.reduce(0, +) / 20_000
        let variance = normal.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / 20_000
        #expect(abs(mean) < 0.03)
        #expect(abs(variance - 1) < 0.05)
        let unit = (0..<20_000).map { _ in generator.unit() }
        #expect(unit.allSatisfy { (0..<1).contains($0) })
        #expect(abs(unit.reduce(0, +) / 20_000 - 0.5) < 0.01)
    }
}
