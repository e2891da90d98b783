import Foundation
package import Torch

/// Where the time of training steps goes (`mal train --profile`).
///
/// On a GPU every part waits until the device is done, so that the parts add up; the steps themselves are
/// slower for it.
package final class StepProfile {
    package enum Part: String, CaseIterable, Sendable {
        case data = "wait for data"
        case copies = "to the device"
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
    private var stepCount = 0
    private let device: Device

    package init(device: Device) { self.device = device }

    package func measure<Result>(_ part: Part, _ body: () throws -> Result) rethrows -> Result {
        let start = ContinuousClock.now
        let result = try body()
        if device != .cpu { _ = Tensor.zeros([1], device: device).item() }
        add(part, ContinuousClock.now - start)
        return result
    }

    package func add(_ part: Part, _ time: Duration) {
        seconds[part, default: 0] += time / .seconds(1)
    }

    package func endStep() { stepCount += 1 }

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
