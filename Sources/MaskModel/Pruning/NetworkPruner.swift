package import Torch

// B crops, N tokens, C channels of the network that is pruned, c of the smaller one.

/// Makes a smaller network of a plain vision transformer with its heads. Nothing is trained.
///
/// The residual stream is turned to its principal directions and cut to the first (the idea of SliceGPT,
/// Ashkboos et al. 2024). Each block keeps the heads and hidden units that add most to it. What is left out
/// is made good by least squares, layer by layer, towards what the whole network computes on some crops. The
/// mask head keeps channels in the same way.
package final class NetworkPruner {
    package typealias Progress = (_ stage: String, _ done: Int, _ total: Int) throws -> Void

    let network: MaskNetwork
    let transformer: VisionTransformer
    let target: MaskNetworkConfiguration
    let batches: [PruningBatch]
    private let onBatch: Progress
    private var done = 0
    var measures: PruningMeasures
    /// The principal directions as columns, (C, c).
    var basis: Tensor
    /// The same, without the stream's mean over channels, of which layer norms take no notice.
    private var cut: Tensor
    /// Of each batch the streams of the whole network and of the smaller one, (B, N, C) and (B, N, c).
    var wide: [Tensor] = []
    var slim: [Tensor] = []
    private var parameters: [(name: String, tensor: Tensor)] = []

    /// - Parameters:
    ///   - network: with a ViT as its backbone, in float32.
    ///   - target: what ``MaskNetworkConfiguration/pruned(keeping:patchSize:channels:)`` gave.
    ///   - onBatch: called for each pass of a batch; what it throws ends the work.
    package init(
        _ network: MaskNetwork, to target: MaskNetworkConfiguration, batches: [PruningBatch],
        onBatch: @escaping Progress
    ) {
        guard let transformer = network.backbone.transformer, network.configuration.canBePruned
        else { preconditionFailure("\(network.configuration.backbone.layout) can't be pruned") }
        self.network = network
        self.transformer = transformer
        self.target = target
        self.batches = batches
        self.onBatch = onBatch
        measures = PruningMeasures(network, transformer)
        (basis, cut) = (.zeros([0]), .zeros([0]))
    }

    /// The smaller network's parameters; nil when the whole network's features of these crops are not all
    /// finite numbers.
    package func run() throws -> [(name: String, tensor: Tensor)]? {
        try withoutGradients {
            for (index, batch) in batches.enumerated() {
                measures.add(batch.image(), batch.bucket)
                try onBatch("measuring", index + 1, batches.count)
            }
            guard measures.isFinite else { return nil }
            chooseDirections()
            try pruneStem()
            for index in transformer.blocks.indices { try pruneBlock(index) }
            try pruneHeads()
            return parameters
        }
    }

    // MARK: Fits

    /// - Parameter body: gives inputs and targets of a batch to its second argument.
    func fitted(
        _ guess: LinearMap, hasBias: Bool = true, _ body: (Int, (Tensor, Tensor) -> Void) -> Void
    ) throws -> LinearMap {
        var fit = LeastSquares(guess, hasBias: hasBias)
        let fitCount = 4 * transformer.blocks.count + network.maskHead.convs.count + 2
        let total = batches.count * (hasOtherPatches ? fitCount + 1 : fitCount)
        for index in batches.indices {
            body(index) { fit.add($0, $1) }
            done += 1
            try onBatch("pruning", done, total)
        }
        return fit.solution()
    }

    func keep(_ name: String, _ map: LinearMap, shape: [Int]? = nil) {
        let shape = shape ?? map.weight.shape
        parameters.append((name + ".weight", map.weight.reshaped(shape)))
        parameters.append((name + ".bias", map.bias))
    }

    func keepNorm(_ name: String, bias: Tensor? = nil) {
        let width = target.backbone.width
        parameters.append((name + ".weight", .ones([width])))
        parameters.append((name + ".bias", bias ?? .zeros([width])))
    }

    // MARK: The stream

    /// They are turned so that the mean over the new channels, which a layer norm takes away, is along the
    /// least of them.
    private func chooseDirections() {
        let (width, kept) = (transformer.configuration.width, target.backbone.width)
        let vectors = measures.covariance.eigenvectors()
            .narrowed(1, from: width - kept).flipped(1)  // (C, c)
        // A reflection that takes the last axis to the diagonal.
        let axis =
            Tensor.full([kept, 1], 1 / Double(kept).squareRoot(), .float64)
            - Tensor.identity(kept, .float64).narrowed(1, from: kept - 1)
        let turn =
            Tensor.identity(kept, .float64)
            - axis.matmul(axis.transposed(0, 1)) * 2 / axis.squared().sum()
        let turned = vectors.matmul(turn)
        let device = network.roiHead.mlp1.weight.device
        basis = turned.to(.float32).to(device)
        cut = (turned - turned.mean(0, keeping: true)).to(.float32).to(device)
    }

    /// (…, C) in the smaller stream, (…, c).
    private func projected(_ x: Tensor) -> Tensor { x.matmul(cut) }

    /// How much larger a standardised smaller stream is than the same directions of the standardised whole one.
    func deviationRatio() -> Tensor {
        func deviations(_ x: Tensor) -> Tensor {
            (x - x.mean(-1, keeping: true)).squared().mean(-1).sqrt()
        }
        let each = zip(slim, wide).map { (deviations($0) / deviations($1)).flattened(from: 0) }
        return Tensor.concatenated(each).mean()
    }

    /// A layer after a norm, as one of the smaller stream's after a norm without weight and bias.
    private func folded(_ layer: LinearMap, _ norm: LayerNorm) -> LinearMap {
        LinearMap(
            weight: (layer.weight * norm.weight).matmul(cut) * deviationRatio(),
            bias: layer.bias + layer.weight.matmul(norm.bias))
    }

    // MARK: Backbone

    private var hasOtherPatches: Bool {
        target.backbone.patchSize != transformer.configuration.patchSize
    }

    private func pruneStem() throws {
        for batch in batches {
            wide.append(transformer.embedded(transformer.patches(batch.image())))
        }
        slim = wide.map(projected)
        guard case .convolution(let convolution) = transformer.patchEmbed else {
            preconditionFailure("a stem of several convolutions")
        }
        let patch = target.backbone.patchSize
        let weight = convolution.weight.flattened(from: 1)  // (C, 3 · patch²)
        var proj = LinearMap(
            weight: cut.transposed(0, 1).matmul(weight),
            bias: projected(convolution.bias ?? .zeros([weight.size(0)])))
        var table = transformer.positions.table
        if hasOtherPatches {
            let side = target.backbone.tableSide
            table = transformer.positions(height: side, width: side)
            let guess = LinearMap.zeros(
                inputs: 3 * patch * patch, outputs: target.backbone.width, table.device)
            proj = try fitted(guess) { index, add in
                let features = transformer.patches(batches[index].image())
                let tokens = features.flattened(from: 2).transposed(1, 2)
                add(Self.patches(batches[index].resized(), patch), projected(tokens))
            }
            for index in batches.indices {
                let image = batches[index].resized()
                let grid = image.size(2) / patch
                let places = projected(transformer.positions(height: grid, width: grid))
                let tokens = proj(Self.patches(image, patch))
                let first = slim[index].narrowed(1, 0..<1)
                slim[index] = .concatenated(
                    [first, tokens + places.narrowed(1, from: 1)], along: 1)
            }
        }
        parameters.append(("backbone.cls_token", projected(transformer.clsToken)))
        parameters.append(("backbone.pos_embed", projected(table)))
        keep(
            "backbone.patch_embed.proj", proj, shape: [target.backbone.width, 3, patch, patch])
    }

    /// The pixels of each patch, (B, patches, 3 · size²).
    private static func patches(_ image: Tensor, _ size: Int) -> Tensor {
        let side = image.size(2) / size
        return image.reshaped(-1, 3, side, size, side, size).permuted(0, 2, 4, 1, 3, 5)
            .reshaped(-1, side * side, 3 * size * size)
    }

    private func pruneBlock(_ index: Int) throws {
        let block = transformer.blocks[index]
        let name = "backbone.blocks.\(index)."
        let width = transformer.configuration.width
        let headCount = target.backbone.headCount
        let headWidth = width / block.attn.headCount
        let heads = measures.heads(ofBlock: index, count: headCount)
            .flatMap { $0 * headWidth..<($0 + 1) * headWidth }
        try pruneBranch(
            (name + "norm1", block.norm1), (name + "attn.qkv", block.attn.qkv),
            rows: (0..<3).flatMap { part in heads.map { part * width + $0 } },
            (name + "attn.proj", block.written(block.attn.proj, block.ls1)), columns: heads,
            read: { Attention.heads($0, headCount) }, readWide: block.headsRead)
        let units = measures.units(ofBlock: index, count: target.backbone.hiddenWidth)
        try pruneBranch(
            (name + "norm2", block.norm2), (name + "mlp.fc1", block.mlp.fc1), rows: units,
            (name + "mlp.fc2", block.written(block.mlp.fc2, block.ls2)), columns: units,
            read: { gelu(consuming: $0) }, readWide: block.hidden)
        guard target.backbone.layout == .dinov2 else { return }
        for scale in ["ls1", "ls2"] {
            parameters.append((name + scale + ".gamma", .ones([target.backbone.width])))
        }
    }

    /// - Parameters:
    ///   - rows: what stays of the branch's first layer.
    ///   - columns: what its second layer takes of it, after `read`.
    ///   - readWide: from the whole network's stream to what its second layer takes.
    private func pruneBranch(
        _ norm: (name: String, layer: LayerNorm), _ first: (name: String, layer: Linear),
        rows: [Int], _ second: (name: String, map: LinearMap), columns: [Int],
        read: (Tensor) -> Tensor, readWide: (Tensor) -> Tensor
    ) throws {
        let whole = LinearMap(first.layer).keeping(rows: rows)
        let reading = try fitted(folded(whole, norm.layer)) { index, add in
            add(standardized(slim[index]), whole(norm.layer(wide[index])))
        }
        for index in wide.indices {
            wide[index] = wide[index] + second.map(readWide(wide[index]))
        }
        let kept = second.map.keeping(columns: columns)
        let guess = LinearMap(
            weight: cut.transposed(0, 1).matmul(kept.weight), bias: projected(kept.bias))
        func inputs(_ index: Int) -> Tensor { read(reading(standardized(slim[index]))) }
        let writing = try fitted(guess) { index, add in
            add(inputs(index), projected(wide[index]) - slim[index])
        }
        for index in slim.indices { slim[index] = slim[index] + writing(inputs(index)) }
        keepNorm(norm.name)
        keep(first.name, reading)
        keep(second.name, writing)
    }
}
