import Inference
import MaskModel
import Testing
import TestSupport
import Torch
import Training

/// A batch of a fixture.
func trainingTensors(_ name: String) throws -> TrainingTensors {
    let file = try tensorFixture(name)
    let boxes = try #require(file["bbox"]).floats()
    return TrainingTensors(
        image: try #require(file["image"]), teacherImage: try #require(file["timage"]),
        mask: try #require(file["mask"]),
        areas: stride(from: 0, to: boxes.count, by: 4).map {
            (boxes[$0 + 3] - boxes[$0 + 1]) * (boxes[$0 + 2] - boxes[$0])
        })
}

/// The rows `rows` of a batch.
func rows(_ rows: [Int], of batch: TrainingTensors) -> TrainingTensors {
    TrainingTensors(
        image: batch.image.rows(rows), teacherImage: batch.teacherImage.rows(rows),
        mask: batch.mask.rows(rows), areas: rows.map { batch.areas[$0] })
}

/// The pair of `micro_vit_init`: 48 wide, 3 blocks, heads 32 wide.
func microPair() throws -> StudentTeacher {
    try StudentTeacher(
        MaskNetworkConfiguration(
            backbone: .init(
                layout: .patchConv, width: 48, depth: 3, headCount: 3, patchSize: 16),
            maskHead: .init(hiddenChannels: 32, outputChannels: 32)),
        parameters: tensorFixture("micro_vit_init.safetensors"))
}

/// The pair of `micro_fan_init`: 24 wide, 2 blocks behind a small ConvNeXt, heads 32 wide.
func microFANPair() throws -> StudentTeacher {
    try StudentTeacher(
        MaskNetworkConfiguration(
            backbone: .init(
                layout: .fan, width: 24, depth: 2, headCount: 4, patchSize: 16,
                stem: [.init(width: 16, depth: 1), .init(width: 32, depth: 1)]),
            maskHead: .init(hiddenChannels: 32, outputChannels: 32)),
        parameters: tensorFixture("micro_fan_init.safetensors"))
}

/// The settings of `train_steps.json`.
func fixtureStep(_ pair: StudentTeacher, peak: Double = 5e-3) -> TrainingStep {
    var settings = TrainingStepSettings(
        schedule: .init(peak: peak, minimum: peak / 5, warmupEpochCount: 1, epochCount: 3),
        stepsPerEpoch: 4)
    settings.milWarmupSteps = 2
    settings.crfWarmupSteps = 3
    let optimizer = AdamW(
        pair.studentParameters, learningRate: peak, .init(weightDecay: 0.05))
    return TrainingStep(pair, optimizer, settings)
}

extension StudentTeacher {
    /// All parameters, in order.
    var values: [[Float]] { exportParameters().map { $0.tensor.floats() } }
}
