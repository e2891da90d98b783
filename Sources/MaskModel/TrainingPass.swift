package import Torch

// B batch, N tokens, C channels.

/// What the student's forward pass in training does beyond inference.
package struct TrainingOptions: Sendable, Equatable {
    /// float32, or what autocast computes in.
    package var arithmetic: DType
    /// The last block's probability to be left out for a sample; it rises evenly from 0 at the first
    /// (`model.vit_dpr`; SPEC §4.2).
    package var dropPathRate: Double
    /// Whether the blocks' activations are computed again in the backward pass instead of kept.
    package var recomputesActivations: Bool

    package init(
        arithmetic: DType = .float32, dropPathRate: Double = 0,
        recomputesActivations: Bool = false
    ) {
        self.arithmetic = arithmetic
        self.dropPathRate = dropPathRate
        self.recomputesActivations = recomputesActivations
    }
}

/// The drop path factors of a block's two branches.
struct BranchFactors {
    let attention: Tensor?
    let mlp: Tensor?
}

/// A student's forward pass whose backward pass is still to come.
package struct TrainingPass {
    /// (B, 1, o, o), in the type of the arithmetic.
    package let logits: Tensor
    private let recomputation: Recomputation?
    /// The feature map and the leaf that the heads see of it, when the mask head is run by a recorder.
    private let split: (features: Tensor, leaf: Tensor, recorder: MaskHeadRecorder)?

    /// - Parameters: image, areas: as ``MaskNetwork/callAsFunction(image:areas:)``.
    package init(
        _ pair: StudentTeacher, image: Tensor, areas: [Float], _ options: TrainingOptions,
        using generator: inout Generator
    ) {
        let network = pair.student
        let factors = network.backbone.branchFactors(
            rate: options.dropPathRate, batch: image.size(0), device: image.device,
            freezing: pair.freezing, using: &generator)
        var recomputation: Recomputation?
        var split: (features: Tensor, leaf: Tensor, recorder: MaskHeadRecorder)?
        logits = autocast(options.arithmetic, on: image.device) {
            let backbone = network.backbone
            var tokens = backbone.embedded(backbone.patches(image))
            if options.recomputesActivations {
                let made = Recomputation(
                    tokens, blocks: backbone.blocks, factors, arithmetic: options.arithmetic)
                tokens = made.output
                recomputation = made
            } else {
                for (block, factors) in zip(backbone.blocks, factors) {
                    tokens = block(consuming: tokens, factors)
                }
            }
            let features = backbone.featureMap(tokens, of: image)
            guard network.maskHead.usesWinograd(for: features) else {
                return network.logits(features, areas: areas)
            }
            let (leaf, recorder) = (features.detached(), MaskHeadRecorder(network.maskHead))
            leaf.requiresGradient = true
            split = (features, leaf, recorder)
            return network.logits(leaf, areas: areas, head: recorder.callAsFunction)
        }
        self.split = split
        self.recomputation = recomputation
    }

    /// Adds the gradients of `loss`, which came from the logits, to those of the parameters.
    package func backward(_ loss: Tensor) {
        // A batch with no object in any bucket has constant logits (SPEC §12, quirk 3).
        guard loss.requiresGradient else { return }
        loss.backward()
        if let split {
            split.recorder.backward()
            if split.features.requiresGradient, let gradient = split.leaf.gradient {
                split.features.backward(from: gradient)
            }
        }
        recomputation?.backward()
    }
}

/// Blocks that were run without recording. Backward runs them again one by one, from the last
/// (Chen et al. 2016).
private final class Recomputation {
    /// What the rest of the network computes on; receives the gradient.
    let output: Tensor
    private let embedded: Tensor
    private var inputs: [Tensor]
    private let blocks: [TransformerBlock]
    private let factors: [BranchFactors]
    private let arithmetic: DType

    init(
        _ embedded: Tensor, blocks: [TransformerBlock], _ factors: [BranchFactors],
        arithmetic: DType
    ) {
        self.embedded = embedded
        self.blocks = blocks
        self.factors = factors
        self.arithmetic = arithmetic
        var tokens = embedded.detached()
        var inputs: [Tensor] = []
        withoutGradients {
            for (block, factors) in zip(blocks, factors) {
                inputs.append(tokens)
                tokens = block(consuming: tokens.cloned(), factors)
            }
        }
        self.inputs = inputs
        output = tokens
        output.requiresGradient = true
    }

    func backward() {
        guard var gradient = output.gradient else { return }
        output.gradient = nil
        for (block, factors) in zip(blocks, factors).reversed() {
            guard let input = inputs.popLast() else { return }
            let leaf = input.detached()
            leaf.requiresGradient = true
            let again = autocast(arithmetic, on: leaf.device) { block(consuming: leaf, factors) }
            again.backward(from: gradient)
            guard let next = leaf.gradient else { return }
            gradient = next
        }
        if embedded.requiresGradient { embedded.backward(from: gradient) }
    }
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
