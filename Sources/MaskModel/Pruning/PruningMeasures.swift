import Torch

/// What the parts of a network do on some crops: by this a smaller one is chosen.
struct PruningMeasures {
    private let network: MaskNetwork
    private let transformer: VisionTransformer
    /// Of the normalised stream, summed over the layer norms, (C, C) in float64 on the CPU.
    private(set) var covariance: Tensor
    /// Of each block, what its attention heads and its hidden units give.
    private var heads: [ChannelSums]
    private var units: [ChannelSums]
    private var keyUnits = ChannelSums()
    private var keys = ChannelSums()
    private var channels: [ChannelSums]

    init(_ network: MaskNetwork, _ transformer: VisionTransformer) {
        self.network = network
        self.transformer = transformer
        let width = transformer.configuration.width
        covariance = .zeros([width, width], .float64)
        heads = Array(repeating: ChannelSums(), count: transformer.blocks.count)
        units = heads
        channels = Array(repeating: ChannelSums(), count: network.maskHead.convs.count)
    }

    /// - Parameters:
    ///   - image: (B, 3, S, S) of objects of one size.
    ///   - bucket: their size.
    mutating func add(_ image: Tensor, _ bucket: SizeBucket) {
        var x = transformer.embedded(transformer.patches(image))
        for (index, block) in transformer.blocks.enumerated() {
            addSite(x)
            let read = block.headsRead(x)
            heads[index].add(read)
            x = x + block.written(block.attn.proj, block.ls1)(read)
            addSite(x)
            let hidden = block.hidden(x)
            units[index].add(hidden)
            x = x + block.written(block.mlp.fc2, block.ls2)(hidden)
        }
        // The heads read this one alone.
        addSite(x, weight: max(1, Double(transformer.blocks.count) / 2))
        let features = transformer.featureMap(x, of: image)
        let read = relu(network.roiHead.mlp1(features.mean(2, 3)))
        keyUnits.add(read)
        keys.add(network.roiHead.mlp2(read))
        let maps = MaskHeadMaps(network.maskHead)
        var map = maps.entered(features, network.configuration, bucket)
        for index in channels.indices {
            map = maps.output(of: index, maps.input(of: index, map))
            channels[index].add(map.permuted(0, 2, 3, 1))
        }
    }

    private mutating func addSite(_ x: Tensor, weight: Double = 1) {
        let z = standardized(x).flattened(from: 0, to: 1)
        covariance.add(
            (z.transposed(0, 1).matmul(z) * (weight / Double(z.size(0)))).to(.cpu).to(.float64))
    }

    var isFinite: Bool {
        covariance.isFinite && keys.meanSquares.isFinite
            && channels.allSatisfy { $0.meanSquares.isFinite }
    }

    /// The heads of a block that add most to the stream, in their order.
    func heads(ofBlock index: Int, count: Int) -> [Int] {
        let block = transformer.blocks[index]
        let written = block.written(block.attn.proj, block.ls1).weight
        return heads[index].shares(written).reshaped(block.attn.headCount, -1).sum(1)
            .largest(count)
    }

    /// The hidden units of a block that add most.
    func units(ofBlock index: Int, count: Int) -> [Int] {
        let block = transformer.blocks[index]
        return units[index].shares(block.written(block.mlp.fc2, block.ls2).weight).largest(count)
    }

    /// The units between the key head's layers.
    func keyUnits(count: Int) -> [Int] {
        keyUnits.shares(network.roiHead.mlp2.weight).largest(count)
    }

    /// What a convolution of the mask head gives: the next one reads it, or the keys do.
    func channels(ofConvolution index: Int, count: Int) -> [Int] {
        let convs = network.maskHead.convs
        let reach =
            index + 1 < convs.count
            ? convs[index + 1].weight.squared().sum(0, 2, 3) : keys.meanSquares
        return (channels[index].variances * reach).largest(count)
    }
}

extension ChannelSums {
    /// How much of the variance behind a layer is of each of its inputs.
    fileprivate func shares(_ weight: Tensor) -> Tensor { variances * weight.squared().sum(0) }
}

extension Tensor {
    /// Where the largest values are, in ascending order; of equal ones the first.
    fileprivate func largest(_ count: Int) -> [Int] {
        let values = doubles()
        return values.indices.sorted { (-values[$0], $0) < (-values[$1], $1) }
            .prefix(count).sorted()
    }
}

/// x (…, C) as a layer norm sees it before its weight and bias.
func standardized(_ x: Tensor) -> Tensor {
    let width = x.size(-1)
    return layerNorm(
        x, weight: .ones([width], device: x.device), bias: .zeros([width], device: x.device),
        epsilon: 1e-6)
}

extension TransformerBlock {
    /// What the heads of attention read of the stream, (B, N, C).
    func headsRead(_ x: Tensor) -> Tensor {
        Attention.heads(attn.qkv(norm1(x)), attn.headCount)
    }

    func hidden(_ x: Tensor) -> Tensor { gelu(mlp.fc1(norm2(x))) }

    /// What a branch's last layer adds to the stream, with its layer scale.
    func written(_ layer: Linear, _ scale: LayerScale?) -> LinearMap {
        let map = LinearMap(layer)
        guard let gamma = scale?.gamma else { return map }
        return LinearMap(weight: gamma.unsqueezed(1) * map.weight, bias: gamma * map.bias)
    }
}

/// The steps of a mask head.
struct MaskHeadMaps {
    /// (outputs, inputs, 3, 3), as far as they are known.
    var weights: [Tensor]
    var biases: [Tensor]
    let scaleRatio: Double

    init(scaleRatio: Double) {
        (weights, biases) = ([], [])
        self.scaleRatio = scaleRatio
    }

    init(_ head: MaskHead) {
        weights = head.convs.map(\.weight)
        biases = head.convs.map { $0.bias ?? .zeros([$0.weight.size(0)]) }
        scaleRatio = head.scaleRatio
    }

    /// The feature map in the size that objects of a size get.
    func entered(
        _ features: Tensor, _ configuration: MaskNetworkConfiguration, _ bucket: SizeBucket
    ) -> Tensor {
        let side = features.size(2)
        let mapSide = configuration.adjustsScale ? bucket.mapSide(of: side) : side
        let scaled = Int(Double(mapSide) * configuration.scaleRatioBefore)
        return resized(features, height: scaled, width: scaled)
    }

    /// What a convolution takes, from what the one before it gave.
    func input(of index: Int, _ map: Tensor) -> Tensor {
        index == MaskHead.enlargedBefore ? resized(map, by: scaleRatio) : map
    }

    func output(of index: Int, _ input: Tensor) -> Tensor {
        relu(consuming: conv2d(input, weight: weights[index], bias: biases[index], padding: 1))
    }

    /// What a convolution takes, from what the head takes; of one beyond the last, what the head gives.
    func input(of index: Int, from entered: Tensor) -> Tensor {
        let last = (0..<index).reduce(entered) { output(of: $1, input(of: $1, $0)) }
        return input(of: index, last)
    }
}
