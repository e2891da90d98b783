import Testing
import Training

@Suite struct EpochSamplerTests {
    @Test("an epoch visits every sample once", arguments: [0, 1, 2, 13, 1000])
    func permutation(count: Int) {
        let sampler = EpochSampler(seed: 1234, epoch: 3, count: count)
        #expect(sampler.order.sorted() == Array(0..<count))
        for batchSize in [1, 3, 7, 2000] {
            let batchCount = EpochSampler.batchCount(of: count, batchSize: batchSize)
            let positions = (0..<batchCount).flatMap {
                Array(sampler.positions(ofBatch: $0, batchSize: batchSize))
            }
            #expect(positions == Array(0..<count))
        }
        #expect(sampler.positions(ofBatch: 5000, batchSize: 7).isEmpty)
    }

    @Test("seed and epoch alone decide the order, and each changes it")
    func order() {
        let sampler = EpochSampler(seed: 7, epoch: 0, count: 50)
        #expect(sampler == EpochSampler(seed: 7, epoch: 0, count: 50))
        #expect(sampler.order != EpochSampler(seed: 8, epoch: 0, count: 50).order)
        #expect(sampler.order != EpochSampler(seed: 7, epoch: 1, count: 50).order)
        #expect(sampler.order != Array(0..<50))
    }

    /// Worked out in Python from the description of SplitMix64.
    @Test("the order of a seed stays as it is from version to version")
    func frozen() {
        #expect(EpochSampler(seed: 1234, epoch: 0, count: 8).order == [4, 3, 1, 5, 7, 6, 2, 0])
    }

    @Test("every sample comes at every place equally often")
    func even() {
        var places = [Int](repeating: 0, count: 10)
        for epoch in 0..<5000 {
            let order = EpochSampler(seed: 1, epoch: epoch, count: 10).order
            places[order.firstIndex(of: 4) ?? 0] += 1
        }
        #expect(places.allSatisfy { (400...600).contains($0) })
    }
}
