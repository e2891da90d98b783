import Annotations
import Files
import Foundation
import Imaging
import Inference
package import MaskModel
import Specs
import Torch

/// What `mal train --dry-run` prints.
public struct DryRunReport: Sendable {
    public let text: String
    /// A PNG of the first batch: student images above, teacher images with the boxes below.
    public let picturePath: String

    package init(
        isolation: isolated (any Actor)? = #isolation, run: TrainingRun, pair: StudentTeacher,
        broken: [String], directory: String
    ) async throws {
        var loader = run.loader()
        defer { loader.cancel() }
        picturePath = directory + "/dry_run_batch.png"
        let batch = await loader.next()
        if let batch, batch.count > 0 {
            try makeDirectory(directory)
            try writeWholeFile(
                try ImageCodec.encodePNG(batchPicture(batch)), to: picturePath)
        }
        let parameterCount = pair.studentParameters.reduce(0) { $0 + $1.tensor.count }
        let lines =
            Self.data(run.set, broken: broken) + Self.course(run)
            + Self.size(run, pair, parameterCount) + ["picture      \(picturePath)"]
        text = lines.joined(separator: "\n")
    }

    private static func data(_ set: TrainingSet, broken: [String]) -> [String] {
        var lines = [
            "boxes        \(set.count) of \(set.file.annotations.count), in \(set.imageCount) images"
        ]
        if !set.maskedAnnotations.isEmpty {
            lines.append("  masks      \(set.maskedAnnotations.count) are learned from")
        }
        lines += dropLines(of: set).map { "  left out   \($0)" }
        let buckets = SizeBucket.allCases.map { "\($0) \(set.bucketCounts[$0] ?? 0)" }
        let border = set.bucketCounts[nil] ?? 0
        lines.append(
            "  sizes      " + buckets.joined(separator: ", ")
                + (border > 0 ? ", on a border (never trained) \(border)" : ""))
        let categories = zip(set.file.categories, set.categoryCounts).filter { $1 > 0 }
            .sorted { $0.1 > $1.1 }
        let names = categories.prefix(20).map { "\($0.name ?? "\($0.id)") \($1)" }
        let more = categories.count > 20 ? ", … (\(categories.count) categories)" : ""
        let other = set.uncategorizedCount > 0 ? ", without \(set.uncategorizedCount)" : ""
        lines.append("  categories " + names.joined(separator: ", ") + more + other)
        lines.append(
            broken.isEmpty
                ? "  images     every header can be read"
                : "  images     \(broken.count) cannot be used:")
        lines += broken.prefix(5).map { "    \($0)" }
        return lines
    }

    private static func course(_ run: TrainingRun) -> [String] {
        let train = run.spec.train
        let accumulation =
            train.gradientAccumulationCount > 1 ? " × \(train.gradientAccumulationCount)" : ""
        let rate = String(
            format: "%.3g to %.3g", run.stepSettings.schedule.peak,
            run.stepSettings.schedule.minimum)
        let devices = run.rankCount > 1 ? " on each of \(run.rankCount) processes" : ""
        var lines = [
            "steps        \(run.stepCount): \(run.stepsPerEpoch) an epoch of batches of "
                + "\(train.batchSize)\(accumulation)\(devices), \(train.epochCount) epochs",
            "rate         \(rate), \(train.warmupEpochCount) epochs of warm-up",
        ]
        if let validation = run.validation {
            let file = validation.request.file
            let count = file.annotations.count { TAOFilter.validation.keeps($0, in: file) }
            lines.append(
                "validation   \(count) boxes every \(train.validationInterval) epochs")
        }
        return lines
    }

