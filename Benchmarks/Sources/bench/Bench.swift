import ArgumentParser

/// Times one part of mal and prints one JSON line, as `pytorch_baseline.py` does for PyTorch.
/// `speed.py` and `gpu.py` run both, in turns.
@main
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Times one part of mal and prints one JSON line.",
        subcommands: [
            Infer.self, Train.self, MeanFieldCommand.self, Data.self, Agreement.self,
            Annotations.self, Products.self, AllReduce.self, Logits.self, Scores.self,
        ])
}
