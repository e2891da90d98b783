import Foundation
package import Torch

/// Where the time of steps goes, of training or of the batches of a labelling run (`--profile`).
///
/// On a GPU the parts are measured by the device's own clock, between events around them, and read at the end of
/// each step; only then does the host wait for the device. Work that the host does while the device is busy with
/// something else takes no time of its own.
package final class StepProfile {
    package enum Part: String, CaseIterable, Sendable {
        case data = "wait for data"
        case copies = "to the device"
        case backbone = "backbone"
        case heads = "heads"
        case probabilities = "probabilities"
        case masks = "wait for masks"
        case teacher = "teacher"
        case student = "student"
        case losses = "losses"
        case meanField = "mean field"
        case backward = "backward"
        case exchange = "sum over ranks"
        case optimizer = "optimizer"
        case average = "moving average"
    }

    private var seconds: [Part: Double] = [:]
    private var spans: [(part: Part, start: Event, end: Event)] = []
    private var stepCount = 0
    private let device: Device

    package init(device: Device) { self.device = device }

    fileprivate func measure<Result>(
        _ part: Part, _ body: () throws -> Result
    ) rethrows -> Result {
        let start = Event(on: device)
        let result = try body()
        spans.append((part, start, Event(on: device)))
        return result
    }

    package func add(_ part: Part, _ time: Duration) {
        seconds[part, default: 0] += time / .seconds(1)
    }

    package func endStep() {
        spans.last?.end.wait()
        for span in spans {
            seconds[span.part, default: 0] += span.end.seconds(since: span.start)
        }
        spans = []
        stepCount += 1
    }

    /// A line a part: seconds a step and the share of all parts.
    package var text: String {
        let total = max(seconds.values.reduce(0, +), .leastNormalMagnitude)
        let rows = Part.allCases.compactMap { part in
            seconds[part].map {
                String(
                    format: "  %@ %9.4f s %5.1f %%",
                    part.rawValue.padding(toLength: 16, withPad: " ", startingAt: 0),
                    $0 / Double(max(stepCount, 1)), 100 * $0 / total)
            }
        }
        return (["a step's time, mean of \(stepCount) steps:"] + rows).joined(separator: "\n")
    }
}

extension StepProfile? {
    /// `body`, measured where there is a profile.
    package func measure<Result>(
        _ part: StepProfile.Part, _ body: () throws -> Result
    ) rethrows -> Result {
        guard let self else { return try body() }
        return try self.measure(part, body)
    }
}
