public import Specs

/// What a training run tells the outside while it runs. The console and the tests are closures over
/// these.
public enum TrainEvent: Sendable, Equatable {
    /// Notes, warnings, and the progress of validation.
    case run(RunEvent)
    case step(TrainingProgress)
    case validation(ValidationScores)
    /// A checkpoint is complete, in the folder `path`.
    case checkpoint(path: String, step: Int)
}

public typealias TrainEventHandler = @Sendable (TrainEvent) -> Void

/// Where a run is after a step.
public struct TrainingProgress: Sendable, Equatable {
    /// Steps done, counted over the whole run.
    public var step: Int
    public var stepCount: Int
    /// The epoch of the step, from 0.
    public var epoch: Int
    /// The epochs that the run begins.
    public var epochCount: Int
    public var loss: Double
    public var lossMIL: Double
    public var lossCRF: Double
    /// 0 without composites.
    public var lossComposite: Double
    /// 0 without true masks.
    public var lossMask: Double
    /// What the step used.
    public var learningRate: Double
    /// Loss scaling found an overflow and left the weights alone (SPEC §7).
    public var isSkipped: Bool
    /// Objects in the step.
    public var boxCount: Int
    public var seconds: Double
    /// Means over the last steps.
    public var secondsPerStep: Double
    public var boxesPerSecond: Double
    public var secondsLeft: Double
    /// Memory of the process, in bytes.
    public var memory: Int
}

/// What validation found.
public struct ValidationScores: Sendable, Equatable {
    public var step: Int
    public var epoch: Int
    /// TAO's names: mIoU, mIoU_small, …
    public var scores: [Score]

    public struct Score: Sendable, Equatable {
        public var name: String
        /// Nil without objects of that kind.
        public var value: Double?

        public init(name: String, value: Double?) {
            self.name = name
            self.value = value
        }
    }

    public init(step: Int, epoch: Int, scores: [Score]) {
        self.step = step
        self.epoch = epoch
        self.scores = scores
    }

    /// The number that the best checkpoint has most of.
    public var meanIoU: Double? { scores.first { $0.name == "mIoU" }?.value }
}

/// How a run ended.
public struct TrainingSummary: Sendable {
    public let directory: String
    public let stepCount: Int
    public let seconds: Double
    /// The newest checkpoint.
    public let checkpoint: String
    /// The best one, and by what.
    public let best: (path: String, metric: String, value: Double)?
    public let brokenCount: Int
    /// There was nothing left to do.
    public let wasDone: Bool

    /// For the terminal.
    public var text: String {
        let before = wasDone ? "done already: " : ""
        var lines = ["\(before)\(stepCount) steps done, newest checkpoint \(checkpoint)"]
        if let best {
            let value = (best.value * 10_000).rounded() / 10_000
            lines.append("best: \(best.path) (\(best.metric) \(value))")
        }
        if brokenCount > 0 { lines.append("\(brokenCount) boxes had an image that can't be read") }
        // The lowest loss may be chance: it does not say where the masks are best.
        let advised = best.flatMap { $0.metric == "loss" ? nil : $0.path } ?? checkpoint
        lines.append(
            "label with it: mal label IMAGES --boxes BOXES --out OUT --checkpoint \(advised)")
        return lines.joined(separator: "\n")
    }
}
