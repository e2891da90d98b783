import TestSupport
import Testing
import Torch

@Suite struct BatchNormTests {
    private func made() -> (norm: BatchNorm, x: Tensor) {
        let norm = BatchNorm(ParameterStore(seed: 1).root, channels: 3)
        norm.weight.copy(from: Tensor([1, 2, 3], [3]))
        norm.bias.copy(from: Tensor([-1, 0, 1], [3]))
        var generator = Generator(seed: 2)
        return (norm, .drawn([2, 3, 4, 5]) { 3 * generator.normal() + 1 })
    }

    /// (x − mean) / √(variance + ε) · weight + bias
    private func expected(_ norm: BatchNorm, _ x: Tensor, mean: Tensor, variance: Tensor) -> Tensor
    {
        func column(_ values: Tensor) -> Tensor { values.reshaped(1, 3, 1, 1) }
        return (x - column(mean)) / column((variance + 1e-5).sqrt()) * column(norm.weight)
            + column(norm.bias)
    }

    @Test("a batch is normalised by its own statistics, and moves the running ones by a tenth")
    func training() {
        let (norm, x) = made()
        let values = x.permuted(1, 0, 2, 3).flattened(from: 1)  // (3, 40)
        let mean = values.mean(1)
        let variance = (values - mean.unsqueezed(1)).squared().mean(1)
        let result = expected(norm, x, mean: mean, variance: variance)
        expectClose(norm(x, .repeatedBatch), result)
        expectClose(norm.runningMean, .zeros([3]), tolerance: 0)
        expectClose(norm(x, .batch), result)
        expectClose(norm.runningMean, mean * 0.1)
        expectClose(norm.runningVariance, variance * (0.1 * 40 / 39) + 0.9)
        #expect(norm.batchCount.integers() == [1])
    }

    @Test("inference takes the running statistics and leaves them")
    func inference() {
        let (norm, x) = made()
        _ = norm(x, .batch)
        let (mean, variance) = (norm.runningMean.cloned(), norm.runningVariance.cloned())
        expectClose(
            norm(x, .running), expected(norm, x, mean: mean, variance: variance))
        expectClose(norm.runningMean, mean, tolerance: 0)
        #expect(norm.batchCount.integers() == [1])
    }

    @Test("half precision is normalised in float32", arguments: [DType.bfloat16, .float16])
    func halfPrecision(_ dtype: DType) {
        let (norm, x) = made()
        let half = x.to(dtype)
        let result = autocast(dtype, on: .cpu) { norm(half, .repeatedBatch) }
        #expect(result.dtype == .float32)
        expectClose(result, norm(half.to(.float32), .repeatedBatch), tolerance: 0)
    }
}
