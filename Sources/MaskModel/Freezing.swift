/// Which parameters are not trained (SPEC §4.5). As in TAO, class token, position table, final norm
/// and heads are, unless the last two properties say otherwise.
package struct Freezing: Equatable, Sendable {
    private enum Stages: Equatable {
        case listed([Int])
        case range(first: Int, last: Int)
    }

    private var stages: Stages
    /// Freeze the class token and the position table too, so that the backward pass ends at the last
    /// frozen block.
    package var includesTokens = false
    /// Freeze the backbone altogether: the heads alone are trained.
    package var includesBackbone = false

    package static let none = Self.stages([])

    /// TAO 6.25's meaning of `model.frozen_stages`: 0 is the patch embedding, i is block i − 1; other
    /// numbers mean nothing.
    package static func stages(_ stages: [Int]) -> Self { Self(stages: .listed(stages)) }

    /// The meaning in older TAO and the paper's code: blocks `first` to `last`, counted from 1, and the
    /// patch embedding when `first` is 0 and `last` is not.
    package static func range(first: Int, last: Int) -> Self {
        Self(stages: .range(first: first, last: last))
    }

    package var freezesPatchEmbedding: Bool {
        if includesBackbone { return true }
        return switch stages {
        case .listed(let stages): stages.contains(0)
        case .range(let first, let last): first == 0 && last > 0
        }
    }

    /// - Parameter block: from 0.
    package func freezes(block: Int) -> Bool {
        if includesBackbone { return true }
        return switch stages {
        case .listed(let stages): stages.contains(block + 1)
        case .range(let first, let last): block + 1 >= max(first, 1) && block + 1 <= last
        }
    }

    /// Whether the parameter of that name in a ``MaskNetwork`` is frozen.
    package func freezes(parameter name: String) -> Bool {
        guard let name = name.dropping(prefix: "backbone.") else { return false }
        if includesBackbone { return true }
        switch BackbonePart(parameter: name) {
        case .tokens: return includesTokens
        case .patchEmbedding: return freezesPatchEmbedding
        case .block(let index): return freezes(block: index)
        case .norm: return false
        }
    }

    /// Stage numbers that mean nothing for a backbone of that depth, such as −1.
    package func unknownStages(depth: Int) -> [Int] {
        switch stages {
        case .listed(let stages): stages.filter { !(0...depth).contains($0) }
        case .range(let first, let last): [first, last].filter { !(0...depth).contains($0) }
        }
    }
}

/// What a parameter of a backbone belongs to.
package enum BackbonePart: Equatable, Sendable {
    /// The class token and the position table.
    case tokens
    case patchEmbedding
    /// From 0.
    case block(Int)
    /// The final norm.
    case norm

    /// - Parameter name: without `backbone.`.
    package init(parameter name: String) {
        let parts = name.split(separator: ".")
        switch parts.first {
        case "patch_embed": self = .patchEmbedding
        case "blocks": self = parts.count > 1 ? Int(parts[1]).map(Self.block) ?? .norm : .norm
        case "cls_token", "pos_embed": self = .tokens
        default: self = .norm
        }
    }

    /// The factor that layer-wise decay gives the learning rate (Bao et al. 2022): 1 for the final norm,
    /// `decay` for the last block, one power more for each block before it.
    package func learningRateFactor(decay: Double, depth: Int) -> Double {
        let distance =
            switch self {
            case .norm: 0
            case .block(let index): depth - index
            case .tokens, .patchEmbedding: depth + 1
            }
        return (0..<distance).reduce(1) { factor, _ in factor * decay }
    }
}
