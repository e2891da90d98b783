import ArgumentParser
import Distributed
import Foundation
import Specs

struct LaunchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "launch",
        abstract: "Runs one command as several processes that share the work.",
        discussion: """
            What follows -- is run as N processes of this machine, each of which is told who it is \
            (RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT). Rank 0 writes to this terminal, \
            the others' lines get their rank in front. Signals go to all. When one fails, all end. \
            On a machine without GPUs they compute on its CPU. More in docs/scale-out.md.

              mal launch --processes 2 -- train -e spec.yaml
              mal launch --processes 8 --max-restarts 3 -- train -e spec.yaml
              mal launch --processes 2 -- label photos --boxes boxes.json --out masks.json
            """)

    @Option(help: "Number of processes on this machine.")
    var processes: Int

    @Option(
        help: """
            Number of machines. Give the same command on each, with NODE_RANK (from 0), MASTER_ADDR \
            and MASTER_PORT in the environment.
            """)
    var nodes = 1

    @Option(
        help: "Number of times to restart all when one fails; train continues from its checkpoint.")
    var maxRestarts = 0

    @Option(help: "Number of processes after a failure (default: as many as before).")
    var restartProcesses: Int?

    @Argument(parsing: .postTerminator, help: "A command of mal and its arguments.")
    var command: [String] = []

    func validate() throws {
        for (name, value) in [
            ("--processes", processes), ("--nodes", nodes),
            ("--restart-processes", restartProcesses ?? 1),
        ] where !(1...1024).contains(value) {
            throw ValidationError("\(name) must be 1 to 1024, is \(value)")
        }
        guard maxRestarts >= 0 else {
            throw ValidationError("--max-restarts must be 0 or more, is \(maxRestarts)")
        }
        guard let first = command.first,
            ["train", "label", "inference", "evaluate"].contains(first)
        else {
            throw ValidationError(
                "after -- comes train, label, inference or evaluate with its arguments, as in: mal "
                    + "launch --processes 2 -- train -e spec.yaml")
        }
    }

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        guard environment["RANK"] == nil else {
            throw LabelingError.wrongUse(
                "RANK is set in the environment: another launcher has started this as one of its "
                    + "processes; give it the command itself, without mal launch")
        }
        let plan = try LaunchPlan(
            processCount: processes, nodeCount: nodes, environment: environment)
        let smaller = try restartProcesses.map {
            try LaunchPlan(processCount: $0, nodeCount: nodes, environment: environment)
        }
        try await RankLauncher(
            plan: plan, arguments: command, restartCount: maxRestarts, planAfterFailure: smaller
        ).run()
    }
}
