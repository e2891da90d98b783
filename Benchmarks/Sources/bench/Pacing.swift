import ArgumentParser
import Glibc

/// How often a step is timed.
struct Pacing: ParsableArguments {
    @Option(help: "Steps that are timed.")
    var steps = 10

    @Option(help: "Steps before them.")
    var warm = 3

    @Flag(
        help: """
            One step for each line of standard input, its seconds printed at once, instead of \
            --steps; how compare.py lets two programs take turns.
            """)
    var paced = false

    func validate() throws {
        guard steps >= 1 else { throw ValidationError("--steps must be 1 or more, is \(steps)") }
        guard warm >= 0 else { throw ValidationError("--warm must be 0 or more, is \(warm)") }
    }

    /// The median time of `step` in seconds, without the warm-up; 0 when there was no step.
    func medianSeconds(_ step: () -> Void) -> Double {
        var times: [Double] = []
        while paced ? readLine() != nil : times.count < warm + steps {
            times.append(ContinuousClock().measure(step) / .seconds(1))
            if paced {
                print(times[times.count - 1])
                fflush(nil)
            }
        }
        let counted = times.dropFirst(warm).sorted()
        guard !counted.isEmpty else { return 0 }
        return (counted[(counted.count - 1) / 2] + counted[counted.count / 2]) / 2
    }
}
