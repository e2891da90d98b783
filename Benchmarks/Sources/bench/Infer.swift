import ArgumentParser
import MaskModel
import Torch

/// Crops to thresholded masks at crop size: the work of `pytorch_baseline.py infer`, with random
/// weights.
struct Infer: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The network and its thresholded masks.")

    enum Arch: String, ExpressibleByArgument, CaseIterable {
        case tiny, small, base, large

        var configuration: BackboneConfiguration {
            switch self {
            case .tiny: .tiny()
            case .small: .small()
            case .base: .base()
            case .large: .large()
            }
        }
    }

    @Option(help: "Size of the vision transformer, patch 16.")
    var arch = Arch.base

    @Option(help: "Side of the square crop in pixels.")
    var crop = 512

    @Option(help: "Crops a step.")
    var batch = 4

    @Option(help: "CPU threads (default: libtorch's choice).")
    var threads: Int?

    @OptionGroup var pacing: Pacing

    func validate() throws {
        for (name, value) in [("--batch", batch), ("--threads", threads ?? 1)] where value < 1 {
            throw ValidationError("\(name) must be 1 or more, is \(value)")
        }
        try network.validate(cropSize: crop)
    }

    func run() throws {
        Libtorch.letIdleThreadsSleep()
        try Libtorch.start()
        if let threads { Libtorch.threadCount = threads }
        let network = MaskNetwork(ParameterStore(seed: 0).root, network)
        let sample = Sample(batch: batch, crop: crop)
        let seconds = pacing.medianSeconds {
            withoutGradients {
                let logits = network(image: sample.image, areas: sample.areas)
                let probabilities =
                    interpolate(logits, height: crop, width: crop, .bilinear).sigmoid()
                    * sample.boxMask
                _ = (probabilities .> 0.1).sum().integers()
            }
        }
        print(
            try Measurement(
                what: "infer", arch: arch.rawValue, crop: crop, batch: batch, device: "cpu",
                amp: "none", torch: Libtorch.version, threads: Libtorch.threadCount,
                secondsPerStep: seconds, boxesPerSecond: seconds > 0 ? Double(batch) / seconds : 0,
                peakMemoryMib: peakMemoryMib()
            ).line)
    }

    private var network: MaskNetworkConfiguration { .init(backbone: arch.configuration) }
}
