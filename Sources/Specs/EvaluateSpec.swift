/// Evaluation: masks against the truth.
package struct EvaluateSpec: Sendable, Equatable {
    package let gpus: GPUSpec
    /// Present whenever the spec was read for `evaluate`.
    package let checkpoint: String?
    package let tensorRTEngine: String?
    package let resultsDir: String?
    package let batchSize: Int
    package let precision: PrecisionChoice
    /// The mean of student and teacher; wins over `usesTeacher`.
    package let usesMixedModel: Bool
    package let usesTeacher: Bool
    package let usesFlip: Bool
    package let cleansUp: Bool
    /// Thresholds to measure besides train.mask_thres.
    package let sweep: [Double]

    init(_ reader: SpecReader) {
        gpus = GPUSpec(reader)
        checkpoint = reader.path(
            "checkpoint", default: .mandatory, mandatoryFor: [.evaluate], "Weights to evaluate.")
        tensorRTEngine = reader.path(
            "trt_engine", default: .null, usedBy: [], "TensorRT engine of TAO Deploy.")
        resultsDir = reader.path(
            "results_dir", default: .null, "Folder of results instead of results_dir/evaluate.")
        batchSize = reader.int("batch_size", default: 3, in: 1...65536, "Objects in a batch.")
        precision = reader.choice(
            "precision", default: .auto, ours: true, inferencePrecisionSummary)
        usesMixedModel = reader.flag(
            "use_mixed_model_test", default: false, usedBy: [.train, .evaluate],
            "Evaluate the mean of student and teacher; goes before use_teacher_test.")
        usesTeacher = reader.flag(
            "use_teacher_test", default: false, usedBy: [.train, .evaluate],
            "Evaluate the teacher instead of the student.")
        let wantsClustering = reader.flag(
            "comp_clustering", default: false, usedBy: [],
            "Only false: TAO declares a clustering score and never computes it.")
        reader.check(
            !wantsClustering, "comp_clustering",
            "must be false: TAO declares a clustering score, never computes it and reports NaN, so "
                + "there is nothing to be equal to; `mal evaluate` gives mIoU, and `mal evaluate "
                + "--predictions` average precision and boundary IoU",
            found: "true")
        usesFlip = reader.flag(
            "use_flip_test", default: false, usedBy: [.train, .evaluate],
            "Average with the result on the mirrored crop.")
        cleansUp = reader.flag(
            "cleanup", default: false, ours: true, "Clean masks up before they are measured.")
        sweep = reader.numbers(
            "sweep", default: [], in: 0.0...1, ours: true,
            "Thresholds to measure besides train.mask_thres, each for boxes of all sizes.")
    }
}
