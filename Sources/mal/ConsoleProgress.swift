import Foundation
import Glibc
import Specs
import Synchronization

/// Shows `RunEvent`s on standard error: one line that renews itself on a terminal, a line every ten
/// seconds elsewhere, nothing for jobs under two seconds. Standard output stays for results.
final class ConsoleProgress: Sendable {
    private struct State {
        var stage = ""
        var stageStart = ContinuousClock.now
        var firstDone = 0
        var lastDone: Int?
        var lastShown: ContinuousClock.Instant?
        var lineIsOpen = false
    }

    private let state = Mutex(State())
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let isQuiet: Bool

    init(quiet: Bool = false) { isQuiet = quiet }

    func handle(_ event: RunEvent) {
        switch event {
        case .note(let text):
            if !isQuiet { say(text) }
        case .warning(let text):
            say("warning: " + text)
        case .progress(let stage, let done, let total, let unit):
            if !isQuiet { show(stage: stage, done: done, total: total, unit: unit) }
        }
    }

    /// Ends an open progress line, so that what follows begins on its own.
    func finish() {
        state.withLock { state in
            if state.lineIsOpen { write("\n") }
            state.lineIsOpen = false
        }
    }

    private func say(_ text: String) {
        finish()
        write(text + "\n")
    }

    private func show(stage: String, done: Int, total: Int, unit: String) {
        state.withLock { state in
            let now = ContinuousClock.now
            if state.stage != stage {
                if state.lineIsOpen { write("\n") }
                state = State(stage: stage, stageStart: now, firstDone: done)
            }
            let elapsed = now - state.stageStart
            guard elapsed > .seconds(2) else { return }
            let interval: Duration = isTerminal ? .milliseconds(200) : .seconds(10)
            let isLast = done >= total
            if let last = state.lastShown, now - last < interval, !isLast { return }
            if isLast, state.lastShown == nil { return }
            // What a lost process had done is done again, without end to count.
            if isLast, state.lastDone == done { return }
            state.lastShown = now
            state.lastDone = done
            let line = Self.line(
                stage: stage, done: done, total: total, unit: unit, firstDone: state.firstDone,
                seconds: Double(elapsed.components.seconds)
                    + Double(elapsed.components.attoseconds) * 1e-18)
            if isTerminal {
                write("\r\u{1b}[K" + line + (isLast ? "\n" : ""))
                state.lineIsOpen = !isLast
            } else {
                write(line + "\n")
            }
        }
    }

    static func line(
        stage: String, done: Int, total: Int, unit: String, firstDone: Int, seconds: Double
    ) -> String {
        let rate = seconds > 0 ? Double(done - firstDone) / seconds : 0
        let percent = total > 0 ? 100 * done / total : 100
        var text = "\(stage): \(done)/\(total) \(unit) (\(percent) %), "
        text += String(format: rate < 10 ? "%.2f" : "%.0f", rate) + " \(unit)/s"
        if rate > 0, done < total { text += ", \(clock(Double(total - done) / rate)) left" }
        return text
    }

    static func clock(_ seconds: Double) -> String {
        let whole = Int(min(seconds, 3.6e8).rounded())
        let minutes = whole / 60 % 60
        return whole >= 3600
            ? String(format: "%d:%02d:%02d", whole / 3600, minutes, whole % 60)
            : String(format: "%d:%02d", minutes, whole % 60)
    }

    private func write(_ text: String) { StandardStreams.say(text) }
}
