import Annotations
public import Imaging
import Inference
public import Specs
import Torch

/// Gives the objects in boxes their masks, in memory: the library's front door.
///
///     let labeler = try await MaskLabeler()
///     let image = try Image(contentsOf: URL(fileURLWithPath: "street.jpg"))
///     let masks = try await labeler.masks(in: image, boxes: [Box(x: 40, y: 12, width: 90, height: 130)])
///
/// It loads its model once. Any number of tasks may call it at the same time: their boxes share batches. Memory is
/// bounded: at most ``Options/batchSize`` × 6 crops are held, whatever callers bring. A cancelled task's boxes are
/// taken out. Masks are those of `mal label`.
///
/// What shares a batch with a box can change the last bits of its probabilities, because the processor's matrix
/// products order their sums by the number of rows: by less than 1e-5, which moves single pixels at the mask's edge.
public final class MaskLabeler: Sendable {
    /// Which network labels.
    public enum Model: Sendable, Equatable {
        /// The model that comes with mal.
        case `default`
        /// The small one that comes with mal: about four times as fast, less exact.
        case tiny
        /// A file of ours or of TAO's, or a checkpoint folder of a training run.
        case file(String)

        var checkpoint: String {
            switch self {
            case .default: ModelFiles.defaultName
            case .tiny: "tiny"
            case .file(let path): path
            }
        }
    }

    /// What may differ from `mal label` without options.
    public struct Options: Sendable {
        public enum Device: String, Sendable {
            case auto, cpu, cuda
        }

        public enum Precision: String, Sendable {
            case auto, fp32, bf16, fp16
            /// Linear layers in 8 bits, on a CPU: faster, and less exact.
            case int8
        }

        /// `auto` takes a GPU where there is one.
        public var device = Device.auto
        public var precision = Precision.auto
        /// Side of the network's input in pixels; nil is what the model was trained for.
        public var cropSize: Int?
        /// Probability from which a pixel is the object's, above 0 and below 1; nil is what suits the model.
        public var threshold: Double?
        /// Removes islands, pin-holes and pixels outside the box.
        public var cleansUp = true
        /// The most crops that the network gets at once.
        public var batchSize = 8
        /// CPU threads of one operator; nil is one a core.
        public var threads: Int?
        /// Whether masks come with the network's probabilities.
        public var keepsProbabilities = false

        public init(device: Device = .auto) {
            self.device = device
        }

        /// The spec keys that stand for them.
        fileprivate var settings: [SpecSetting] {
            var settings = [
                SpecSetting("device", "device", .text(device.rawValue)),
                SpecSetting("precision", "inference.precision", .text(precision.rawValue)),
                SpecSetting("cleansUp", "inference.cleanup", .flag(cleansUp)),
                SpecSetting("batchSize", "inference.batch_size", .integer(batchSize)),
            ]
            if let cropSize {
                settings.append(SpecSetting("cropSize", "dataset.crop_size", .integer(cropSize)))
            }
            return settings
        }
    }

    private let queue: NetworkQueue
    private let gate: Gate
    private let crops: CropSettings
    private let thresholds: [Float]
    private let extras: MaskExtras
    private let confidence: ConfidenceModel
    private let keepsProbabilities: Bool

