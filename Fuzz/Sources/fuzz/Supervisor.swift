import CFuzz
import Foundation

/// Runs a reader's inputs in child processes, some thousands in each, and goes on after the input
/// at which one died.
struct Supervisor {
    let places: Places
    let seed: UInt64
    let inputCount: Int
    /// Receives `reader-number.input` and `.log` of every finding.
    let findings: String

    private static let chunk = 10_000
    private static let findingLimit = 25

    /// What a run of one reader came to.
    struct Tally {
        var inputs = 0
        var accepted = 0
        var rejected = 0
        var seconds = 0.0
        var slowest = (seconds: 0.0, index: 0)
        var largest = (bytes: 0, index: 0)
        var findings: [String] = []
    }

    func run(_ name: String) throws -> Tally {
        let reader = try Reader.named(name, places)
        var tally = Tally()
        let start = ContinuousClock.now
        var next = 0
        while next < inputCount, tally.findings.count < Self.findingLimit {
            let end = min(next + Self.chunk, inputCount)
            let state = try freshState()
            let log = places.scratch + "/log"
            let ending = try runWorker(name, next..<end, log: log)
            add(state.pointee, to: &tally)
            guard let ending else {
                next = end
                continue
            }
            // Leaks are reported when all inputs are done; they belong to none in particular.
            let index = Int(state.pointee.index)
            let isAtEnd = state.pointee.is_reading == 0 && index == end - 1
            let what = isAtEnd ? "\(name) inputs \(next)–\(end - 1)" : "\(name) input \(index)"
            try save(reader, index, log)
            tally.findings.append("\(what): \(ending)\(Self.headline(log))")
            next = isAtEnd ? end : max(index, next) + 1
        }
        let elapsed = (ContinuousClock.now - start).components
        tally.seconds = Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18
        return tally
    }

    private func freshState() throws -> UnsafeMutablePointer<cf_state> {
        let path = places.scratch + "/state"
        try? FileManager.default.removeItem(atPath: path)
        guard let state = cf_state_open(path) else { throw WrongUse("\(path) cannot be made") }
        return state
    }

    private func add(_ state: cf_state, to tally: inout Tally) {
        tally.accepted += Int(state.accepted)
        tally.rejected += Int(state.rejected)
        tally.inputs += Int(state.accepted + state.rejected + state.is_reading)
        if state.slowest > tally.slowest.seconds {
            tally.slowest = (state.slowest, Int(state.slowest_index))
        }
        if state.largest > tally.largest.bytes {
            tally.largest = (Int(state.largest), Int(state.largest_index))
        }
    }

    /// - Returns: nil when the worker read all, else how it ended.
    private func runWorker(_ name: String, _ range: Range<Int>, log: String) throws -> String? {
        let worker = Process()
        worker.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        worker.arguments = [
            "worker", name, "--root", places.root, "--scratch", places.scratch, "--seed", "\(seed)",
            "--from", "\(range.lowerBound)", "--to", "\(range.upperBound)",
        ]
        guard FileManager.default.createFile(atPath: log, contents: nil),
            let output = FileHandle(forWritingAtPath: log)
        else {
            throw WrongUse("\(log) cannot be written")
        }
        defer { try? output.close() }
        // Leaks are looked for in workers only; Foundation has one where it starts them.
        var environment = ProcessInfo.processInfo.environment
        environment["ASAN_OPTIONS", default: ""] += ":detect_leaks=1"
        worker.environment = environment
        worker.standardError = output
        worker.standardOutput = output
        try worker.run()
        worker.waitUntilExit()
        let status = worker.terminationStatus
        switch (worker.terminationReason, status) {
        case (.exit, 0): return nil
        case (.exit, _): return "exit status \(status)"
        case (_, SIGPROF): return "over \(Worker.cpuLimit) s"
        case (_, SIGALRM): return "hangs"
        default: return "signal \(status)"
        }
    }

    private func save(_ reader: Reader, _ index: Int, _ log: String) throws {
        try FileManager.default.createDirectory(
            atPath: findings, withIntermediateDirectories: true)
        let stem = "\(findings)/\(reader.name)-\(index)"
        let input = Worker.input(reader, seed: seed, index: index)
        try Data(input).write(to: URL(fileURLWithPath: stem + ".input"))
        try Data(contentsOf: URL(fileURLWithPath: log))
            .write(to: URL(fileURLWithPath: stem + ".log"))
    }

    /// The line of a log that says most, if there is one.
    private static func headline(_ log: String) -> String {
        let bytes = (try? Data(contentsOf: URL(fileURLWithPath: log))) ?? Data()
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        let marks = ["fuzz: ", "runtime error: ", "ERROR: ", "Fatal error"]
        guard let line = lines.first(where: { line in marks.contains { line.contains($0) } }) else {
            return ""
        }
        return ": " + line.prefix(160)
    }
}
