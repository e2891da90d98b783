package import Inference
package import MaskModel
package import Specs
package import Torch

// n boxes of a batch, S side of a crop, o side of the maps that are compared.

/// Measures two networks on boxes without knowing their masks. All numbers are from 0 to 1, and 1 is best.
package struct ModelComparison: Codable, Equatable, Sendable {
    package struct Measures: Codable, Equatable, Sendable {
        /// How well the rows and columns of a mask are those of its box: 1 − half the loss of ``multipleInstanceLoss``.
        package var boxFit = 0.0
        /// IoU of a mask with that of the mirrored crop.
        package var mirror = 0.0
        /// IoU of masks on ``Composites`` with what is known of them. Each network cuts out half of the objects,
        /// so that none of the two is asked for its own habits only.
        package var composites = 0.0

        package init() {}
    }

    package internal(set) var before = Measures()
    package internal(set) var after = Measures()
    /// IoU of the one network's masks with the other's.
    package internal(set) var agreement = 0.0
    package internal(set) var boxCount = 0
    /// Boxes that composites could be made of, each by how sure the networks are of it.
    package internal(set) var compositeWeight = 0.0

    package init() {}

    /// - Returns: nil when `shouldStop` ended it.
    package init?(
        _ before: MaskNetwork, _ after: MaskNetwork, plan: BoxPlan, settings: CropSettings,
        device: Device, arithmetic: DType, isolation: isolated (any Actor)? = #isolation,
        shouldStop: () -> Bool, onEvent: RunEventHandler
    ) async throws {
        var loader = CropBatchLoader(plan: plan, settings: settings)
        defer { loader.cancel() }
        var generator = Generator(seed: 1)
        let pair = NetworkPair(
            networks: [before, after], device: device, arithmetic: arithmetic,
            side: settings.cropSize / 4)
        while let batch = await loader.next() {
            guard !shouldStop() else { return nil }
            guard !batch.items.isEmpty else { continue }
            try withRecoverableMemory {
                withoutGradients { add(batch, pair, using: &generator) }
            }
            onEvent(
                .progress(
                    stage: "comparing", done: boxCount, total: plan.boxes.count, unit: "boxes"))
        }
        for measures in [\ModelComparison.before, \.after] {
            self[keyPath: measures].boxFit /= Double(max(boxCount, 1))
            self[keyPath: measures].mirror /= Double(max(boxCount, 1))
            self[keyPath: measures].composites /= max(compositeWeight, 1e-6)
        }
        agreement /= Double(max(boxCount, 1))
    }

    /// Adds a batch's sums.
    private mutating func add(
        _ batch: CropBatch, _ pair: NetworkPair, using generator: inout Generator
    ) {
        let (count, side) = (batch.items.count, batch.cropSize)
        let areas = batch.items.map(\.planned.area)
        let image = normalized(
            Tensor(bytes: batch.pixels, [count, side, side, 3], device: pair.device))
        let mask = Tensor(bytes: batch.boxMasks, [count, 1, side, side], device: pair.device)
            .to(.float32)
        let box = hard(pair.resized(mask).selecting(1, 0))
        let probabilities = pair.probabilities(image, areas).map { $0 * box }
        let masks = probabilities.map(hard)
        let mirrored = pair.probabilities(image.flipped(3), areas)
            .map { hard($0.flipped(2) * box) }
        let fit = masks.map { total(1 - multipleInstanceLoss($0, box) / 2) }
        let mirror = zip(masks, mirrored).map { total(iou($0, $1)) }
        (before.boxFit, after.boxFit) = (before.boxFit + fit[0], after.boxFit + fit[1])
        (before.mirror, after.mirror) = (before.mirror + mirror[0], after.mirror + mirror[1])
        agreement += total(iou(masks[0], masks[1]))
        boxCount += count
        guard count > 1 else { return }
        let start = generator
        for cutter in probabilities {
            // The same places for both cutters.
            generator = start
            let made = Composites()(
                image: image, probabilities: cutter, mask: mask, using: &generator)
            let weight = made.weight.selecting(1, 0)
            let found = pair.probabilities(made.image, areas).map {
                total(iou(hard($0 * box), made.target) * weight)
            }
            before.composites += found[0]
            after.composites += found[1]
            compositeWeight += total(weight)
        }
    }
}

/// Two networks that see the same crops.
private struct NetworkPair {
    let networks: [MaskNetwork]
    let device: Device
    let arithmetic: DType
    /// o: networks with other patches have other maps.
    let side: Int

    /// (n, o, o) of each.
    func probabilities(_ image: Tensor, _ areas: [Float]) -> [Tensor] {
        networks.map { network in
            let logits = autocast(arithmetic, on: device) { network(image: image, areas: areas) }
            return resized(logits.to(.float32).sigmoid()).selecting(1, 0)
        }
    }

    func resized(_ x: Tensor) -> Tensor {
        x.size(2) == side && x.size(3) == side
            ? x : interpolate(x, height: side, width: side, .bilinear)
    }
}

private func hard(_ probabilities: Tensor) -> Tensor { (probabilities .> 0.5).to(.float32) }

/// (n)
private func iou(_ a: Tensor, _ b: Tensor) -> Tensor {
    Tensor.minimum(a, b).sum(1, 2) / (Tensor.maximum(a, b).sum(1, 2) + 1e-6)
}

private func total(_ x: Tensor) -> Double { Double(x.sum().item()) }
