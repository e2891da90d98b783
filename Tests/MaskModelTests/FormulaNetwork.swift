import MaskModel
import TestSupport
import Torch

/// A network with formula weights, whose keys the formula sees behind `prefix`.
func formulaNetwork(_ configuration: MaskNetworkConfiguration, prefix: String) throws
    -> MaskNetwork
{
    let shapes = ParameterStore(loading: [:])
    _ = MaskNetwork(shapes.root, configuration)
    return try MaskNetwork(
        configuration, parameters: FormulaWeights.tensors(shapes.tensors, prefix: prefix))
}

/// A backbone with formula weights.
func formulaBackbone(_ configuration: BackboneConfiguration) throws -> Backbone {
    let shapes = ParameterStore(loading: [:])
    _ = Backbone(shapes.root, configuration)
    let store = ParameterStore(
        loading: FormulaWeights.tensors(shapes.tensors, prefix: "backbone."))
    let backbone = Backbone(store.root, configuration)
    try store.finishLoading()
    return backbone
}

/// The tensors below `prefix`, without it.
func tensors(_ file: [String: Tensor], below prefix: String) -> [String: Tensor] {
    Dictionary(
        uniqueKeysWithValues: file.filter { $0.key.hasPrefix(prefix) }
            .map { (String($0.key.dropFirst(prefix.count)), $0.value) })
}

/// Box areas of a (B, 4) tensor of corners, in float32 as the reference.
func areas(_ boxes: Tensor) -> [Float] {
    let values = boxes.floats()
    return stride(from: 0, to: values.count, by: 4).map {
        (values[$0 + 3] - values[$0 + 1]) * (values[$0 + 2] - values[$0])
    }
}

/// All that TAO names.
let fanNames = [
    "fan_tiny_12_p16_224", "fan_small_12_p16_224", "fan_base_18_p16_224", "fan_large_24_p16_224",
    "fan_tiny_8_p4_hybrid", "fan_small_12_p4_hybrid", "fan_base_16_p4_hybrid",
    "fan_large_16_p4_hybrid",
]

/// The configuration of `micro_fan_init`: 24 wide, 2 blocks, ConvNeXt 16 and 32 wide, heads 32 wide.
let microFAN = MaskNetworkConfiguration(
    backbone: .init(
        layout: .fan, width: 24, depth: 2, headCount: 4, patchSize: 16,
        stem: [.init(width: 16, depth: 1), .init(width: 32, depth: 1)]),
    maskHead: .init(hiddenChannels: 32, outputChannels: 32))

/// The configuration of the small fixture networks: 48 wide, 3 blocks, heads 32 wide.
func microConfiguration(_ layout: BackboneConfiguration.Layout) -> MaskNetworkConfiguration {
    .init(
        backbone: .init(layout: layout, width: 48, depth: 3, headCount: 3, patchSize: 16),
        maskHead: .init(hiddenChannels: 32, outputChannels: 32))
}
