import Files
import Foundation
package import Training

/// How a model was adapted, and whether it was kept.
public struct Adaptation: Sendable {
    /// What to label with: the adapted model's file, or the model that it began with.
    public let model: String
    /// Whether the adapted model is the better one.
    public var isKept: Bool { verdict.isKept }
    /// The same command had done it before.
    public let wasDone: Bool
    let verdict: AdaptationVerdict

    /// For the terminal.
    public var text: String { verdict.text }
}

/// The decision between a model and what it became, without true masks.
struct AdaptationVerdict: Codable, Equatable, Sendable {
    var stepCount = 0
    var boxCount = 0
    var seconds = 0.0
    /// Nil where the training failed.
    var comparison: ModelComparison?
    /// Why the adapted model is not kept; nil where it is.
    var reason: String?

    var isKept: Bool { reason == nil }

    var text: String {
        guard stepCount > 0 else { return "not adapted: \(reason ?? "")" }
        var lines = [
            "\(stepCount) steps on \(boxCount) boxes in \(Int(seconds.rounded())) s: "
                + (reason.map { "the adapted model is not kept: \($0)" }
                    ?? "the adapted model is kept")
        ]
        if let comparison { lines += comparison.lines }
        return lines.joined(separator: "\n")
    }
}

extension ModelComparison {
    /// What speaks against the second network; nil if nothing does.
    package var fault: String? {
        func fell(_ what: String, _ value: KeyPath<Measures, Double>, by limit: Double) -> String? {
            let (old, new) = (before[keyPath: value], after[keyPath: value])
            return new < old - limit
                ? what + String(format: " fell from %.3f to %.3f", old, new) : nil
        }
        guard compositeWeight >= 1 else {
            return "the models are sure of no object, so that they can't be compared"
        }
        return fell("the fit to boxes", \.boxFit, by: 0.02)
            ?? fell("agreement with the mirrored crop", \.mirror, by: 0.02)
            ?? fell("IoU on composites", \.composites, by: 0.005)
    }

    /// For the terminal.
    var lines: [String] {
        func line(_ what: String, _ value: KeyPath<Measures, Double>) -> String {
            "  " + what.padding(toLength: 34, withPad: " ", startingAt: 0)
                + String(
                    format: "%.3f   %.3f", before[keyPath: value], after[keyPath: value])
        }
        return [
            "  on \(boxCount) boxes held out".padding(toLength: 36, withPad: " ", startingAt: 0)
                + "before  after",
            line("fit of masks to their boxes", \.boxFit),
            line("IoU with the mirrored crop's mask", \.mirror),
            line("IoU on composites, masks known", \.composites),
            "  the two models' masks have an IoU of " + String(format: "%.3f", agreement),
        ]
    }
}
