import ArgumentParser

/// Times one part of mal and prints one JSON line, as `pytorch_baseline.py` does for PyTorch.
/// `compare.py` runs both, alternating.
@main
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Times one part of mal and prints one JSON line.",
        subcommands: [Infer.self, Train.self, MeanFieldCommand.self, Data.self, Annotations.self])
}
