import MaskModel
import Torch

// B batch, N tokens, C channels, h the side of the map.

/// The backbones of `MaskModel` as graphs, for crops of one size.
struct BackboneGraph {
    let builder: GraphBuilder
    let configuration: BackboneConfiguration
    /// h
    let side: Int

    private var width: Int { configuration.width }
    private var tokenCount: Int { side * side }
    private static let scope = "backbone"

    /// A normalised image (B, 3, S, S) → (B, C, h, h)
    func callAsFunction(_ image: GraphValue) -> GraphValue {
        let tokens = configuration.layout == .fan ? fan(image) : transformer(image)
        return map(tokens, at: Self.scope)
    }

    /// (B, N, C) → (B, C, h, h)
    private func map(_ tokens: GraphValue, at scope: String) -> GraphValue {
        builder.reshape(
            builder.transpose(tokens, [0, 2, 1], at: scope), [0, width, side, side], at: scope)
    }

    /// (B, C, h, h) → (B, N, C)
    private func tokens(_ map: GraphValue, channels: Int, at scope: String) -> GraphValue {
        builder.transpose(
            builder.reshape(map, [0, channels, tokenCount], at: scope), [0, 2, 1], at: scope)
    }

    private func mlp(_ x: GraphValue, _ scope: String) -> GraphValue {
        builder.linear(builder.gelu(builder.linear(x, scope + ".fc1"), at: scope), scope + ".fc2")
    }

    // MARK: Vision transformers

    private func transformer(_ image: GraphValue) -> GraphValue {
        let scope = Self.scope
        let embedded = builder.cast(patches(image), to: .float32, at: scope + ".patch_embed")
        let patches = tokens(embedded, channels: width, at: scope + ".patch_embed")
        // As many class tokens as images.
        let sizes = builder.node("Shape", [image], at: scope, .int64)
        let count = builder.slice(sizes, axis: 0, 0..<1, at: scope)
        let shape = builder.concatenate([count, builder.integers([1, width])], axis: 0, at: scope)
        let classes = builder.node(
            "Expand", [builder.weight(scope + ".cls_token"), shape], at: scope + ".cls_token")
        var x = builder.add(
            builder.concatenate([classes, patches], axis: 1, at: scope), positions(), at: scope)
        for index in 0..<configuration.depth { x = block(x, "\(scope).blocks.\(index)") }
        x = builder.layerNorm(x, scope + ".norm")
        return builder.slice(x, axis: 1, 1..<tokenCount + 1, at: scope)
    }

    private func patches(_ image: GraphValue) -> GraphValue {
        let scope = Self.scope + ".patch_embed.proj"
        guard configuration.layout == .convStem else {
            let patch = configuration.patchSize
            return builder.convolution(image, scope, kernel: patch, stride: patch)
        }
        var x = image
        for index in 0..<4 {
            x = builder.convolution(x, "\(scope).\(index).0", kernel: 3, stride: 2, padding: 1)
            x = groupNorm(
                x, "\(scope).\(index).1", channels: width / (8 >> index), side: side * (8 >> index))
            x = builder.gelu(x, at: "\(scope).\(index)")
        }
        return builder.convolution(x, scope + ".3.3", kernel: 1)
    }

    /// Of one group: all channels and positions together.
    private func groupNorm(
        _ x: GraphValue, _ scope: String, channels: Int, side: Int
    ) -> GraphValue {
        let one = builder.constant("one") { .ones([1]) }
        let zero = builder.constant("zero") { .zeros([1]) }
        let flat = builder.reshape(
            builder.cast(x, to: .float32, at: scope), [0, 1, channels * side * side], at: scope)
        let normed = builder.node(
            "InstanceNormalization", [flat, one, zero], at: scope, nil, ["epsilon": .float(1e-6)])
        let map = builder.reshape(normed, [0, channels, side, side], at: scope)
        return builder.add(
            builder.multiply(map, channelwise(scope + ".weight", channels), at: scope),
            channelwise(scope + ".bias", channels), at: scope)
    }

    /// A parameter (C) for maps (B, C, ·, ·).
    private func channelwise(_ name: String, _ count: Int) -> GraphValue {
        builder.reshape(builder.weight(name), [1, count, 1, 1], at: name)
    }

