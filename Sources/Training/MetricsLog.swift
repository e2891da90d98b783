import Files
import Foundation
import Glibc
import Inference
package import Specs

/// `metrics.jsonl`: one JSON object a step and one a validation, for plots and for reading later.
/// A resumed run goes on in it without a step twice.
package struct MetricsLog {
    package let path: String

    /// Cuts off what a broken-off run wrote after `step`. Lines before that which are no more what was
    /// written go to `metrics.jsonl.damaged`, and are named.
    ///
    /// - Parameter isValidated: whether a validation of `step` itself is done; else it will come again.
    package init(
        directory: String, resumingAt step: Int, isValidated: Bool = true,
        onEvent: RunEventHandler = { _ in }
    ) throws {
        path = directory + "/metrics.jsonl"
        guard access(path, F_OK) == 0 else { return }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw FileError.fileSystem(path: path, action: "read", errno: EIO)
        }
        let lines = Self.sorted(data, step: step, isValidated: isValidated)
        guard lines.damaged.isEmpty || !lines.kept.isEmpty else {
            throw LabelingError.wrongUse("\(path): mal did not write what is there; move it away")
        }
        if !lines.damaged.isEmpty {
            let aside = path + ".damaged"
            for (_, text) in lines.damaged {
                try appendLine(String(decoding: text, as: UTF8.self), to: aside)
            }
            onEvent(
                .warning(
                    "\(path): damaged: line "
                        + listed(lines.damaged.map { "\($0.number)" })
                        + "; kept in \(aside), all other lines stay"))
        }
        if lines.kept.count != data.count { try writeWholeFile(lines.kept, to: path) }
    }

    /// The lines up to `step`, and those that are no line of this log, with their numbers.
    static func sorted(
        _ data: Data, step: Int, isValidated: Bool
    ) -> (kept: Data, damaged: [(number: Int, text: Data)]) {
        var kept = Data()
        var damaged: [(number: Int, text: Data)] = []
        // Beyond `step` while no line up to it has followed: else the step itself is damaged.
        var later: [(number: Int, text: Data)] = []
        var start = data.startIndex
        var number = 0
        // What follows the last line break was being written when the process died.
        while let end = data[start...].firstIndex(of: UInt8(ascii: "\n")) {
            let text = data[start..<end]
            number += 1
            start = end + 1
            guard let found = Self.step(of: text) else {
                damaged.append((number, text))
                continue
            }
            guard found.step <= step else {
                later.append((number, text))
                continue
            }
            damaged += later
            later = []
            if found.step == step, found.isValidation, !isValidated { continue }
            kept += text + [UInt8(ascii: "\n")]
        }
        return (kept, damaged)
    }

    private static func step(of line: Data) -> (step: Int, isValidation: Bool)? {
        guard let object = try? JSONSerialization.jsonObject(with: line) as? [String: Any],
            let step = object["step"] as? Int
        else { return nil }
        return (step, object.keys.contains { $0.hasPrefix("val_") })
    }

    package func write(_ progress: TrainingProgress) throws {
        let more = [
            ("loss_composite", progress.lossComposite), ("loss_mask", progress.lossMask),
        ].filter { $0.1 != 0 }.map { ($0.0, jsonNumber($0.1)) }
        try write(
            [
                ("step", "\(progress.step)"), ("epoch", "\(progress.epoch)"),
                ("loss", jsonNumber(progress.loss)), ("loss_mil", jsonNumber(progress.lossMIL)),
                ("loss_crf", jsonNumber(progress.lossCRF)),
            ] + more + [
                ("lr", jsonNumber(progress.learningRate)), ("boxes", "\(progress.boxCount)"),
                ("skipped", "\(progress.isSkipped)"),
                ("seconds", String(format: "%.3f", progress.seconds)),
                ("memory_mb", "\(progress.memory / 1_000_000)"),
            ])
    }

    package func write(_ scores: ValidationScores) throws {
        try write(
            [("step", "\(scores.step)"), ("epoch", "\(scores.epoch)")]
                + scores.scores.map { ("val_\($0.name)", $0.value.map(jsonNumber) ?? "null") })
    }

    private func write(_ fields: [(name: String, value: String)]) throws {
        try appendLine(
            "{" + fields.map { "\(jsonText($0.name)): \($0.value)" }.joined(separator: ", ") + "}",
            to: path)
    }
}
