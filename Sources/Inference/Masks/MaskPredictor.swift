package import MaskModel
import Specs
package import Torch

/// Which network's logits make the mask (SPEC §8). Logits are averaged, not probabilities.
package enum MaskSource: String, Sendable, Equatable {
    case student
    case teacher
    /// The mean of both.
    case mixed
}

/// Network and options of a labelling or evaluation run.
package final class MaskPredictor {
    private let networks: [MaskNetwork]
    private let device: Device
    /// float32, or what autocast computes in.
    private let arithmetic: DType
    private let flipTest: Bool
    /// Areas on a bucket border, or in no bucket, get the bucket below instead of a whole-box mask
    /// (SPEC §5.1 quirk 2, kept only where the reference's numbers are wanted).
    private let repairsBucketBorders: Bool
    /// Whether a batch is to be read when the next one has been started.
    package let readsLate: Bool
    /// Told where the time of batches goes.
    package var profile: StepProfile?
    /// Crops the network takes at once; halved when memory runs out.
    private var largestBatch = Int.max

    /// - Parameters:
    ///   - networks: one, or student and teacher for `.mixed`.
    ///   - arithmetic: as ``Runtime/arithmetic``.
    package init(
        networks: [MaskNetwork], source: MaskSource, device: Device, arithmetic: DType,
        flipTest: Bool,
        repairsBucketBorders: Bool, readsLate: Bool = false
    ) {
        self.readsLate = readsLate
        self.networks = networks
        self.device = device
        // A network in int8 does all but its products in float32.
        self.arithmetic = arithmetic == .int8 ? .float32 : arithmetic
        self.flipTest = flipTest
        summary = source.rawValue + (flipTest ? ", flip" : "")
        self.repairsBucketBorders = repairsBucketBorders
    }

    /// The networks in a word, for results.
    package let summary: String

    /// P = sigmoid(bilinear(logits → S×S)) · box mask (SPEC §8).
    /// - Parameter measuresContrast: whether to tell what the tokens say of the masks too.
    /// - Throws: `LabelingError.outOfMemory` when not even one crop fits.
    package func output(
        of batch: CropBatch, measuresContrast: Bool
    ) throws -> NetworkOutput {
        try start(batch, measuresContrast: measuresContrast).output()
    }

    /// ``output(of:measuresContrast:)`` that does not wait for a device that works on its own.
    func start(_ batch: CropBatch, measuresContrast: Bool) throws -> Prediction {
        var parts: [Prediction.Part] = []
        var start = 0
        while start < batch.items.count {
            let count = min(largestBatch, batch.items.count - start)
            do {
                parts.append(
                    try withRecoverableMemory {
                        part(
                            of: batch, range: start..<start + count,
                            measuresContrast: measuresContrast)
                    })
                start += count
            } catch TorchError.outOfMemory(let reason) {
                guard count > 1 else {
                    throw LabelingError.outOfMemory(
                        batchSize: 1, cropSize: batch.cropSize, reason: reason)
                }
                largestBatch = (count + 1) / 2
            }
        }
        return Prediction(parts: parts)
    }

    private func part(
        of batch: CropBatch, range: Range<Int>, measuresContrast: Bool
    ) -> Prediction.Part {
        withoutGradients {
            let side = batch.cropSize
            let count = range.count
            let perCrop = side * side
            let image = profile.measure(.copies) {
                normalized(
                    Tensor(
                        bytes: batch.pixels, from: range.lowerBound * perCrop * 3,
                        [count, side, side, 3], device: device))
            }
            let areas = batch.items[range].map { networkArea($0.planned.area) }
            var (logits, features) = meanLogits(image, areas: areas)
            if flipTest {
                let flipped = meanLogits(image.flipped(3), areas: areas).logits.flipped(3)
                logits = (logits + flipped) * 0.5
            }
            // Zero, or NaN for a crop with a logit that is not finite: a sigmoid hides infinity.
            logits = logits + (logits * 0).sum(1, 2, 3, keeping: true)
            return profile.measure(.probabilities) {
                let masks = Tensor(
                    bytes: batch.boxMasks, from: range.lowerBound * perCrop,
                    [count, 1, side, side], device: device
                ).to(.float32)
                let upsampled = interpolate(logits, height: side, width: side, .bilinear)
                let probabilities = upsampled.sigmoid() * masks
                return Prediction.Part(
                    probabilities: Readback(probabilities),
                    contrast: measuresContrast
                        ? Readback(
                            TokenContrast.values(
                                of: features, probabilities: probabilities, box: masks)) : nil)
            }
        }
    }

    /// (n, 1, S/4, S/4) float32, and the first network's feature map.
    private func meanLogits(
        _ image: Tensor, areas: [Float]
    ) -> (logits: Tensor, features: Tensor) {
        let all = networks.map { network in
            autocast(arithmetic, on: device) {
                let features = profile.measure(.backbone) { network.features(image) }
                let logits = profile.measure(.heads) { network.logits(features, areas: areas) }
                return (logits: logits.to(.float32), features: features)
            }
        }
        let sum = all.dropFirst().reduce(all[0].logits) { $0 + $1.logits }
        return (all.count > 1 ? sum * (1 / Double(all.count)) : sum, all[0].features)
    }

    private func networkArea(_ area: Float) -> Float {
        guard repairsBucketBorders else { return area }
        switch area {
        case 1024, 9216: return area.nextDown
        case 1e10...: return Float(1e10).nextDown
        default: return area
        }
    }
}

