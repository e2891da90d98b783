import ArgumentParser
import MaskModel
import Torch

/// The mean field alone, the work of `pytorch_baseline.py meanfield`.
struct MeanFieldCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "meanfield", abstract: "100 updates of the mean field.")

    @OptionGroup var options: NetworkOptions
    @OptionGroup var pacing: Pacing

    @Option(help: "Side of the square maps in pixels.")
    var map = 128

    @Flag(help: "On a GPU: the mean field as one kernel (train.mean_field_kernel).")
    var nvrtc = false

    func run() throws { try options.run(measure) }

    private func measure(on device: Device) throws {
        let sample = Sample(batch: options.batch, crop: options.crop, device: device)
        let image = interpolate(sample.image, height: map, width: map, .bilinear)
        let box = interpolate(sample.boxMask, height: map, width: map, .bilinear).selecting(1, 0)
        var generator = Generator(seed: 1)
        let seg = Tensor.drawn([options.batch, map, map], device: device) {
            Double.random(in: 0...1, using: &generator)
        }
        let kernel =
            nvrtc
            ? try MeanFieldKernel(MeanField(), height: map, width: map, device: device) : nil
        let seconds = pacing.medianSeconds {
            let made =
                kernel.map { $0(image: image, probabilities: seg, mask: box) }
                ?? MeanField()(image: image, probabilities: seg, mask: box)
            _ = made.sum().item()
        }
        try options.report("meanfield", secondsPerStep: seconds)
    }
}
