import Foundation
import Glibc

/// Times steps, and says how long the rest will take.
struct StepClock {
    private var begin = ContinuousClock.now
    private var recent: [(seconds: Double, boxCount: Int)] = []
    private static let windowSize = 20

    mutating func start() { begin = .now }

    /// `progress` with the times of the step that ends now.
    mutating func progress(_ progress: TrainingProgress) -> TrainingProgress {
        var progress = progress
        progress.seconds = (ContinuousClock.now - begin) / .seconds(1)
        recent.append((progress.seconds, progress.boxCount))
        if recent.count > Self.windowSize { recent.removeFirst() }
        let seconds = recent.reduce(0) { $0 + $1.seconds }
        progress.secondsPerStep = seconds / Double(recent.count)
        let boxCount = recent.reduce(0) { $0 + $1.boxCount }
        progress.boxesPerSecond = seconds > 0 ? Double(boxCount) / seconds : 0
        progress.secondsLeft =
            progress.secondsPerStep * Double(progress.stepCount - progress.step)
        return progress
    }
}

/// Bytes of memory that the process holds.
func residentMemory() -> Int {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else {
        return 0
    }
    let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
}
