package import Torch

// B batch, N tokens, C channels, D width of a head, h × w patches.

/// A block of a fully attentional network: attention over tokens, then over channels (SPEC §4.4). Keys:
/// `norm1`, `attn`, `gamma1`, `norm2`, `mlp`, `gamma2`.
package struct FANBlock {
    let norm1: LayerNorm
    let attn: TokenMixing
    let gamma1: Tensor
    let norm2: LayerNorm
    let mlp: ChannelProcessing
    let gamma2: Tensor

    init(_ scope: ParameterScope, _ configuration: BackboneConfiguration) {
        let width = configuration.width
        norm1 = LayerNorm(scope / "norm1", width: width)
        attn = TokenMixing(scope / "attn", width: width, headCount: configuration.headCount)
        gamma1 = layerScale("gamma1", scope, configuration)
        norm2 = LayerNorm(scope / "norm2", width: width)
        mlp = ChannelProcessing(scope / "mlp", configuration)
        gamma2 = layerScale("gamma2", scope, configuration)
    }

    /// - Parameters:
    ///   - x: (B, N, C); overwritten when no gradient is recorded.
    ///   - grid: h and w; N is their product.
    package func callAsFunction(
        consuming x: Tensor, grid: (height: Int, width: Int), _ statistics: BatchStatistics
    ) -> Tensor {
        let x = sum(consuming: x, product(consuming: attn(norm1(x)), gamma1))
        return sum(
            consuming: x, product(consuming: mlp(norm2(x), grid: grid, statistics), gamma2))
    }
}

/// A learned factor per channel on a residual branch. As in XCiT (El-Nouby et al. 2021) a fresh one
/// starts at 1 in networks of 12 blocks or fewer, near 0 in deeper ones.
func layerScale(
    _ name: String, _ scope: ParameterScope, _ configuration: BackboneConfiguration
) -> Tensor {
    scope.parameter(
        name, [configuration.width], configuration.depth > 12 ? .constant(1e-5) : .ones)
}

/// Multi-head self-attention over tokens. Keys: `q`, `kv` (rows of k, then of v), `proj`.
struct TokenMixing {
    let q: Linear
    let kv: Linear
    let proj: Linear
    let headCount: Int

    init(_ scope: ParameterScope, width: Int, headCount: Int) {
        q = Linear(scope / "q", inputs: width, outputs: width)
        kv = Linear(scope / "kv", inputs: width, outputs: 2 * width)
        proj = Linear(scope / "proj", inputs: width, outputs: width)
        self.headCount = headCount
    }

    /// - Parameter x: (B, N, C)
    func callAsFunction(_ x: Tensor) -> Tensor {
        let queries = heads(q(x), headCount)  // (B, heads, N, D)
        let pairs = kv(x).chunks(2, along: 2).map { heads($0, headCount) }
        return proj(joinedHeads(attention(queries, pairs[0], pairs[1])))
    }
}

/// Attention over channels: how much of each a head lets through is decided by all tokens together.
/// Keys: `q`, `mlp_v`, `norm_v`, `temperature`.
struct ChannelProcessing {
    let temperature: Tensor
    let mlpV: GridMLP
    let normV: LayerNorm
    let q: Linear
    let headCount: Int

    init(_ scope: ParameterScope, _ configuration: BackboneConfiguration) {
        let width = configuration.width
        headCount = configuration.headCount
        temperature = scope.parameter("temperature", [headCount, 1, 1], .ones)
        mlpV = GridMLP(scope / "mlp_v", width: width, hidden: configuration.hiddenWidth)
        normV = LayerNorm(scope / "norm_v", width: width)
        q = Linear(scope / "q", inputs: width, outputs: width)
    }

    /// - Parameter x: (B, N, C)
    func callAsFunction(
        _ x: Tensor, grid: (height: Int, width: Int), _ statistics: BatchStatistics
    ) -> Tensor {
        let (batch, tokens, width) = (x.size(0), x.size(1), x.size(2))
        func split(_ x: Tensor) -> Tensor {
            x.reshaped(batch, tokens, headCount, width / headCount)
        }
        // Both attentions are over the tokens; that of the keys is the mean of a head's channels.
        let keys = split(x.softmax(1)).mean(3, keeping: true)  // (B, N, heads, 1)
        let queries = split(q(x).to(.float32).softmax(1))  // (B, N, heads, D)
        let gates = (queries * keys).sum(1).sigmoid() * temperature.squeezed(2)  // (B, heads, D)
        let values = normV(mlpV(x, grid: grid, statistics).to(.float32))  // (B, N, C)
        return product(consuming: values, gates.reshaped(batch, 1, width))
    }
}

/// An MLP whose hidden channels see their neighbours on the grid. Keys: `fc1`,
/// `dwconv.{conv1,bn,conv2}`, `gamma`, `fc2`.
struct GridMLP {
    let fc1: Linear
    let conv1: Conv2d
    let norm: BatchNorm
    let conv2: Conv2d
    let gamma: Tensor
    let fc2: Linear

    init(_ scope: ParameterScope, width: Int, hidden: Int) {
        func convolution(_ scope: ParameterScope) -> Conv2d {
            Conv2d(
                scope, inputs: hidden, outputs: hidden, kernel: 3, padding: 1, groups: hidden)
        }
        fc1 = Linear(scope / "fc1", inputs: width, outputs: hidden)
        conv1 = convolution(scope / "dwconv" / "conv1")
        norm = BatchNorm(scope / "dwconv" / "bn", channels: hidden)
        conv2 = convolution(scope / "dwconv" / "conv2")
        gamma = scope.parameter("gamma", [hidden], .ones)
        fc2 = Linear(scope / "fc2", inputs: hidden, outputs: width)
    }

    /// - Parameter x: (B, N, C)
    func callAsFunction(
        _ x: Tensor, grid: (height: Int, width: Int), _ statistics: BatchStatistics
    ) -> Tensor {
        let hidden = fc1(x)  // (B, N, 4C)
        let map = hidden.reshaped(x.size(0), grid.height, grid.width, -1).permuted(0, 3, 1, 2)
        let mixed = conv2(norm(gelu(consuming: conv1(map)), statistics))  // (B, 4C, h, w)
            .permuted(0, 2, 3, 1).flattened(from: 1, to: 2)
        return fc2(product(consuming: mixed, gamma) + hidden)
    }
}

/// (B, N, C) → (B, heads, N, D), a view.
func heads(_ x: Tensor, _ count: Int) -> Tensor {
    x.reshaped(x.size(0), x.size(1), count, x.size(2) / count).transposed(1, 2)
}

/// (B, heads, N, D) → (B, N, C)
func joinedHeads(_ x: Tensor) -> Tensor { x.transposed(1, 2).flattened(from: 2) }
