package import Torch

// B batch, N tokens, C channels, D width of a head.

/// A block in which the class token looks at the patches, and they at nothing (Touvron et al. 2021b).
/// Keys: `norm1`, `attn.{q,k,v,proj}`, `gamma1`, `norm2`, `mlp`, `gamma2`.
package struct ClassAttentionBlock {
    let norm1: LayerNorm
    let attn: ClassAttention
    let gamma1: Tensor
    let norm2: LayerNorm
    let mlp: MLP
    let gamma2: Tensor

    init(_ scope: ParameterScope, _ configuration: BackboneConfiguration) {
        let width = configuration.width
        norm1 = LayerNorm(scope / "norm1", width: width)
        attn = ClassAttention(scope / "attn", width: width, headCount: configuration.headCount)
        gamma1 = layerScale("gamma1", scope, configuration)
        norm2 = LayerNorm(scope / "norm2", width: width)
        mlp = MLP(scope / "mlp", width: width, hidden: configuration.hiddenWidth)
        gamma2 = layerScale("gamma2", scope, configuration)
    }

    /// - Parameter x: (B, 1 + N, C), class token first.
    package func callAsFunction(_ x: Tensor) -> Tensor {
        let normed = norm1(x)
        let mixed = Tensor.concatenated([attn(normed), normed.narrowed(1, from: 1)], along: 1)
        let result = norm2(x + gamma1 * mixed)
        let token = result.narrowed(1, 0..<1)
        return .concatenated(
            [token + gamma2 * mlp(token), doubled(result.narrowed(1, from: 1))], along: 1)
    }

    /// What becomes of the patches (B, N, C) beside whatever class token.
    func patches(_ x: Tensor) -> Tensor { doubled(norm2(x + gamma1 * norm1(x))) }

    /// Published FANs were trained with it (SPEC §12, quirk 17).
    private func doubled(_ patches: Tensor) -> Tensor { patches * 2 }
}

/// The class token's attention to all tokens. Keys: `q`, `k`, `v`, `proj`.
struct ClassAttention {
    let q: Linear
    let k: Linear
    let v: Linear
    let proj: Linear
    let headCount: Int

    init(_ scope: ParameterScope, width: Int, headCount: Int) {
        func linear(_ name: String) -> Linear {
            Linear(scope / name, inputs: width, outputs: width)
        }
        q = linear("q")
        k = linear("k")
        v = linear("v")
        proj = linear("proj")
        self.headCount = headCount
    }

    /// - Parameter x: (B, 1 + N, C); gives (B, 1, C).
    func callAsFunction(_ x: Tensor) -> Tensor {
        let query = heads(q(x.narrowed(1, 0..<1)), headCount)  // (B, heads, 1, D)
        return proj(
            joinedHeads(attention(query, heads(k(x), headCount), heads(v(x), headCount))))
    }
}
