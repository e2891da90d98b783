import ArgumentParser
import CProgram
import Distributed
import Foundation
import Glibc
import Subprocess
import Synchronization
import SystemPackage

/// Starts this program as several processes, hands signals on, and ends all soon after the first; of a
/// labelling run, whose processes take over each other's work, after rank 0.
struct RankLauncher {
    let plan: LaunchPlan
    /// Of `mal`, for every process.
    let arguments: [String]
    var restartCount = 0
    var planAfterFailure: LaunchPlan?

    private typealias Ended = (rank: Int, status: TerminationStatus)

    private var takesOver: Bool { arguments.first != "train" && arguments.first != "evaluate" }

    /// What others need to end by themselves, with a message, before they are told to.
    private static let grace = Duration.seconds(10)

    func run() async throws {
        StopSignal.count()
        var plan = plan
        for attempt in 0... {
            let statuses = try await runOnce(plan)
            if statuses.allSatisfy({ $0.status.isSuccess }) { return }
            // Rank 0 has written everything, whatever became of others.
            if statuses.contains(where: { $0.rank == 0 && $0.status.isSuccess }) { return }
            let received = StopSignal.received
            if received.interrupts + received.terminations > 0 {
                throw ExitCode(statuses.allSatisfy { $0.status == .exited(130) } ? 130 : 1)
            }
            // A wrong command stays wrong.
            if statuses.contains(where: { $0.status == .exited(64) }) { throw ExitCode(64) }
            guard attempt < restartCount else { throw ExitCode(1) }
            plan = planAfterFailure ?? plan
            note(
                "starting over with \(plan.processCount) processes "
                    + "(\(attempt + 1) of at most \(restartCount) times)")
        }
    }

    /// - Returns: how each process ended.
    private func runOnce(_ plan: LaunchPlan) async throws -> [Ended] {
        let port = try plan.port()
        let started = StartedProcesses()
        let signals = Task { await Self.handSignalsOn(to: started) }
        defer { signals.cancel() }
        return try await withThrowingTaskGroup(of: Ended?.self) { group in
            for local in 0..<plan.processCount {
                group.addTask {
                    let status = try await process(local, plan, port: port, started)
                    started.remove(local)
                    return (plan.firstRank + local, status)
                }
            }
            var statuses: [Ended] = []
            var isEnding = false
            while statuses.count < plan.processCount, let next = try await group.next() {
                guard let ended = next else {
                    // The grace is over.
                    group.cancelAll()
                    continue
                }
                statuses.append(ended)
                if case .signaled(let number) = ended.status {
                    note("rank \(ended.rank) was ended by signal \(number)")
                }
                // Who works together ends together. Who works apart ends with rank 0; who lost that
                // says that it hangs.
                let isEnd =
                    !takesOver || ended.rank == 0
                    || ended.status == .exited(RankEnvironment.lossExitCode)
                guard isEnd, !isEnding else { continue }
                isEnding = true
                group.addTask {
                    try? await Task.sleep(for: Self.grace)
                    return nil
                }
            }
            group.cancelAll()
            return statuses
        }
    }

    private func process(
        _ local: Int, _ plan: LaunchPlan, port: Int, _ started: StartedProcesses
    ) async throws -> TerminationStatus {
        let told = plan.environment(
            localRank: local, port: port, inherited: ProcessInfo.processInfo.environment)
        var options = PlatformOptions()
        // Ctrl-C in a terminal reaches them through this process, once.
        options.processGroupID = 0
        options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(10))]
        let configuration = Configuration(
            executable: .path(FilePath(String(cString: program_path()))),
            arguments: Arguments(
                executablePathOverride: CommandLine.arguments[0], remainingValues: arguments),
            environment: .inherit.updating(
                Dictionary(
                    uniqueKeysWithValues: told.map { (Environment.Key(stringLiteral: $0), $1) })),
            platformOptions: options)
        if plan.firstRank + local == 0 {
            return try await Subprocess.run(
                configuration, input: .none, output: .currentStandardOutput,
                error: .currentStandardError
            ) { execution in
                started.add(local, execution.processIdentifier.value)
            }.terminationStatus
        }
        return try await Subprocess.run(
            configuration, input: .none, output: .sequence, error: .sequence
        ) { execution in
            started.add(local, execution.processIdentifier.value)
            let prefix = "[rank \(plan.firstRank + local)] "
            async let output: Void = started.copy(execution.standardOutput, prefix)
            async let errors: Void = started.copy(execution.standardError, prefix)
            _ = try await (output, errors)
        }.terminationStatus
    }

    private static func handSignalsOn(to started: StartedProcesses) async {
        var known = StopSignal.received
        while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(50))
            let received = StopSignal.received
            for process in started.ids {
                if received.interrupts > known.interrupts { kill(process, SIGINT) }
                if received.terminations > known.terminations { kill(process, SIGTERM) }
            }
            known = received
        }
    }

    private func note(_ text: String) {
        StandardStreams.say("mal: \(text)\n")
    }
}

/// The processes that run now, by local rank.
private final class StartedProcesses: Sendable {
    private let running = Mutex<[Int: pid_t]>([:])
    private let errors = Mutex<Set<String>>([])

    var ids: [pid_t] { running.withLock { Array($0.values) } }

    func add(_ local: Int, _ id: pid_t) {
        running.withLock { $0[local] = id }
        // A signal that came while it was being started.
        let received = StopSignal.received
        if received.interrupts + received.terminations > 0 { kill(id, SIGTERM) }
    }

    func remove(_ local: Int) { running.withLock { _ = $0.removeValue(forKey: local) } }

    /// Shows what a process says, with `prefix`; an error that another one had in the same words is not repeated.
    func copy(_ lines: SubprocessOutputSequence, _ prefix: String) async throws {
        for try await line in lines.strings(bufferingPolicy: .unbounded) {
            let isNew = errors.withLock { !line.hasPrefix("Error: ") || $0.insert(line).inserted }
            if isNew { StandardStreams.say(prefix + line + "\n") }
        }
    }
}