    /// (1, 1 + N, C): runtimes compute it once, when they load the file.
    private func positions() -> GraphValue {
        let name = Self.scope + ".pos_embed"
        let (table, count) = (builder.weight(name), configuration.tableSide)
        guard count != side else { return table }
        let rows = builder.constant("pos_embed.resampling") {
            PositionEmbedding.resampling(configuration, to: side)
        }
        let grid = builder.slice(table, axis: 1, 1..<count * count + 1, at: name)
        let scaled = builder.node(
            "MatMul", [rows, builder.reshape(grid, [count, count * width], at: name)], at: name)
        let patches = builder.node(
            "MatMul", [rows, builder.reshape(scaled, [side, count, width], at: name)], at: name)
        return builder.concatenate(
            [
                builder.slice(table, axis: 1, 0..<1, at: name),
                builder.reshape(patches, [1, tokenCount, width], at: name),
            ], axis: 1, at: name)
    }

    private func block(_ x: GraphValue, _ scope: String) -> GraphValue {
        let qkv = builder.linear(
            builder.layerNorm(x, scope + ".norm1"), scope + ".attn.qkv")
        let parts = builder.split(qkv, axis: 2, into: 3, of: width, at: scope + ".attn")
        let mixed = builder.attention(
            parts[0], parts[1], parts[2], headCount: configuration.headCount, width: width,
            at: scope + ".attn")
        let x = builder.add(
            x, scaled(builder.linear(mixed, scope + ".attn.proj"), scope + ".ls1"), at: scope)
        let changed = mlp(builder.layerNorm(x, scope + ".norm2"), scope + ".mlp")
        return builder.add(x, scaled(changed, scope + ".ls2"), at: scope)
    }

    /// DINOv2's factor per channel; the others have none.
    private func scaled(_ x: GraphValue, _ scope: String) -> GraphValue {
        guard configuration.layout == .dinov2 else { return x }
        return builder.multiply(x, builder.weight(scope + ".gamma"), at: scope)
    }

    // MARK: Fully attentional networks

    /// Patch tokens never look at the class token, so it is left out.
    private func fan(_ image: GraphValue) -> GraphValue {
        let scope = Self.scope
        let name = scope + ".pos_embed.token_projection"
        let grid = builder.constant("pos_embed.waves") {
            let waves = FourierPositions.waves(height: side, width: side, device: .cpu)
            return waves.transposed(0, 1).reshaped(1, waves.size(1), side, side)
        }
        let positions = builder.convolution(grid, name, kernel: 1)
        var x = tokens(
            builder.add(fanPatches(image), positions, at: scope), channels: width, at: scope)
        for index in 0..<configuration.depth { x = fanBlock(x, "\(scope).blocks.\(index)") }
        for index in 0..<2 {
            let block = "\(scope).cls_attn_blocks.\(index)"
            let normed = builder.layerNorm(x, block + ".norm1")
            let sum = builder.add(
                x, builder.multiply(normed, builder.weight(block + ".gamma1"), at: block),
                at: block)
            // The published networks double them (SPEC §12, quirk 17).
            x = builder.multiply(
                builder.layerNorm(sum, block + ".norm2"), builder.number(2), at: block)
        }
        return builder.layerNorm(x, scope + ".norm")
    }

    private func fanPatches(_ image: GraphValue) -> GraphValue {
        let scope = Self.scope + ".patch_embed"
        guard configuration.stem.isEmpty else {
            return builder.convolution(
                convNeXt(image, scope + ".backbone"), scope + ".proj", kernel: 2, stride: 2)
        }
        var x = image
        for index in 0..<4 {
            let stage = "\(scope).proj.\(2 * index)"
            x = builder.convolution(x, stage + ".0", kernel: 3, stride: 2, padding: 1)
            x = builder.batchNorm(x, stage + ".1")
            if index < 3 { x = builder.gelu(x, at: stage) }
        }
        return x
    }

    private func convNeXt(_ image: GraphValue, _ scope: String) -> GraphValue {
        var x = builder.convolution(image, scope + ".stem.0", kernel: 4, stride: 4)
        x = channelNorm(x, scope + ".stem.1", channels: nil)
        for (index, stage) in configuration.stem.enumerated() {
            let scope = "\(scope).stages.\(index)"
            if index > 0 {
                let inputs = configuration.stem[index - 1].width
                x = channelNorm(x, scope + ".downsample.0", channels: inputs)
                x = builder.convolution(x, scope + ".downsample.1", kernel: 2, stride: 2)
            }
            for block in 0..<stage.depth {
                x = convNeXtBlock(x, "\(scope).blocks.\(block)", width: stage.width)
            }
        }
        return x
    }

