import ArgumentParser
import MaskModel
import Torch

/// Crops to thresholded masks at crop size: the work of `pytorch_baseline.py infer`, with random
/// weights.
struct Infer: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The network and its thresholded masks.")

    @Flag(help: "Linear layers in int8.")
    var int8 = false

    @OptionGroup var options: NetworkOptions
    @OptionGroup var pacing: Pacing

    func run() throws { try options.run(measure) }

    private func measure(on device: Device) throws {
        let store = ParameterStore(seed: 0, device: device)
        var network = MaskNetwork(store.root, try options.configuration)
        if int8 {
            network = try MaskNetwork(
                try options.configuration,
                parameters: Dictionary(
                    uniqueKeysWithValues: store.tensors.map { ($0.name, $0.tensor) }),
                factors: .int8)
        }
        let sample = Sample(batch: options.batch, crop: options.crop, device: device)
        let seconds = pacing.medianSeconds {
            withoutGradients {
                let logits = autocast(options.amp.dtype, on: device) {
                    network(image: sample.image, areas: sample.areas)
                }.to(.float32)
                let probabilities =
                    interpolate(logits, height: options.crop, width: options.crop, .bilinear)
                    .sigmoid() * sample.boxMask
                _ = (probabilities .> 0.1).sum().integers()
            }
        }
        try options.report("infer", secondsPerStep: seconds)
    }
}
