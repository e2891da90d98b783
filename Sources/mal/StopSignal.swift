import Glibc
import Synchronization

/// Ctrl-C and SIGTERM ask for a clean stop; a second one ends the process at once.
enum StopSignal {
    private static let requested = Atomic<Bool>(false)
    private static let interrupts = Atomic<Int>(0)
    private static let terminations = Atomic<Int>(0)

    static var isRequested: Bool { requested.load(ordering: .relaxed) }

    /// How many of each came since ``count()``.
    static var received: (interrupts: Int, terminations: Int) {
        (interrupts.load(ordering: .relaxed), terminations.load(ordering: .relaxed))
    }

    /// Counts the signals instead, for a process that only hands them on.
    static func count() {
        signal(SIGINT) { _ in StopSignal.interrupts.add(1, ordering: .relaxed) }
        signal(SIGTERM) { _ in StopSignal.terminations.add(1, ordering: .relaxed) }
    }

    static func install() {
        for number in [SIGINT, SIGTERM] {
            signal(number) { number in
                StopSignal.requested.store(true, ordering: .relaxed)
                signal(number, SIG_DFL)
            }
        }
    }
}