    private func convNeXtBlock(_ x: GraphValue, _ scope: String, width: Int) -> GraphValue {
        let mixed = builder.convolution(
            x, scope + ".conv_dw", kernel: 7, padding: 3, groups: width)
        var changed = channelNorm(mixed, scope + ".norm", channels: width)
        changed = builder.convolution(changed, scope + ".mlp.fc1", kernel: 1)
        changed = builder.gelu(changed, at: scope + ".mlp")
        changed = builder.convolution(changed, scope + ".mlp.fc2", kernel: 1)
        return builder.add(
            x, builder.multiply(changed, channelwise(scope + ".gamma", width), at: scope),
            at: scope)
    }

    /// Layer norm over the channels of a map.
    ///
    /// - Parameter channels: of a norm that divides by the unbiased variance; nil for the biased one.
    private func channelNorm(_ x: GraphValue, _ scope: String, channels: Int?) -> GraphValue {
        let last = builder.transpose(x, [0, 2, 3, 1], at: scope)
        // v·C/(C − 1) + ε = (v + ε·s)/s with s = (C − 1)/C.
        let share = channels.map { Double($0 - 1) / Double($0) } ?? 1
        let weight = channels.map { _ in
            builder.multiply(
                builder.weight(scope + ".weight"), builder.number(share.squareRoot()), at: scope)
        }
        let normed = builder.layerNorm(last, scope, epsilon: 1e-6 * share, weight: weight)
        return builder.transpose(normed, [0, 3, 1, 2], at: scope)
    }

    private func fanBlock(_ x: GraphValue, _ scope: String) -> GraphValue {
        let attn = scope + ".attn"
        let normed = builder.layerNorm(x, scope + ".norm1")
        let pairs = builder.split(
            builder.linear(normed, attn + ".kv"), axis: 2, into: 2, of: width, at: attn)
        let mixed = builder.attention(
            builder.linear(normed, attn + ".q"), pairs[0], pairs[1],
            headCount: configuration.headCount, width: width, at: attn)
        let attended = builder.multiply(
            builder.linear(mixed, attn + ".proj"), builder.weight(scope + ".gamma1"), at: scope)
        let x = builder.add(x, attended, at: scope)
        let changed = channelProcessing(builder.layerNorm(x, scope + ".norm2"), scope + ".mlp")
        return builder.add(
            x, builder.multiply(changed, builder.weight(scope + ".gamma2"), at: scope), at: scope)
    }

    /// Attention over channels, (B, N, C) → (B, N, C).
    private func channelProcessing(_ x: GraphValue, _ scope: String) -> GraphValue {
        let (heads, size) = (configuration.headCount, width / configuration.headCount)
        func split(_ x: GraphValue) -> GraphValue {
            builder.reshape(
                builder.softmax(builder.cast(x, to: .float32, at: scope), axis: 1, at: scope),
                [0, 0, heads, size], at: scope)
        }
        let keys = builder.multiply(
            builder.sum(split(x), axis: 3, keeping: true, at: scope),
            builder.number(1 / Double(size)), at: scope)
        let queries = split(builder.linear(x, scope + ".q"))
        let shares = builder.sum(
            builder.multiply(queries, keys, at: scope), axis: 1, keeping: false, at: scope)
        let temperature = builder.reshape(
            builder.weight(scope + ".temperature"), [1, heads, 1], at: scope)
        let gates = builder.multiply(
            builder.node("Sigmoid", [shares], at: scope), temperature, at: scope)
        let values = builder.layerNorm(gridMLP(x, scope + ".mlp_v"), scope + ".norm_v")
        return builder.multiply(
            values, builder.reshape(gates, [0, 1, width], at: scope), at: scope)
    }

    /// An MLP whose hidden channels see their neighbours on the grid.
    private func gridMLP(_ x: GraphValue, _ scope: String) -> GraphValue {
        let count = configuration.hiddenWidth
        let hidden = builder.linear(x, scope + ".fc1")
        var grid = builder.reshape(
            builder.transpose(hidden, [0, 2, 1], at: scope), [0, count, side, side], at: scope)
        let conv = scope + ".dwconv"
        grid = builder.convolution(grid, conv + ".conv1", kernel: 3, padding: 1, groups: count)
        grid = builder.batchNorm(builder.gelu(grid, at: conv), conv + ".bn")
        grid = builder.convolution(grid, conv + ".conv2", kernel: 3, padding: 1, groups: count)
        let mixed = builder.multiply(
            tokens(grid, channels: count, at: scope), builder.weight(scope + ".gamma"), at: scope)
        return builder.linear(builder.add(mixed, hidden, at: scope), scope + ".fc2")
    }
}
