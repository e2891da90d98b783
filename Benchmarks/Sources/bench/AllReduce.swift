import ArgumentParser
import CProgram
import Distributed
import Foundation
import Torch

/// Times the sum of a tensor over processes, which RANK and the like tell of; `scripts/ranks.py tables`
/// starts them.
struct AllReduce: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "all-reduce", abstract: "Sums of tensors over several processes.")

    @Option(help: "MiB of the tensors as float32.")
    var mib: [Int] = [1, 8, 32, 128]

    @Option(help: "Sums of each size.")
    var repeats = 15

    private struct Line: Encodable {
        let processes: Int
        let mib: Int
        let dtype: String
        /// The median, and the fastest.
        let seconds: Double
        let best: Double
    }

    func run() throws {
        guard let environment = try RankEnvironment(ProcessInfo.processInfo.environment),
            environment.worldSize > 1
        else { throw ValidationError("RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT must be set") }
        try Libtorch.start()
        program_tune_malloc()
        try Libtorch.withThreads(1) { try measure(environment) }
    }

    private func measure(_ environment: RankEnvironment) throws {
        let ranks = try Ranks(environment, timeout: .seconds(60))
        for mib in mib {
            for dtype in [DType.float32, .bfloat16] {
                let tensor = Tensor.zeros([mib << 18], dtype)
                let seconds = try (0..<repeats + 2).map { _ in
                    _ = try ranks.sums([0])
                    let start = ContinuousClock.now
                    try ranks.finish(ranks.startSum(tensor))
                    return (ContinuousClock.now - start) / .seconds(1)
                }.dropFirst(2).sorted()
                guard ranks.isFirst else { continue }
                let line = Line(
                    processes: ranks.count, mib: mib, dtype: "\(dtype)",
                    seconds: seconds[seconds.count / 2], best: seconds[0])
                print(String(decoding: try JSONEncoder().encode(line), as: UTF8.self))
            }
        }
        try ranks.finish()
    }
}
