package import Foundation

/// All of a run that is no tensor: `state.json` of a checkpoint.
package struct TrainingState: Codable, Sendable, Equatable {
    /// Of this program.
    package var version = Product.version
    package var format = 1
    /// Steps done.
    package var step = 0
    /// The epoch of the next step, from 0.
    package var epoch = 0
    /// Steps done in it: with the seed all there is to the loader's position and to what is drawn.
    package var stepInEpoch = 0
    /// Samples of the epoch that all processes have visited, from which a run with another number of
    /// processes goes on. Nil in checkpoints from before there could be several.
    package var samplesInEpoch: Int?
    /// How many samples an epoch has; another number would be another order.
    package var sampleCount = 0
    /// What all random numbers come from.
    package var seed: UInt64 = 0
    /// Hash of the annotation file, in hexadecimal.
    package var annotations = ""
    /// The step that was validated last.
    package var validatedStep = 0
    package var best: Best?
    /// Sum and count of losses since the last checkpoint: the score of runs without masks.
    package var lossSum = 0.0
    package var lossCount = 0
    /// Places of annotations whose image could not be read.
    package var broken: Set<Int> = []
    /// Of the loss scaler.
    package var lossScale = 65536.0
    package var goodStepCount = 0

    package struct Best: Codable, Sendable, Equatable {
        package var step: Int
        package var metric: String
        package var value: Double
    }

    package init() {}

    /// The mean loss since the last checkpoint.
    package var meanLoss: Double? { lossCount > 0 ? lossSum / Double(lossCount) : nil }

    package func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        return try encoder.encode(self)
    }
}
