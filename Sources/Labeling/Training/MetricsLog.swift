import Foundation
import Glibc

/// `metrics.jsonl`: one JSON object a step and one a validation, for plots and for reading later.
/// A resumed run goes on in it without a step twice.
package struct MetricsLog {
    package let path: String

    /// Cuts off what a broken-off run wrote after `step`, and half lines.
    package init(directory: String, resumingAt step: Int) throws(LabelingError) {
        path = directory + "/metrics.jsonl"
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw .fileSystem(path: path, action: "open", errno: errno) }
        defer { close(file) }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw .fileSystem(path: path, action: "read", errno: EIO)
        }
        let begin = Data("{\"step\": ".utf8)
        guard data.prefix(begin.count) == begin.prefix(data.count) else {
            throw .wrongUse("\(path): mal did not write what is there; move it away")
        }
        guard ftruncate(file, off_t(Self.keptByteCount(of: data, step: step))) == 0 else {
            throw .fileSystem(path: path, action: "truncate", errno: errno)
        }
    }

    /// The bytes of the lines up to `step`.
    static func keptByteCount(of data: Data, step: Int) -> Int {
        var kept = 0
        while let end = data[kept...].firstIndex(of: UInt8(ascii: "\n")) {
            let line = String(decoding: data[kept..<end], as: UTF8.self)
            guard line.hasPrefix("{\"step\": "),
                let number = Int(line.dropFirst(9).prefix { $0.isASCII && $0.isNumber }),
                number <= step
            else { break }
            kept = end + 1
        }
        return kept
    }

    package func write(_ progress: TrainingProgress) throws(LabelingError) {
        try write([
            ("step", "\(progress.step)"), ("epoch", "\(progress.epoch)"),
            ("loss", jsonNumber(progress.loss)), ("loss_mil", jsonNumber(progress.lossMIL)),
            ("loss_crf", jsonNumber(progress.lossCRF)),
            ("lr", jsonNumber(progress.learningRate)), ("boxes", "\(progress.boxCount)"),
            ("skipped", "\(progress.isSkipped)"),
            ("seconds", String(format: "%.3f", progress.seconds)),
            ("memory_mb", "\(progress.memory / 1_000_000)"),
        ])
    }

    package func write(_ scores: ValidationScores) throws(LabelingError) {
        try write(
            [("step", "\(scores.step)"), ("epoch", "\(scores.epoch)")]
                + scores.scores.map { ("val_\($0.name)", $0.value.map(jsonNumber) ?? "null") })
    }

    private func write(_ fields: [(name: String, value: String)]) throws(LabelingError) {
        try appendLine(
            "{" + fields.map { "\(jsonText($0.name)): \($0.value)" }.joined(separator: ", ") + "}",
            to: path)
    }
}