    private static func size(
        _ run: TrainingRun, _ pair: StudentTeacher, _ parameterCount: Int
    ) -> [String] {
        let bytes = memoryEstimate(
            pair.configuration, parameterCount: parameterCount,
            objectsAtOnce: min(run.spec.train.batchSize, run.objectsAtOnce ?? .max),
            cropSize: run.spec.dataset.cropSize,
            recomputes: run.spec.train.checkpointsActivations)
        let millions = String(format: "%.1f", Double(parameterCount) / 1e6)
        let gigabytes = String(format: "%.1f", Double(bytes) / 1e9)
        let checkpoint = String(format: "%.2f", Double(parameterCount * 16) / 1e9)
        return [
            "network      \(run.spec.model.arch), \(millions) M parameters, twice",
            "memory       about \(gigabytes) GB in fp32 on \(run.device)",
            "checkpoint   \(checkpoint) GB each",
        ]
    }

    /// Weights of both networks, gradients, two moments; activations kept for the backward pass: 16
    /// values a token, channel and block (40 in a FAN), a FAN's stem, and the mask head's maps of large
    /// objects.
    static func memoryEstimate(
        _ configuration: MaskNetworkConfiguration, parameterCount: Int, objectsAtOnce: Int,
        cropSize: Int, recomputes: Bool
    ) -> Int {
        let backbone = configuration.backbone
        let side = Double(cropSize / backbone.tokenStride)
        let perBlock = (side * side + 1) * Double(backbone.width)
        let values: Double = backbone.layout == .fan ? 40 : 16
        let blocks =
            recomputes
            ? perBlock * (Double(backbone.depth) + values)
            : values * perBlock * Double(backbone.depth)
        let head = configuration.maskHead
        let maps = Double(head.convolutionCount - 1) * 4 * side * side + 16 * side * side
        let perObject =
            blocks + stemValues(backbone, cropSize: cropSize)
            + 2 * maps * Double(head.hiddenChannels)
        let activations = perObject * Double(objectsAtOnce) * 4
        let process = 4e8
        let total = Double(parameterCount) * 5 * 4 + activations + process
        return Int(min(total, 1e18))
    }
}

/// What a FAN's stem keeps for the backward pass.
private func stemValues(_ backbone: BackboneConfiguration, cropSize: Int) -> Double {
    let pixels = Double(cropSize) * Double(cropSize)
    guard backbone.layout == .fan else { return 0 }
    guard !backbone.stem.isEmpty else {
        // Four convolutions, each with norm and GELU; twice as wide at half the side every time.
        let halves: [Double] = [32, 64, 128, 256]
        return halves.reduce(0) { $0 + 3 * Double(backbone.width) * pixels / $1 }
    }
    return zip(backbone.stem, [4, 8]).reduce(0) { sum, stage in
        let (stage, stride) = stage
        return sum + 12 * Double(stage.depth * stage.width) * pixels / Double(stride * stride)
    }
}

/// Two rows: what the student gets, and what the teacher gets with the box tinted.
private func batchPicture(_ batch: TrainingBatch) -> RGBImage {
    let side = batch.cropSize
    let count = min(batch.count, 8)
    let width = count * side
    var pixels = [UInt8](repeating: 0, count: 2 * side * width * 3)
    for item in 0..<count {
        for y in 0..<side {
            for x in 0..<side {
                let source = (item * side + y) * side + x
                let upper = (y * width + item * side + x) * 3
                let lower = upper + side * width * 3
                let isBox = batch.mask[source] != 0
                for channel in 0..<3 {
                    pixels[upper + channel] = batch.image[source * 3 + channel]
                    let value = Int(batch.teacherImage[source * 3 + channel])
                    let tint = channel == 0 ? 255 : 40
                    pixels[lower + channel] = UInt8(isBox ? (value * 2 + tint) / 3 : value)
                }
            }
        }
    }
    return RGBImage(size: Size(height: 2 * side, width: width), pixels: pixels)
}

/// `12 × the area is dataset.min_obj_size or less`, a line a reason.
package func dropLines(of set: TrainingSet) -> [String] {
    set.dropCounts.sorted { $0.key.rawValue < $1.key.rawValue }.map { "\($1) × \($0)" }
}
