import Torch

/// A backbone's forward pass in training, cut where activations can be dropped and made again.
struct BackbonePass {
    /// What the first block sees.
    let embedded: Tensor
    /// The blocks, which overwrite their argument when no gradient is recorded. The flag says that a
    /// block ran before in this step, on the same tokens.
    let blocks: [(_ tokens: Tensor, _ isRepeated: Bool) -> Tensor]
    /// The feature map (B, C, h, w) of what the last block gave.
    let featureMap: (_ tokens: Tensor) -> Tensor
}

extension Backbone {
    /// - Parameter dropPathRate: of a ViT's last block; FANs are trained without.
    func pass(
        _ image: Tensor, dropPathRate: Double, freezing: Freezing,
        using generator: inout Generator
    ) -> BackbonePass {
        switch self {
        case .transformer(let network):
            let factors = network.branchFactors(
                rate: dropPathRate, batch: image.size(0), device: image.device,
                freezing: freezing, using: &generator)
            return BackbonePass(
                embedded: network.embedded(network.patches(image)),
                blocks: zip(network.blocks, factors).map { block, factors in
                    { tokens, _ in block(consuming: tokens, factors) }
                },
                featureMap: { network.featureMap($0, of: image) })
        case .fan(let network):
            // A backbone that stays as it is keeps its running statistics too, and so uses them.
            let statistics = freezing.includesBackbone ? BatchStatistics.running : .batch
            let (embedded, grid) = network.embedded(image, statistics)
            return BackbonePass(
                embedded: embedded,
                blocks: network.blocks.map { block in
                    { tokens, isRepeated in
                        block(
                            consuming: tokens, grid: grid,
                            isRepeated && statistics == .batch ? .repeatedBatch : statistics)
                    }
                },
                featureMap: { network.trainedMap($0, grid) })
        }
    }
}

/// The drop path factors of a block's two branches.
struct BranchFactors {
    let attention: Tensor?
    let mlp: Tensor?
}

extension VisionTransformer {
    /// Factors for every block; none for frozen ones, which run as in inference.
    fileprivate func branchFactors(
        rate: Double, batch: Int, device: Device, freezing: Freezing,
        using generator: inout Generator
    ) -> [BranchFactors] {
        blocks.indices.map { index in
            let rate = blocks.count > 1 ? rate * Double(index) / Double(blocks.count - 1) : 0
            guard rate > 0, !freezing.freezes(block: index) else {
                return BranchFactors(attention: nil, mlp: nil)
            }
            return BranchFactors(
                attention: DropPath.factors(
                    rate: rate, batch: batch, device: device, using: &generator),
                mlp: DropPath.factors(
                    rate: rate, batch: batch, device: device, using: &generator))
        }
    }
}
