package import Annotations
import Files
package import Imaging
import Specs
package import Torch

/// How the output file looks.
public enum OutputStyle: String, Sendable, Equatable {
    /// Every input annotation as it came, with `segmentation` and `area` set.
    case lossless
    /// Exactly what the reference writes (SPEC §9): boxes that its filter drops are absent.
    case tao
}

/// Everything that a labelling run depends on.
package struct LabelRequest: Sendable {
    package var imagesDirectory: String
    package var outputPath: String
    /// Folder for one PNG an image with its masks drawn; nil for none.
    package var overlaysDirectory: String?
    package var checkpointPath: String
    package var source = MaskSource.student
    package var cropSize: Int
    /// `test_margin_rate[0]`.
    package var marginRate = 0.6
    /// For small, medium and large boxes.
    package var thresholds: [Float]
    package var batchSize: Int
    package var device: Device
    /// float32, or what autocast computes in.
    package var arithmetic: DType
    package var style = OutputStyle.lossless
    /// Adds the IoU with the annotation's own mask (`load_mask`).
    package var measuresIoU = false
    /// Nil leaves masks as the network gives them.
    package var cleanup: MaskCleanup?
    /// Adds the estimated IoU of each mask; never to a file of `OutputStyle.tao`.
    package var writesScores = false
    package var confidence = ConfidenceModel.standard
    /// File for each mask's features, a line each; nil for none.
    package var featuresPath: String?
    package var decoding = DecodeOptions()
    /// Nil gives every box a crop of `cropSize`.
    package var adaptiveCrop: AdaptiveCrop?
    package var journalMode = JournalMode.automatic
    /// CPU threads of an operator.
    package var threadCount = 1
    /// Refuses to go on where something else computes now.
    package var isStrict = false
    /// The output is there already, made by the same run.
    package var isDone = false
    /// Names of the overrides and options that shape the network, for the fingerprint.
    package var modelDescription = ""

    package init(
        imagesDirectory: String, outputPath: String, checkpointPath: String,
        cropSize: Int, thresholds: [Float], batchSize: Int, device: Device, arithmetic: DType
    ) {
        self.imagesDirectory = imagesDirectory
        self.outputPath = outputPath
        self.checkpointPath = checkpointPath
        self.cropSize = cropSize
        self.thresholds = thresholds
        self.batchSize = batchSize
        self.device = device
        self.arithmetic = arithmetic
    }

    package var cropSettings: CropSettings {
        CropSettings(
            cropSize: cropSize, marginRate: marginRate, batchSize: batchSize, decoding: decoding,
            adaptive: adaptiveCrop)
    }

    package var selection: BoxPlan.Selection { style == .tao ? .tao(.validation) : .all }

    /// What a journal must have been begun with for its results to be of this run.
    package func fingerprint(_ file: AnnotationFile) throws -> RunFingerprint {
        var print = RunFingerprint()
        print.add("boxes file", hex(FNV1a.hash(file)))
        print.add("checkpoint", hex(try ContentHash.hash(file: checkpointPath)))
        print.add("model", modelDescription)
        print.add("networks", source.rawValue)
        print.add("crop size", cropSize)
        if let adaptiveCrop { print.add("adaptive crop", adaptiveCrop) }
        print.add("margin rate", marginRate)
        print.add("thresholds", thresholds)
        print.add("batch size", batchSize)
        // Which of a machine's GPUs it is makes no difference.
        print.add("device", device == .cpu ? "cpu" : "cuda")
        print.add("precision", "\(arithmetic)")
        print.add("output style", style.rawValue)
        print.add("load_mask", measuresIoU)
        print.add("clean-up", cleanup.map { "\($0.islandShare), \($0.holeShare)" } ?? "off")
        print.add("features", measuresFeatures)
        if measuresFeatures { print.add("scores", confidence.json) }
        print.add("EXIF", decoding.applyEXIF)
        if decoding.scales16Bit { print.add("16-bit grey", "scaled") }
        print.add("max pixels", decoding.maxPixels)
        return print
    }

    var measuresFeatures: Bool { featuresPath != nil || (writesScores && style == .lossless) }

    private func hex(_ value: UInt64) -> String { String(value, radix: 16) }
}
