import Torch

extension NetworkPruner {
    /// The key head and the mask head, after all blocks.
    func pruneHeads() throws {
        let (spread, rest) = pruneLastNorm()
        let values = try pruneMaskHead(spread, rest)
        try pruneKeyHead(spread, rest, values)
    }

    /// Ends the streams in feature maps, (B, C, h, h) and (B, c, h, h).
    ///
    /// - Returns: a map (C, c) and a constant (C) that give nearly the whole network's features from the smaller
    ///   one's.
    private func pruneLastNorm() -> (spread: Tensor, rest: Tensor) {
        let norm = transformer.norm
        let spread = norm.weight.unsqueezed(1) * basis * deviationRatio()
        // The bias that gives the whole network's, as far as the map does: at a map's edge a convolution sees
        // zeros, which no constant after it makes good.
        let wideBias = norm.bias.unsqueezed(1)
        let guess = LinearMap.zeros(inputs: spread.size(1), outputs: 1, spread.device)
        var fit = LeastSquares(guess, hasBias: false, ridge: 1e-6)
        fit.add(spread, wideBias)
        let bias = fit.solution().weight.squeezed(0)
        keepNorm("backbone.norm", bias: bias)
        func map(_ tokens: Tensor) -> Tensor {
            let patches = tokens.narrowed(1, from: 1).transposed(1, 2)  // (B, C, h · h)
            let side = Int(Double(patches.size(2)).squareRoot())
            return patches.reshaped(patches.size(0), patches.size(1), side, side)
        }
        wide = wide.map { map(norm($0)) }
        slim = slim.map { map(standardized($0) + bias) }
        return (spread, norm.bias - spread.matmul(bias))
    }

    /// - Returns: the map (outputs, kept outputs) that gives nearly the whole network's values from the smaller
    ///   one's.
    private func pruneMaskHead(_ spread: Tensor, _ rest: Tensor) throws -> Tensor {
        let whole = MaskHeadMaps(network.maskHead)
        var smaller = MaskHeadMaps(scaleRatio: whole.scaleRatio)
        let count = whole.weights.count
        func inputs(_ maps: MaskHeadMaps, _ features: Tensor, _ batch: Int, of index: Int) -> Tensor
        {
            maps.input(
                of: index,
                from: maps.entered(features, network.configuration, batches[batch].bucket))
        }
        var kept: [Int] = []
        for index in 0..<count {
            let sizes = target.maskHead
            let chosen = measures.channels(
                ofConvolution: index,
                count: index == count - 1 ? sizes.outputChannels : sizes.hiddenChannels)
            let weight = whole.weights[index].rows(chosen)
            var bias = whole.biases[index].rows(chosen)
            // (outputs, inputs, 3 · 3)
            var guess = weight.flattened(from: 2)
            if index == 0 {
                bias = bias + guess.sum(2).matmul(rest)
                guess = spread.transposed(0, 1).matmul(guess)
            } else {
                guess = guess.transposed(0, 1).rows(kept).transposed(0, 1)
            }
            let shape = [chosen.count, guess.size(1), 3, 3]
            let first = LinearMap(weight: guess.reshaped(chosen.count, -1), bias: bias)
            let convolution = try fitted(first) { batch, add in
                let input = inputs(smaller, slim[batch], batch, of: index)
                let target = conv2d(
                    inputs(whole, wide[batch], batch, of: index), weight: weight,
                    bias: whole.biases[index].rows(chosen), padding: 1)
                // A crop at a time: neighbourhoods take nine times the map.
                for crop in 0..<input.size(0) {
                    add(
                        unfold(input.narrowed(0, crop..<crop + 1), kernel: 3).transposed(1, 2),
                        target.narrowed(0, crop..<crop + 1).flattened(from: 2).transposed(1, 2))
                }
            }
            smaller.weights.append(convolution.weight.reshaped(shape))
            smaller.biases.append(convolution.bias)
            keep("mask_head.convs.\(index).conv", convolution, shape: shape)
            kept = chosen
        }
        // Without a constant, for which no key would stand.
        let chosen = Tensor.identity(whole.biases[count - 1].count).columns(kept).to(spread.device)
        let guess = LinearMap(weight: chosen, bias: .zeros([chosen.size(0)], device: spread.device))
        return try fitted(guess, hasBias: false) { batch, add in
            add(
                inputs(smaller, slim[batch], batch, of: count).permuted(0, 2, 3, 1),
                inputs(whole, wide[batch], batch, of: count).permuted(0, 2, 3, 1))
        }.weight
    }

    /// - Parameter values: what ``pruneMaskHead(_:_:)`` gave: the keys of values that were left out go to those
    ///   that they are guessed from.
    private func pruneKeyHead(_ spread: Tensor, _ rest: Tensor, _ values: Tensor) throws {
        let units = measures.keyUnits(count: target.maskHead.outputChannels)
        let first = LinearMap(network.roiHead.mlp1).keeping(rows: units)
        let reading = LinearMap(
            weight: first.weight.matmul(spread), bias: first.bias + first.weight.matmul(rest))
        let second = LinearMap(network.roiHead.mlp2).keeping(columns: units)
        let back = values.transposed(0, 1)
        let guess = LinearMap(
            weight: back.matmul(second.weight), bias: back.matmul(second.bias))
        let writing = try fitted(guess) { batch, add in
            add(
                relu(reading(slim[batch].mean(2, 3))),
                network.roiHead(wide[batch].mean(2, 3, keeping: true)).matmul(values))
        }
        keep("roi_head.mlp1", reading)
        keep("roi_head.mlp2", writing)
    }
}