/// What a network gives for a batch of crops.
package struct NetworkOutput: Sendable {
    /// n·S·S values; all of a crop are NaN when one of its logits is not finite.
    package let probabilities: [Float]
    /// n rows of ``TokenContrast/values(of:probabilities:box:)``; nil when they were not asked for.
    package let contrast: [Float]?

    /// What belongs to some of `count` crops.
    package func crops(_ range: Range<Int>, of count: Int) -> NetworkOutput {
        func part(_ values: [Float]) -> [Float] {
            let length = values.count / count
            return Array(values[range.lowerBound * length..<range.upperBound * length])
        }
        return NetworkOutput(probabilities: part(probabilities), contrast: contrast.map(part))
    }

    /// One of `count` crops' contrast.
    package func contrastRow(_ index: Int, of count: Int) -> ArraySlice<Float>? {
        contrast.map { $0[index * ($0.count / count)..<(index + 1) * ($0.count / count)] }
    }
}

/// A batch whose numbers may still be on their way from the device.
struct Prediction {
    struct Part {
        let probabilities: Readback
        let contrast: Readback?
    }

    let parts: [Part]

    /// Waits for them.
    func output() throws -> NetworkOutput {
        try withRecoverableMemory {
            let contrasts = parts.compactMap { $0.contrast?.floats() }
            return NetworkOutput(
                probabilities: parts.count == 1
                    ? parts[0].probabilities.floats()
                    : parts.flatMap { $0.probabilities.floats() },
                contrast: contrasts.isEmpty ? nil : contrasts.flatMap { $0 })
        }
    }
}

extension Tensor {
    /// A byte tensor of a stretch of `bytes`.
    fileprivate convenience init(bytes: [UInt8], from start: Int, _ shape: [Int], device: Device) {
        self.init(shape, .uint8, device: device) { memory in
            bytes.withUnsafeBytes {
                memory.copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: $0[start..<start + memory.count]))
            }
        }
    }
}

/// ImageNet statistics (SPEC §3.4), for a byte image (n, S, S, 3) → (n, 3, S, S) float32.
package func normalized(_ bytes: Tensor) -> Tensor {
    let mean = Tensor([0.485, 0.456, 0.406] as [Float], [1, 3, 1, 1], device: bytes.device)
    let deviation = Tensor([0.229, 0.224, 0.225] as [Float], [1, 3, 1, 1], device: bytes.device)
    let image = bytes.permuted(0, 3, 1, 2).to(.float32).contiguous() / 255
    return (image - mean) / deviation
}
