import Annotations
import ArgumentParser
import Files
import Foundation
import Imaging
import Inference
import MaskModel
import Specs
import Torch

/// What tools/confidence/fit.py makes a fit of.
struct Scores: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Features, mean token and (with true masks) IoU of each mask, as JSON lines.")

    @Option(help: "A COCO file with the boxes, and with true masks if there are any.")
    var boxes: String

    @Option(help: "The folder of its images.")
    var images: String

    @Option(help: "Weights; default: the model that ships.")
    var checkpoint = "default"

    @Option(help: "The file to write.")
    var out: String

    @Option(help: "CPU threads (default: libtorch's choice).")
    var threads: Int?

    func run() async throws {
        try startLibtorch()
        try await Libtorch.withThreads(threads, measure)
    }

    private func measure() async throws {
        let spec = Spec.standard
        let model = try LabelingModel(
            checkpoint: checkpoint, spec: spec.model, onEvent: { _ in })
        let runtime = try Runtime(
            spec: spec, command: .inference, isFromFile: false, onEvent: { _ in })
        let (side, thresholds) = model.settings(of: spec, isFromFile: false, onEvent: { _ in })
        let predictor = MaskPredictor(
            networks: try model.networks(.student, runtime), source: .student,
            device: runtime.device, arithmetic: runtime.arithmetic, flipTest: false,
            repairsBucketBorders: true)
        let file = try AnnotationFile.read(path: boxes)
        let plan = BoxPlan(
            file: file, imagesDirectory: images, selection: .tao(.validation),
            decoding: DecodeOptions(), onEvent: { _ in })
        let neighbours = BoxNeighbours(plan)
        let extras = MaskExtras(cleanup: MaskCleanup(), confidence: model.confidence)
        var loader = CropBatchLoader(
            plan: plan,
            settings: CropSettings(
                cropSize: side, marginRate: spec.train.testMarginRate, batchSize: 8,
                decoding: DecodeOptions()))
        var lines: [String] = []
        while let crops = await loader.next() {
            let output = try predictor.output(of: crops, measuresContrast: true)
            for (index, item) in crops.items.enumerated() {
                let pasted = crops.pasted(
                    index, output: output, thresholds: thresholds, extras: extras,
                    neighbours: neighbours)
                let annotation = file.annotations[item.planned.annotation]
                let truth = try file.truth(of: annotation, imageSize: item.imageSize)
                let mask = RLE(pasted: pasted.mask, imageSize: item.imageSize)
                let token = output.contrastRow(index, of: crops.items.count)?
                    .dropFirst(TokenContrast.names.count)
                lines.append(
                    "{\"id\": \(jsonID(annotation.id)), \"iou\": "
                        + (truth.map { "\(mask.referenceIoU(with: $0))" } ?? "null")
                        + ", \"features\": \(pasted.notes.features?.values ?? []), "
                        + "\"token\": \(token.map(Array.init) ?? [])}\n")
            }
        }
        let names = MaskFeatures.names.map(jsonText).joined(separator: ", ")
        try OwnFiles.write("{\"names\": [\(names)]}\n" + lines.joined(), to: out)
    }
}
