/// Which mean and variance a ``BatchNorm`` normalises with.
package enum BatchStatistics: Sendable, Equatable {
    /// The running ones: inference.
    case running
    /// The batch's, which also move the running ones: training.
    case batch
    /// The batch's, and the running ones stay: a step's forward pass made once more.
    case repeatedBatch
}

/// Normalises each channel over the batch and all positions, in float32 (Ioffe & Szegedy 2015).
///
/// Parameters `weight` and `bias`; buffers `running_mean`, `running_var` and `num_batches_tracked`,
/// which only counts.
package struct BatchNorm {
    package let weight: Tensor
    package let bias: Tensor
    package let runningMean: Tensor
    package let runningVariance: Tensor
    package let batchCount: Tensor
    package let epsilon: Double
    /// The share of a batch in the running statistics.
    package let momentum: Double

    package init(
        _ scope: ParameterScope, channels: Int, epsilon: Double = 1e-5, momentum: Double = 0.1
    ) {
        weight = scope.parameter("weight", [channels], .ones)
        bias = scope.parameter("bias", [channels], .zeros)
        runningMean = scope.buffer("running_mean", [channels], .zeros)
        runningVariance = scope.buffer("running_var", [channels], .ones)
        batchCount = scope.buffer("num_batches_tracked", [], .zeros, .int64)
        self.epsilon = epsilon
        self.momentum = momentum
    }

    /// - Parameter x: (B, channels, H, W)
    package func callAsFunction(_ x: Tensor, _ statistics: BatchStatistics) -> Tensor {
        if statistics == .batch {
            _ = call(ops.addInPlaceScalar, .tensor(batchCount), .int(1))
        }
        let keepsRunning = statistics == .repeatedBatch
        return call(
            ops.batchNorm, .tensor(x.to(.float32)), .tensor(weight), .tensor(bias),
            keepsRunning ? .none : .tensor(runningMean),
            keepsRunning ? .none : .tensor(runningVariance), .bool(statistics != .running),
            .double(momentum), .double(epsilon), .bool(true)
        ) { x.shape }
    }
}
