import ArgumentParser
import CProgram
import Distributed
import Foundation
import Glibc

/// What only a program may do: end its process, start it over, tune its memory. The library does none of it.
enum ThisProcess {
    /// For the first line of a command that computes.
    ///
    /// - Parameter idleThreadsSleep: see `program_let_idle_threads_sleep`; may start the program over.
    static func prepare(idleThreadsSleep: Bool) {
        program_let_gpu_memory_grow()
        if idleThreadsSleep { program_let_idle_threads_sleep(CommandLine.unsafeArgv) }
        program_tune_malloc()
    }

    /// Ends the process without clean-up: libtorch's takes 0.1 s to give back memory that the system takes back
    /// anyway. Nothing waits in a buffer: ``StandardStreams`` has none.
    static func end(_ code: ExitCode) -> Never { _exit(code.rawValue) }

    /// Who this process is among those of a run; nil when it is alone. It ends when it waits for one that is lost.
    static func rank() throws -> RankEnvironment? {
        try RankEnvironment(ProcessInfo.processInfo.environment) { event in
            switch event {
            case .waits(let text):
                StandardStreams.say("Warning: \(text)\n")
            case .lost(let error):
                StandardStreams.say("Error: \(error)\n")
                _exit(RankEnvironment.lossExitCode)
            }
        }
    }
}
