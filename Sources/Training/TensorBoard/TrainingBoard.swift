import Foundation
package import Imaging
import Specs

/// What TensorBoard shows of a run: `tensorboard --logdir FOLDER`.
package struct TrainingBoard {
    private let file: EventFile

    /// - Parameter step: steps done. TensorBoard drops what an event file of before, broken off, has
    ///   of later steps.
    package init(directory: String, resumingAt step: Int) throws {
        file = try EventFile(directory: directory)
        var start = ProtobufMessage()
        start.add(1, integer: 1)
        try file.write(.sessionLog, start, step: step + 1)
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
        var summary = ProtobufMessage()
        for (tag, number) in scalars {
            var value = ProtobufMessage()
            value.add(1, ProtobufMessage(tag.utf8))
            value.add(2, float: Float(number))
            summary.add(1, value)
        }
        try file.write(.summary, summary, step: step)
    }

    package func write(_ picture: RGBImage, tag: String, step: Int) throws {
        var (summary, value, image) = (ProtobufMessage(), ProtobufMessage(), ProtobufMessage())
        image.add(1, integer: picture.size.height)
        image.add(2, integer: picture.size.width)
        // Of red, green and blue.
        image.add(3, integer: 3)
        image.add(4, ProtobufMessage(try ImageCodec.encodePNG(picture)))
        value.add(1, ProtobufMessage(tag.utf8))
        value.add(4, image)
        summary.add(1, value)
        try file.write(.summary, summary, step: step)
    }
}
