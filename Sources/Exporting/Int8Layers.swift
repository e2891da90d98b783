import MaskModel
import Torch

// C input channels of a layer.

/// Which layers of an exported network compute in int8, and the ranges of what goes into them.
///
/// Ranges are fixed and the same for all channels of a layer, so a channel that is larger than the others costs
/// them digits. Where a layer follows a norm, or the values of attention, such channels are made smaller and
/// their weights larger, which gives the same numbers (Xiao et al. 2023, SmoothQuant).
struct Int8Layers {
    /// Of a layer's input, by the layer's place: what one step of int8 stands for.
    private(set) var steps: [String: Float] = [:]
    /// Layers that were measured and stay in float32: next to a few large numbers the others would be nothing.
    private(set) var kept: [String] = []
    /// The weights, with the channels' sizes evened out.
    private(set) var weights: [String: Tensor]

    /// The steps of an input to each side of 0.
    static let reach: Float = 127
    /// The steps of a weight to each side of 0. With 64 or more, processors without VNNI overflow the 16 bits in
    /// which they add two products.
    static let weightReach: Float = 63
    /// A step that is coarser than this share of the mean amount leaves too little of a layer's input.
    private static let coarsest: Float = 0.5

    init(
        _ configuration: MaskNetworkConfiguration, weights: [String: Tensor],
        recorder: InputRecorder
    ) {
        self.weights = weights
        var inputs = recorder.inputs
        if configuration.backbone.layout != .fan {
            for index in 0..<configuration.backbone.depth {
                smooth(&inputs, block: "backbone.blocks.\(index)")
            }
        }
        for (place, input) in inputs.sorted(by: { $0.key < $1.key }) {
            let largest = Tensor.maximum(input.largest, input.least * -1).amax().item()
            let mean = input.amounts.mean(0).item() / Float(input.count)
            let step = largest / Self.reach
            guard step > 0, step.isFinite else { continue }
            if step <= Self.coarsest * mean { steps[place] = step } else { kept.append(place) }
        }
    }

    private mutating func smooth(_ inputs: inout [String: InputRecorder.Inputs], block: String) {
        for (norm, layer) in [("norm1", "attn.qkv"), ("norm2", "mlp.fc1")] {
            let factors = shift(&inputs, to: "\(block).\(layer)")
            guard let factors else { continue }
            for name in ["\(block).\(norm).weight", "\(block).\(norm).bias"] {
                weights[name] = weights[name].map { $0 / factors }
            }
        }
        // The values are the last third of what qkv gives.
        let qkv = block + ".attn.qkv"
        guard let factors = shift(&inputs, to: block + ".attn.proj") else { return }
        let all = Tensor.concatenated([
            .ones([2 * factors.count]), Tensor.ones([factors.count]) / factors,
        ])
        weights[qkv + ".weight"] = weights[qkv + ".weight"].map { $0 * all.unsqueezed(1) }
        weights[qkv + ".bias"] = weights[qkv + ".bias"].map { $0 * all }
    }

    /// Moves size from a layer's input to its weight: the weight is multiplied by a factor for each channel.
    ///
    /// - Returns: the factors (C) that the input has to be divided by.
    private mutating func shift(
        _ inputs: inout [String: InputRecorder.Inputs], to layer: String
    ) -> Tensor? {
        guard let weight = weights[layer + ".weight"], let input = inputs[layer] else {
            return nil
        }
        let sizes = Tensor.maximum(input.largest, input.least * -1)
        // A channel that is always 0 stays as it is.
        let share =
            Tensor.maximum(sizes, .full([1], 1e-6))
            / Tensor.maximum(weight.abs().amax(0), .full([1], 1e-6))
        let factors = share.sqrt()
        weights[layer + ".weight"] = weight * factors
        inputs[layer] = InputRecorder.Inputs(
            least: input.least / factors, largest: input.largest / factors,
            amounts: input.amounts / factors, count: input.count)
        return factors
    }
}
