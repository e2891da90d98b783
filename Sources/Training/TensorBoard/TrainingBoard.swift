import Foundation
package import Imaging
import Specs
import SwiftProtobuf

/// What TensorBoard shows of a run: `tensorboard --logdir FOLDER`.
package struct TrainingBoard {
    private let file: EventFile

    /// - Parameter step: steps done. TensorBoard drops what an event file of before, broken off, has
    ///   of later steps.
    package init(directory: String, resumingAt step: Int) throws {
        file = try EventFile(directory: directory)
        var event = Mal_Tensorboard_Event()
        event.sessionLog.status = .start
        try file.write(&event, step: step + 1)
    }

    package var path: String { file.path }

    package func write(_ progress: TrainingProgress) throws {
        try write(
            [
                ("train/loss", progress.loss), ("train/loss_mil", progress.lossMIL),
                ("train/loss_crf", progress.lossCRF), ("lr", progress.learningRate),
                ("time/seconds_per_step", progress.seconds),
                ("time/memory_gb", Double(progress.memory) / 1e9),
            ], step: progress.step)
    }

    package func write(_ scores: ValidationScores) throws {
        try write(
            scores.scores.compactMap { score in
                score.value.map { ("val/" + score.name, $0) }
            }, step: scores.step)
    }

    private func write(_ scalars: [(String, Double)], step: Int) throws {
        var event = Mal_Tensorboard_Event()
        event.summary.value = scalars.map { tag, number in
            var value = Mal_Tensorboard_Summary.Value()
            value.tag = tag
            value.simpleValue = Float(number)
            return value
        }
        try file.write(&event, step: step)
    }

    package func write(_ picture: RGBImage, tag: String, step: Int) throws {
        var value = Mal_Tensorboard_Summary.Value()
        value.tag = tag
        value.image.height = Int32(clamping: picture.size.height)
        value.image.width = Int32(clamping: picture.size.width)
        value.image.colorspace = 3
        value.image.encodedImageString = Data(try ImageCodec.encodePNG(picture))
        var event = Mal_Tensorboard_Event()
        event.summary.value = [value]
        try file.write(&event, step: step)
    }
}
