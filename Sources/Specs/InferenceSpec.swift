/// Labeling: boxes to masks.
package struct InferenceSpec: Sendable, Equatable {
    package let gpus: GPUSpec
    /// Present whenever the spec was read for `inference`.
    package let checkpoint: String?
    package let tensorRTEngine: String?
    package let resultsDir: String?
    package let batchSize: Int
    package let precision: PrecisionChoice
    /// Present whenever the spec was read for `inference`.
    package let annotationPath: String?
    /// Present whenever the spec was read for `inference`.
    package let imageDir: String?
    /// As given; `Spec.labelPath` is where it points.
    package let labelDumpPath: String
    package let loadsMasks: Bool
    package let cleansUp: Bool
    package let writesScores: Bool

    init(_ reader: SpecReader) {
        gpus = GPUSpec(reader)
        checkpoint = reader.path(
            "checkpoint", default: .mandatory, mandatoryFor: [.inference], "Weights to label with.")
        tensorRTEngine = reader.path(
            "trt_engine", default: .null, usedBy: [], "TensorRT engine of TAO Deploy.")
        resultsDir = reader.path(
            "results_dir", default: .null, "Folder of results instead of results_dir/inference.")
        batchSize = reader.int("batch_size", default: 3, in: 1...65536, "Objects in a batch.")
        precision = reader.choice(
            "precision", default: .auto, ours: true, inferencePrecisionSummary)
        annotationPath = reader.path(
            "ann_path", default: .text("/data/raw-data/annotations/instances_val2017.json"),
            mandatoryFor: [.inference], "COCO file with the boxes to label.")
        imageDir = reader.path(
            "img_dir", default: .text("/data/raw-data/val2017/"), mandatoryFor: [.inference],
            "Folder of the images.")
        labelDumpPath =
            reader.path(
                "label_dump_path", default: .text("instances_val2017_mal.json"),
                mandatoryFor: [.inference],
                "COCO file to write, in the results folder unless it is absolute.")
            ?? "instances_val2017_mal.json"
        loadsMasks = reader.flag(
            "load_mask", default: false, "Read the true masks too and write each IoU.")
        cleansUp = reader.flag(
            "cleanup", default: false, ours: true,
            "Remove islands, pin-holes and pixels outside the box; `mal label` does unless this "
                + "is set to false.")
        writesScores = reader.flag(
            "score", default: false, ours: true,
            "Write each mask's estimated IoU; `mal label` does unless this is set to false.")
    }
}
