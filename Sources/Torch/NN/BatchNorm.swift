/// Which mean and variance a ``BatchNorm`` normalises with.
public enum BatchStatistics: Sendable, Equatable {
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
public struct BatchNorm {
    public let weight: Tensor
    public let bias: Tensor
    public let runningMean: Tensor
    public let runningVariance: Tensor
    public let batchCount: Tensor
    public let epsilon: Double
    /// The share of a batch in the running statistics.
    public let momentum: Double

    public init(
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
    public func callAsFunction(_ x: Tensor, _ statistics: BatchStatistics) -> Tensor {
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
