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

/// A student's forward pass whose backward pass is still to come.
package struct TrainingPass {
    /// (B, 1, o, o), in the type of the arithmetic.
    package let logits: Tensor
    private let recomputation: Recomputation?
    private let chain: BlockChain?
    /// The feature map and the leaf that the heads see of it, when the mask head is run by a recorder.
    private let split: (features: Tensor, leaf: Tensor, recorder: MaskHeadRecorder)?

    /// - Parameters:
    ///   - image, areas: as ``MaskNetwork/callAsFunction(image:areas:)``.
    ///   - inBlocks: whether ``backward(_:finished:)`` shall go block by block.
    package init(
        _ pair: StudentTeacher, image: Tensor, areas: [Float], _ options: TrainingOptions,
        inBlocks: Bool = false, using generator: inout Generator
    ) {
        let network = pair.student
        var recomputation: Recomputation?
        var chain: BlockChain?
        var split: (features: Tensor, leaf: Tensor, recorder: MaskHeadRecorder)?
        logits = autocast(options.arithmetic, on: image.device) {
            let pass = network.backbone.pass(
                image, dropPathRate: options.dropPathRate, freezing: pair.freezing,
                using: &generator)
            var tokens = pass.embedded
            if options.recomputesActivations {
                let made = Recomputation(pass, arithmetic: options.arithmetic)
                tokens = made.output
                recomputation = made
            } else if inBlocks {
                let made = BlockChain(pass)
                tokens = made.output
                chain = made
            } else {
                for block in pass.blocks { tokens = block(tokens, false) }
            }
            let features = pass.featureMap(tokens)
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
        self.chain = chain
    }

    /// Adds the gradients of `loss`, which came from the logits, to those of the parameters.
    ///
    /// - Parameter finished: told, when the pass goes block by block, that the blocks from one on, the
    ///   final norm and the heads have their gradients; the block is one above the last at first.
    package func backward(_ loss: Tensor, finished: (_ block: Int) -> Void = { _ in }) {
        // A batch with no object in any bucket has constant logits (SPEC §12, quirk 3).
        guard loss.requiresGradient else { return }
        loss.backward()
        if let split {
            split.recorder.backward()
            if split.features.requiresGradient, let gradient = split.leaf.gradient {
                split.features.backward(from: gradient)
            }
        }
        recomputation?.backward(finished)
        chain?.backward(finished)
    }
}

/// Blocks that are recorded apart, so that the lower ones' backward pass can wait.
private final class BlockChain {
    /// What the rest of the network computes on; receives the gradient.
    let output: Tensor
    /// What a block gave, the leaf that the next one saw of it, and the latter's number.
    private var cuts: [(tokens: Tensor, leaf: Tensor, block: Int)] = []

    init(_ pass: BackbonePass) {
        var tokens = pass.embedded
        var cuts: [(tokens: Tensor, leaf: Tensor, block: Int)] = []
        func cut(before block: Int) {
            // Nothing is trained below it.
            guard tokens.requiresGradient else { return }
            let leaf = tokens.detached()
            leaf.requiresGradient = true
            cuts.append((tokens, leaf, block))
            tokens = leaf
        }
        for (index, block) in pass.blocks.enumerated() {
            cut(before: index)
            tokens = block(tokens, false)
        }
        cut(before: pass.blocks.count)
        self.cuts = cuts
        output = tokens
    }

    func backward(_ finished: (_ block: Int) -> Void) {
        while let (tokens, leaf, block) = cuts.popLast() {
            finished(block)
            guard let gradient = leaf.gradient else { return }
            leaf.gradient = nil
            tokens.backward(from: gradient)
        }
    }
}

/// Blocks that were run without recording. Backward runs them again one by one, from the last
/// (Chen et al. 2016).
private final class Recomputation {
    /// What the rest of the network computes on; receives the gradient.
    let output: Tensor
    private let pass: BackbonePass
    private var inputs: [Tensor]
    private let arithmetic: DType

    init(_ pass: BackbonePass, arithmetic: DType) {
        self.pass = pass
        self.arithmetic = arithmetic
        var tokens = pass.embedded.detached()
        var inputs: [Tensor] = []
        withoutGradients {
            for block in pass.blocks {
                inputs.append(tokens)
                tokens = block(tokens.cloned(), false)
            }
        }
        self.inputs = inputs
        output = tokens
        output.requiresGradient = true
    }

    func backward(_ finished: (_ block: Int) -> Void) {
        guard var gradient = output.gradient else { return }
        output.gradient = nil
        for (index, block) in pass.blocks.enumerated().reversed() {
            finished(index + 1)
            guard let input = inputs.popLast() else { return }
            let leaf = input.detached()
            leaf.requiresGradient = true
            let again = autocast(arithmetic, on: leaf.device) { block(leaf, true) }
            again.backward(from: gradient)
            guard let next = leaf.gradient else { return }
            gradient = next
        }
        finished(0)
        if pass.embedded.requiresGradient { pass.embedded.backward(from: gradient) }
    }
}
