/// Which parts of the backbone are not trained (SPEC §4.5). Class token, position table, final norm
/// and heads always are.
public enum Freezing: Equatable, Sendable {
    /// TAO 6.25's meaning of `model.frozen_stages`: 0 is the patch embedding, i is block i − 1; other
    /// numbers mean nothing.
    case stages([Int])
    /// The meaning in older TAO and the paper's code: blocks `first` to `last`, counted from 1, and the
    /// patch embedding when `first` is 0 and `last` is not.
    case range(first: Int, last: Int)

    public static let none = Self.stages([])

    public var freezesPatchEmbedding: Bool {
        switch self {
        case .stages(let stages): stages.contains(0)
        case .range(let first, let last): first == 0 && last > 0
        }
    }

    /// - Parameter block: from 0.
    public func freezes(block: Int) -> Bool {
        switch self {
        case .stages(let stages): stages.contains(block + 1)
        case .range(let first, let last): block + 1 >= max(first, 1) && block + 1 <= last
        }
    }

    /// Whether the parameter of that name in a ``MaskNetwork`` is frozen.
    public func freezes(parameter name: String) -> Bool {
        if name.hasPrefix("backbone.patch_embed.") { return freezesPatchEmbedding }
        guard let rest = name.dropping(prefix: "backbone.blocks."),
            let block = Int(rest.prefix { $0 != "." })
        else { return false }
        return freezes(block: block)
    }

    /// Stage numbers that mean nothing for a backbone of that depth, such as −1.
    public func unknownStages(depth: Int) -> [Int] {
        switch self {
        case .stages(let stages): stages.filter { !(0...depth).contains($0) }
        case .range(let first, let last): [first, last].filter { !(0...depth).contains($0) }
        }
    }
}