    /// Loads a model.
    ///
    /// - Parameter onEvent: told notes and warnings.
    /// - Throws: `SpecError` or `LabelingError` for an option that can't be; `CheckpointError`, `MaskModelError` for
    ///   a file that is no model; `TorchError` for a device that is not there.
    public init(
        model: Model = .default, options: Options = Options(),
        onEvent: @escaping RunEventHandler = { _ in }
    ) async throws {
        let threads = options.threads
        guard (1...4096).contains(threads ?? 1) else {
            throw LabelingError.wrongOption("threads must be 1 to 4096, is \(threads ?? 0)")
        }
        if let threshold = options.threshold, !(threshold > 0 && threshold < 1) {
            throw LabelingError.wrongOption(
                "threshold must be above 0 and below 1, is \(threshold)")
        }
        let unused = ["inference.img_dir", "inference.ann_path", "inference.label_dump_path"]
        let (spec, warnings) = try Spec.read(
            path: nil, overrides: [],
            settings: options.settings
                + [SpecSetting("model", "inference.checkpoint", .text(model.checkpoint))]
                + unused.map { SpecSetting($0, $0, .text("-")) }
                + [SpecSetting("results_dir", "results_dir", .text("."))],
            command: .inference)
        for warning in warnings { onEvent(.warning(warning)) }
        let network = try LabelNetwork(
            spec: spec, isFromFile: false, style: .lossless, onEvent: onEvent)
        crops = CropSettings(
            cropSize: network.cropSize, marginRate: network.marginRate,
            batchSize: network.batchSize, decoding: DecodeOptions(), adaptive: network.adaptiveCrop)
        thresholds =
            options.threshold.map { [Float](repeating: Float($0), count: 3) } ?? network.thresholds
        confidence = network.model.confidence
        extras = MaskExtras(cleanup: network.cleanup, confidence: confidence)
        keepsProbabilities = options.keepsProbabilities
        queue = try NetworkQueue(network, threads: threads)
        // Some wait for the network, some are cut, some are pasted.
        gate = Gate(places: 6)
    }

    /// Labels boxes of an image.
    ///
    /// - Parameter boxes: in pixels; what reaches over the image's edge is clipped.
    /// - Returns: a mask for each box, in their order.
    /// - Throws: `LabelingError.wrongUse` for a box that has no pixel of the image, before any is labelled;
    ///   `LabelingError.outOfMemory`; `LabelingError.outputNotFinite` with the boxes' places; `CancellationError`.
    public func masks(in image: Image, boxes: [Box]) async throws -> [ObjectMask] {
        let size = image.pixels.size
        let planned = try boxes.enumerated().map { place, box in
            guard let planned = PlannedBox(box, place: place, imageSize: size) else {
                throw LabelingError.wrongUse(
                    "boxes[\(place)]: expected a box with pixels of the image, which is \(size), "
                        + "found x \(box.minX), y \(box.minY), width \(box.width), height \(box.height)"
                )
            }
            return planned
        }
        let neighbours = BoxNeighbours([0: planned.map(\.box)])
        let region = ImageRegion(image.pixels)
        var masks = [ObjectMask?](repeating: nil, count: boxes.count)
        try await withThrowingTaskGroup(of: [(place: Int, mask: ObjectMask)].self) { group in
            for start in stride(from: 0, to: planned.count, by: crops.batchSize) {
                let part = Array(planned[start..<min(start + crops.batchSize, planned.count)])
                group.addTask { [self] in
                    try await gate.withPlace {
                        try await label(part, boxes, region, neighbours)
                    }
                }
            }
            for try await part in group {
                for (place, mask) in part { masks[place] = mask }
            }
        }
        return masks.compactMap { $0 }
    }

    private func label(
        _ planned: [PlannedBox], _ boxes: [Box], _ region: ImageRegion, _ neighbours: BoxNeighbours
    ) async throws -> [(place: Int, mask: ObjectMask)] {
        let batch = try CropBatch(planned, of: region, settings: crops)
        let output = try await queue.output(of: batch)
        let stride = batch.cropSize * batch.cropSize
        return try batch.items.indices.map { index in
            try Task.checkCancellation()
            let (item, place) = (batch.items[index], batch.items[index].planned.place)
            let values = output.probabilities[index * stride..<(index + 1) * stride]
            guard !(values.first?.isNaN ?? false) else {
                throw LabelingError.outputNotFinite(annotationIDs: ["boxes[\(place)]"])
            }
            let crop = batch.pasted(
                index, output: output, thresholds: thresholds, extras: extras,
                neighbours: neighbours)
            let rle = RLE(pasted: crop.mask, imageSize: item.imageSize)
            let score = rle.area > 0 ? crop.notes.features.map(confidence.score) : nil
            let window = item.window
            return (
                place,
                ObjectMask(
                    box: boxes[place], score: score ?? 0, rle: rle,
                    probabilities: keepsProbabilities
                        ? ObjectMask.Probabilities(
                            side: batch.cropSize, values: Array(values),
                            window: Box(
                                minX: Double(window.minX), minY: Double(window.minY),
                                maxX: Double(window.maxX), maxY: Double(window.maxY))) : nil)
            )
        }
    }
}
