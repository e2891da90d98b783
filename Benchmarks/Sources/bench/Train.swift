import ArgumentParser
import Foundation
import Inference
import MaskModel
import Torch
import Training

/// A whole training step, the work of `pytorch_baseline.py train`, from random weights.
struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "A training step: both networks, losses, mean field, backward, AdamW, average.")

    @OptionGroup var options: NetworkOptions
    @OptionGroup var pacing: Pacing

    @Option(help: "Crops whose activations are held at once (default: as mal train does).")
    var microBatch: Int?

    @Flag(help: "Read each step's losses while the next one runs (late_results).")
    var late = false

    @Flag(help: "On a GPU: the mean field as one kernel (train.mean_field_kernel).")
    var nvrtc = false

    @Flag(help: "Tell on standard error where the steps' time went.")
    var profile = false

    func validate() throws {
        if late, options.amp == .fp16 {
            throw ValidationError("--late is not for --amp fp16, whose next step needs this one's")
        }
    }

    func run() throws { try options.run(measure) }

    private func measure(on device: Device) throws {
        let configuration = try options.configuration
        let pair = StudentTeacher(configuration, seed: 0, device: device)
        let sample = Sample(batch: options.batch, crop: options.crop, device: device)
        let optimizer = AdamW(pair.studentParameters, learningRate: 1e-6)
        var settings = TrainingStepSettings(
            schedule: LearningRateSchedule(
                peak: 1e-6, minimum: 1e-6, warmupEpochCount: 0, epochCount: 1_000_000, waveCount: 1),
            stepsPerEpoch: 1_000_000)
        settings.options.arithmetic = options.amp.dtype
        settings.objectsAtOnce =
            microBatch
            ?? TrainingStepSettings.objectsAtOnce(
                on: device, cropSize: options.crop, configuration)
        let step = TrainingStep(pair, optimizer, settings)
        let batch = TrainingTensors(
            image: sample.image, teacherImage: sample.image, mask: sample.boxMask,
            areas: sample.areas)
        let profile = StepProfile(device: device)
        if self.profile { step.profile = profile }
        if nvrtc {
            let side = try options.configuration.logitsSide(cropSize: options.crop)
            step.meanFieldKernel = try MeanFieldKernel(
                MeanField(), height: side, width: side, device: device)
        }
        var number = 0
        var unread: PendingStep?
        let seconds = pacing.medianSeconds {
            // Past the first epoch, so that both losses have their weight.
            if late {
                let pending = step.start([batch], epoch: 1, step: number)
                _ = unread?.result()
                unread = pending
            } else {
                _ = step.run([batch], epoch: 1, step: number)
            }
            number += 1
        }
        if self.profile {
            FileHandle.standardError.write(Foundation.Data((profile.text + "\n").utf8))
        }
        try options.report("train", secondsPerStep: seconds)
    }
}
