import ArgumentParser
import Torch

/// What a processor can do at most: one large product of matrices.
struct Products: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "A product of two square matrices in float32, and its GFLOP/s.")

    @Option(help: "Rows of the matrices.")
    var size = 4096

    @Option(help: "CPU threads (default: libtorch's choice).")
    var threads: Int?

    @OptionGroup var pacing: Pacing

    func validate() throws {
        for (name, value) in [("--size", size), ("--threads", threads ?? 1)] where value < 1 {
            throw ValidationError("\(name) must be 1 or more, is \(value)")
        }
    }

    func run() throws {
        try startLibtorch()
        try Libtorch.withThreads(threads, measure)
    }

    private func measure() throws {
        var generator = Generator(seed: 1)
        let matrix = Tensor.drawn([size, size]) { Double.random(in: -1...1, using: &generator) }
        let seconds = pacing.medianSeconds { _ = matrix.matmul(matrix) }
        let work = 2 * Double(size) * Double(size) * Double(size)
        print(
            "{\"what\": \"products\", \"size\": \(size), \"threads\": \(Libtorch.threadCount), "
                + "\"seconds_per_step\": \(seconds), \"gflops\": \(work / seconds / 1e9)}")
    }
}
