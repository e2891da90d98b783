import Foundation
package import Torch

// N tokens, C channels, h × w patches.

/// Positions from fixed sines and cosines of row and column, brought to the tokens' width by a learned
/// 1×1 convolution; works for any grid (SPEC §4.4). Key: `token_projection`.
package struct FourierPositions {
    /// Sines and cosines of one coordinate.
    private static let bandCount = 32

    let tokenProjection: Conv2d
    private let cache = Cache()

    init(_ scope: ParameterScope, width: Int) {
        tokenProjection = Conv2d(
            scope / "token_projection", inputs: 2 * Self.bandCount, outputs: width, kernel: 1)
    }

    /// (N, C), row by row.
    package func callAsFunction(height: Int, width: Int) -> Tensor {
        let waves = cache.value(height: height, width: width) {
            Self.waves(height: height, width: width, device: tokenProjection.weight.device)
        }
        // In float32 under autocast too: a linear layer on N × 64 numbers costs nothing.
        return autocast(.float32, on: waves.device) {
            linear(
                waves, weight: tokenProjection.weight.flattened(from: 1),
                bias: tokenProjection.bias)
        }
    }

    /// (N, 64): of the row, then of the column, sin and cos by turns.
    package static func waves(height: Int, width: Int, device: Device) -> Tensor {
        func waves(_ index: Int, of count: Int) -> [Float] {
            let phase = Double(index + 1) / (Double(count) + 1e-6) * 2 * .pi
            return (0..<bandCount).map { band in
                let angle = phase / pow(10_000, Double(2 * (band / 2)) / Double(bandCount))
                return Float(band.isMultiple(of: 2) ? sin(angle) : cos(angle))
            }
        }
        let columns = (0..<width).map { waves($0, of: width) }
        let values = (0..<height).flatMap { row in
            let row = waves(row, of: height)
            return columns.flatMap { row + $0 }
        }
        return Tensor(values, [height * width, 2 * bandCount], device: device)
    }

    /// The latest few grids.
    private final class Cache {
        private var grids: [[Int]: Tensor] = [:]

        func value(height: Int, width: Int, make: () -> Tensor) -> Tensor {
            if let grid = grids[[height, width]] { return grid }
            if grids.count > 8 { grids = [:] }
            let grid = make()
            if !isMemoryLost { grids[[height, width]] = grid }
            return grid
        }
    }
}
