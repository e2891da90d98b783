import Foundation
import Glibc
import Specs
import Synchronization
import Training

/// Shows `TrainEvent`s on standard error: on a terminal one line that renews itself, elsewhere a line
/// every half minute.
final class TrainConsole: Sendable {
    private struct State {
        var lastShown: ContinuousClock.Instant?
        var lineIsOpen = false
    }

    private let state = Mutex(State())
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let isQuiet: Bool
    private let console: ConsoleProgress

    init(quiet: Bool = false) {
        isQuiet = quiet
        console = ConsoleProgress(quiet: quiet)
    }

    func handle(_ event: TrainEvent) {
        switch event {
        case .run(let event):
            closeLine()
            console.handle(event)
        case .step(let progress):
            if !isQuiet { show(progress) }
        case .validation(let scores):
            let numbers = scores.scores.compactMap { score in
                score.value.map { "\(score.name) " + String(format: "%.4f", $0) }
            }
            note("validation after step \(scores.step): " + numbers.joined(separator: ", "))
        case .checkpoint(let path, let step): note("step \(step) saved: \(path)")
        }
    }

    /// Ends an open line, so that what follows begins on its own.
    func finish() {
        closeLine()
        console.finish()
    }

    private func note(_ text: String) {
        closeLine()
        console.handle(.note(text))
    }

    private func closeLine() {
        state.withLock { state in
            if state.lineIsOpen { write("\n") }
            state.lineIsOpen = false
        }
    }

    private func show(_ progress: TrainingProgress) {
        console.finish()
        state.withLock { state in
            let now = ContinuousClock.now
            let interval: Duration = isTerminal ? .milliseconds(200) : .seconds(30)
            let isLast = progress.step == progress.stepCount
            if let last = state.lastShown, now - last < interval, !isLast { return }
            state.lastShown = now
            let line = Self.line(progress)
            write(isTerminal ? "\r\u{1b}[K" + line : line + "\n")
            state.lineIsOpen = isTerminal
        }
    }

    static func line(_ progress: TrainingProgress) -> String {
        let losses =
            String(
                format: "loss %.4f (mil %.4f, crf %.4f", progress.loss, progress.lossMIL,
                progress.lossCRF)
            + (progress.lossComposite == 0
                ? "" : String(format: ", composite %.4f", progress.lossComposite))
            + (progress.lossMask == 0 ? "" : String(format: ", mask %.4f", progress.lossMask))
            + ")"
        let speed = String(
            format: "%.2f s/step, %.1f boxes/s", progress.secondsPerStep, progress.boxesPerSecond)
        return "epoch \(progress.epoch + 1)/\(progress.epochCount) "
            + "step \(progress.step)/\(progress.stepCount)  \(losses)  "
            + String(format: "lr %.2e  ", progress.learningRate) + speed
            + ", \(ConsoleProgress.clock(progress.secondsLeft)) left, "
            + String(format: "%.1f GB", Double(progress.memory) / 1e9)
            + (progress.isSkipped ? "  (overflow, skipped)" : "")
    }

    private func write(_ text: String) { StandardStreams.say(text) }
}
