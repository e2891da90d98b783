package import Torch

/// The learned position table, resampled to the grid of tokens an image has.
///
/// B batch, N tokens, C channels.
package struct PositionEmbedding {
    /// (1, 1 + side², C), class entry first.
    package let table: Tensor
    let side: Int
    let layout: BackboneConfiguration.Layout
    private let cache = Cache()

    /// Key: `pos_embed`.
    package init(_ scope: ParameterScope, _ configuration: BackboneConfiguration) {
        side = configuration.tableSide
        layout = configuration.layout
        table = scope.parameter(
            "pos_embed", [1, side * side + 1, configuration.width],
            .truncatedNormal(standardDeviation: 0.02))
    }

    /// The table for `height` × `width` patches: (1, 1 + height · width, C).
    package func callAsFunction(height: Int, width: Int) -> Tensor {
        if height == side && width == side { return table }
        // Training changes the table in each step, so only a table that is not trained is kept.
        guard !table.requiresGradient else { return resampled(height: height, width: width) }
        return cache.value(height: height, width: width, version: table.version) {
            resampled(height: height, width: width)
        }
    }

    /// Resamples the patch entries in float32 and keeps the class entry.
    private func resampled(height: Int, width: Int) -> Tensor {
        let grid = table.narrowed(1, from: 1)  // (1, side², C)
            .reshaped(1, side, side, -1).permuted(0, 3, 1, 2)  // (1, C, side, side)
        let patches = Self.scaled(grid, layout, height: height, width: width)
            .flattened(from: 2).transposed(1, 2)  // (1, height · width, C)
        return .concatenated([table.narrowed(1, 0..<1), patches], along: 1)
    }

    /// A map (1, C, g, g) in another size, as the layout's published networks have it.
    private static func scaled(
        _ grid: Tensor, _ layout: BackboneConfiguration.Layout, height: Int, width: Int
    ) -> Tensor {
        switch layout {
        case .patchConv:
            // timm: cubic with a = -0.5, antialiased (SPEC §4.2).
            interpolate(grid, height: height, width: width, .bicubicAntialiased)
        case .convStem:
            // The scale is (n + 0.1)/g, which shifts every sample a little (SPEC §4.3).
            interpolate(
                grid, height: height, width: width, .bicubic,
                scale: (Double(height) + 0.1) / Double(grid.size(2)))
        case .dinov2:
            interpolate(grid, height: height, width: width, .bicubic)
        case .fan: preconditionFailure("a FAN has no position table")
        }
    }

    /// What a square table of g × g is multiplied by from both sides to give one of side × side:
    /// (side, g).
    package static func resampling(
        _ configuration: BackboneConfiguration, to side: Int
    ) -> Tensor {
        let count = configuration.tableSide
        // Channel c is 1 in row c: what it becomes down a column is what row c weighs.
        var values = [Float](repeating: 0, count: count * count * count)
        for channel in 0..<count {
            let start = (channel * count + channel) * count
            for place in start..<start + count { values[place] = 1 }
        }
        let rows = Tensor(values, [1, count, count, count])
        return scaled(rows, configuration.layout, height: side, width: side)
            .narrowed(3, 0..<1).reshaped(count, side).transposed(0, 1).contiguous()
    }

    /// The latest few resampled tables, valid while the table is not written to.
    private final class Cache {
        private var version = -1
        private var tables: [[Int]: Tensor] = [:]

        func value(height: Int, width: Int, version: Int, make: () -> Tensor) -> Tensor {
            if version != self.version || tables.count > 8 { tables = [:] }
            self.version = version
            if let table = tables[[height, width]] { return table }
            let table = make()
            if !isMemoryLost { tables[[height, width]] = table }
            return table
        }
    }
}
