package import Torch

// n objects, C channels, h × w and H × W pixels.

/// The value head: a vector per pixel from 3×3 convolutions, each with ReLU (SPEC §5). The map is
/// enlarged before the fourth. Keys: `convs.i.conv`.
package struct MaskHead {
    /// The convolution before which the map is enlarged.
    package static let enlargedBefore = 3

    private(set) var convs: [Conv2d]
    let scaleRatio: Double

    package init(_ scope: ParameterScope, inputs: Int, _ configuration: MaskHeadConfiguration) {
        let count = configuration.convolutionCount
        convs = (0..<count).map { index in
            Conv2d(
                scope / "convs" / index / "conv",
                inputs: index == 0 ? inputs : configuration.hiddenChannels,
                outputs: index == count - 1
                    ? configuration.outputChannels : configuration.hiddenChannels,
                kernel: 3, padding: 1, .kaiming)
        }
        scaleRatio = configuration.scaleRatio
    }

    /// - Parameter features: (n, C, h, w); gives (n, outputs, ratio · h, ratio · w).
    package func callAsFunction(_ features: Tensor) -> Tensor {
        if !gradientsAreRecorded, usesWinograd(for: features) {
            // Only the latest map is held: all together are most of what inference takes.
            var x = features.permuted(0, 2, 3, 1).contiguous()
            for (index, conv) in convs.enumerated() {
                x = conv.winograd(winogradInput(x, of: index))
            }
            return x.permuted(0, 3, 1, 2)
        }
        // cuDNN computes in half precision on channels that lie side by side.
        var x = features.device == .cpu ? features : features.contiguous(.channelsLast)
        for (index, conv) in convs.enumerated() {
            if index == Self.enlargedBefore { x = resized(x, by: scaleRatio) }
            x = relu(consuming: conv(x))
        }
        return x
    }

    /// The same with its weights as they are used, for several calls with such features.
    func unpacked(for features: Tensor) -> MaskHead {
        let byWinograd = !gradientsAreRecorded && usesWinograd(for: features)
        var result = self
        result.convs = convs.map { $0.unpacked(byWinograd: byWinograd) }
        return result
    }

    /// Whether the convolutions are done by Winograd's algorithm, in float32 under autocast too: it is the
    /// faster way there, except for processors whose bfloat16 is many times faster than their float32.
    func usesWinograd(for features: Tensor) -> Bool {
        !(autocastIsOn(for: features.device) && Libtorch.hasMatrixTiles)
            && convs.allSatisfy {
                Winograd.applies(to: $0.weight, features.dtype, on: features.device)
            }
    }

    /// What goes into each convolution and what its ReLU gives, both (n, H, W, channels).
    fileprivate func winogradMaps(_ features: Tensor) -> [(input: Tensor, output: Tensor)] {
        var latest = features.permuted(0, 2, 3, 1).contiguous()
        return convs.enumerated().map { index, conv in
            let input = winogradInput(latest, of: index)
            latest = conv.winograd(input)
            return (input, latest)
        }
    }

    /// What a convolution takes, from the map before it; both (n, H, W, channels).
    private func winogradInput(_ map: Tensor, of index: Int) -> Tensor {
        guard index == Self.enlargedBefore else { return map }
        return resized(map.permuted(0, 3, 1, 2), by: scaleRatio).permuted(0, 2, 3, 1).contiguous()
    }
}

/// Runs a mask head in training with Winograd's algorithm forward and backward, beside libtorch's
/// recording: the head's results are leaves of it, whose gradients ``backward()`` takes further.
final class MaskHeadRecorder {
    private let head: MaskHead
    private var runs: [Run] = []

    private struct Run {
        /// With libtorch's record of where it came from.
        let features: Tensor
        var maps: [(input: Tensor, output: Tensor)]
        /// The leaf: (n, outputs, H, W); nil once its gradient is taken.
        var values: Tensor?
    }

    init(_ head: MaskHead) { self.head = head }

    /// As ``MaskHead/callAsFunction(_:)``.
    func callAsFunction(_ features: Tensor) -> Tensor {
        let maps = withoutGradients { head.winogradMaps(features.detached()) }
        let values = maps[maps.count - 1].output.permuted(0, 3, 1, 2)
        values.requiresGradient = true
        runs.append(Run(features: features, maps: maps, values: values))
        return values
    }

    /// Adds to the gradients of the head's parameters and of whatever the features came from.
    func backward() {
        // Maps are let go as soon as they are used: here a step holds the most memory.
        while !runs.isEmpty {
            var run = runs.removeFirst()
            if let gradient = withoutGradients({ backward(&run) }) {
                run.features.backward(from: gradient)
            }
        }
    }

    /// The gradient of the features, (n, C, h, w), from that of the values; nil when they have none.
    private func backward(_ run: inout Run) -> Tensor? {
        guard let given = run.values?.gradient else { return nil }
        var gradient = given.permuted(0, 2, 3, 1).contiguous()
        run.values = nil
        for (index, conv) in head.convs.enumerated().reversed() {
            let (input, output) = run.maps.removeLast()
            gradient = reluGradient(gradient, ofResult: output)
            conv.weight.addGradient(Winograd.weightGradient(input, gradient))
            conv.bias?.addGradient(gradient.flattened(from: 0, to: 2).sum(0))
            gradient = Winograd.convolve(gradient, weight: conv.weight, isGradient: true)
            if index == MaskHead.enlargedBefore {
                gradient = bilinearGradient(
                    gradient.permuted(0, 3, 1, 2),
                    ofInput: run.maps[run.maps.count - 1].output.permuted(0, 3, 1, 2).shape
                ).permuted(0, 2, 3, 1).contiguous()
            }
        }
        return gradient.permuted(0, 3, 1, 2)
    }
}

/// Bilinear resampling of x (B, C, h, w) by a factor; itself when the size stays.
func resized(_ x: Tensor, by factor: Double) -> Tensor {
    resized(x, height: Int(Double(x.size(2)) * factor), width: Int(Double(x.size(3)) * factor))
}

func resized(_ x: Tensor, height: Int, width: Int) -> Tensor {
    x.size(2) == height && x.size(3) == width
        ? x : interpolate(x, height: height, width: width, .bilinear)
}
