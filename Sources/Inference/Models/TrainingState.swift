import Files
package import Foundation
import Specs

/// All of a run that is no tensor: `state.json` of a checkpoint.
package struct TrainingState: Codable, Sendable, Equatable {
    /// Of this program.
    package var version = Product.version
    /// 1 had no checksums and no environment.
    package var format = Self.currentFormat
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
    /// Hashes of what else the run reads, by what it is; nil in checkpoints from before they were kept.
    package var sources: [String: String]?
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
    /// What computed, by name; see ``RunFingerprint``. Weights differ in their last bits where it does.
    package var environment: [String: String]?
    /// ``ContentHash`` of the other files of the checkpoint, by name.
    package var checksums: [String: String]?
    /// The same of this file, with zeros in this place.
    package var checksum: String?

    package static let currentFormat = 2
    private static let noChecksum = String(repeating: "0", count: 16)

    package struct Best: Codable, Sendable, Equatable {
        package var step: Int
        package var metric: String
        package var value: Double

        package init(step: Int, metric: String, value: Double) {
            self.step = step
            self.metric = metric
            self.value = value
        }
    }

    package init() {}

    /// The mean loss since the last checkpoint.
    package var meanLoss: Double? { lossCount > 0 ? lossSum / Double(lossCount) : nil }

    /// The file's bytes, with their checksum.
    package func json() throws -> Data {
        var state = self
        state.format = Self.currentFormat
        state.checksum = Self.noChecksum
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        let text = String(decoding: try encoder.encode(state), as: UTF8.self)
        let hash = ContentHash.text(ContentHash.hash(Array(text.utf8)))
        return Data(
            text.replacing(Self.place(of: Self.noChecksum), with: Self.place(of: hash)).utf8)
    }

    /// - Returns: why `json`, of which this was read, is not what was written; nil if it is.
    package func damage(of json: Data) -> String? {
        guard format > 1 else { return nil }
        guard let checksum else { return "it has no checksum" }
        let text = String(decoding: json, as: UTF8.self)
            .replacing(Self.place(of: checksum), with: Self.place(of: Self.noChecksum))
        let found = ContentHash.text(ContentHash.hash(Array(text.utf8)))
        return found == checksum ? nil : "its checksum is \(found), not \(checksum)"
    }

    /// As the encoder writes it.
    private static func place(of checksum: String) -> String { "\"checksum\" : \"\(checksum)\"" }
}
