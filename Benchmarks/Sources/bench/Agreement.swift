import Annotations
import ArgumentParser
import Foundation
import Imaging
import Inference
import MaskModel
import Torch

/// How far the masks of half precision are from those of float32: the intersection over union of the two masks
/// of each box, in the pixels of its image.
struct Agreement: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Masks in bf16 and fp16 beside those in fp32, on real photographs.")

    @Option(help: "A COCO file with the boxes.")
    var boxes: String

    @Option(help: "The folder of its images.")
    var images: String

    @Option(help: "Weights; default: the model that ships.")
    var checkpoint = "default"

    @Option(help: "cpu or cuda.")
    var device = "cpu"

    @Option(help: "CPU threads (default: libtorch's choice).")
    var threads: Int?

    @Option(help: "Crops a step.")
    var batch = 8

    @Option(help: "Only so many boxes, the first ones.")
    var limit: Int?

    func validate() throws {
        for (name, value) in [
            ("--batch", batch), ("--threads", threads ?? 1), ("--limit", limit ?? 1),
        ]
        where value < 1 {
            throw ValidationError("\(name) must be 1 or more, is \(value)")
        }
    }

    func run() async throws {
        try startLibtorch()
        try await Libtorch.withThreads(threads, measure)
    }

    private func measure() async throws {
        Libtorch.allowTF32(false)
        let device = try Device(named: device)
        let model = try MaskCheckpoint(path: try ModelFiles.path(for: checkpoint))
        guard let side = model.info.number(.cropSize),
            let threshold = model.info.metadata["mask_thres"].flatMap(Float.init)
        else { throw ValidationError("\(checkpoint) does not tell its crop size and threshold") }
        let network = try model.network(
            .student, MaskNetworkConfiguration(backbone: try model.info.backboneConfiguration()),
            architecture: checkpoint, device: device)
        let predictors = ([.float32] + Self.arithmetics).map { arithmetic in
            MaskPredictor(
                networks: [network], source: .student, device: device, arithmetic: arithmetic,
                flipTest: false, repairsBucketBorders: true)
        }
        let file = try AnnotationFile.read(path: boxes)
        var plan = BoxPlan(
            file: file, imagesDirectory: images, selection: .tao(.validation),
            decoding: DecodeOptions(), onEvent: { _ in })
        if let limit { plan.keepFirst(limit) }
        let settings = CropSettings(
            cropSize: side, marginRate: 0.6, batchSize: batch, decoding: DecodeOptions())
        var loader = CropBatchLoader(plan: plan, settings: settings)
        var overlaps = Self.arithmetics.map { _ in [Double]() }
        while let crops = await loader.next() {
            let masks = try predictors.map { predictor in
                crops.masks(
                    try predictor.output(of: crops, measuresContrast: false).probabilities,
                    side: side, threshold: threshold)
            }
            for (index, halves) in masks.dropFirst().enumerated() {
                overlaps[index] += zip(masks[0], halves).map(overlap)
            }
        }
        for (arithmetic, overlaps) in zip(Self.arithmetics, overlaps) where !overlaps.isEmpty {
            let line = Line(
                arithmetic: "\(arithmetic)", device: "\(device)", boxes: overlaps.count,
                meanIou: overlaps.reduce(0, +) / Double(overlaps.count),
                worstIou: overlaps.min() ?? 0,
                shareOf099: Double(overlaps.count { $0 >= 0.99 }) / Double(overlaps.count))
            let encoder = JSONEncoder()
            encoder.keyEncodingStrategy = .convertToSnakeCase
            encoder.outputFormatting = [.sortedKeys]
            print(String(decoding: try encoder.encode(line), as: UTF8.self))
        }
    }

    private static let arithmetics: [DType] = [.bfloat16, .float16]

    private struct Line: Encodable {
        let arithmetic: String
        let device: String
        let boxes: Int
        let meanIou: Double
        let worstIou: Double
        /// Of masks whose IoU is 0.99 or more.
        let shareOf099: Double
    }
}

/// Two masks without a pixel are the same.
private func overlap(_ a: RLE, _ b: RLE) -> Double {
    a.area == 0 && b.area == 0 ? 1 : a.referenceIoU(with: b)
}

extension CropBatch {
    fileprivate func masks(_ probabilities: [Float], side: Int, threshold: Float) -> [RLE] {
        let stride = side * side
        return items.enumerated().map { index, item in
            let pasted = probabilities[index * stride..<(index + 1) * stride]
                .withUnsafeBufferPointer {
                    pasteMask(
                        probabilities: $0, cropSize: side, window: item.window,
                        imageSize: item.imageSize, threshold: threshold)
                }
            return RLE(pasted: pasted, imageSize: item.imageSize)
        }
    }
}
