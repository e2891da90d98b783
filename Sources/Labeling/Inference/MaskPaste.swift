package import Imaging

/// The binary mask of one box inside its crop window, and where it lies in the image.
package struct WindowMask: Sendable {
    /// Row-major 0/1, `size.height · size.width`.
    package let pixels: [UInt8]
    package let size: Size
    /// Image column and row of the first pixel.
    package let originX: Int
    package let originY: Int
}

/// Pastes a crop's probabilities back into the image and thresholds them (SPEC §8): bilinear
/// without antialiasing from S×S to the window's size, `value > threshold`. Only the part inside
/// the image is computed, so that the cost follows the box and not the photograph.
///
/// - Parameters:
///   - probabilities: S·S values, row-major, already multiplied with the crop's box mask.
///   - cropSize: S.
package func pasteMask(
    probabilities: UnsafeBufferPointer<Float>, cropSize: Int, window: CropWindow, imageSize: Size,
    threshold: Float
) -> WindowMask {
    let firstX = max(window.minX, 0)
    let firstY = max(window.minY, 0)
    let lastX = min(window.maxX, imageSize.width)
    let lastY = min(window.maxY, imageSize.height)
    guard firstX < lastX, firstY < lastY else {
        return WindowMask(pixels: [], size: Size(height: 0, width: 0), originX: 0, originY: 0)
    }
    let columns = LinearTaps(
        outputs: firstX - window.minX..<lastX - window.minX, from: cropSize, to: window.width)
    let rows = LinearTaps(
        outputs: firstY - window.minY..<lastY - window.minY, from: cropSize, to: window.height)
    let width = lastX - firstX
    let height = lastY - firstY
    let pixels = [UInt8](unsafeUninitializedCapacity: width * height) { out, count in
        for y in 0..<height {
            let upper = rows.low[y] * cropSize
            let lower = rows.high[y] * cropSize
            let wy = rows.weight[y]
            for x in 0..<width {
                let left = columns.low[x]
                let right = columns.high[x]
                let wx = columns.weight[x]
                let top =
                    (1 - wx) * probabilities[upper + left] + wx * probabilities[upper + right]
                let bottom =
                    (1 - wx) * probabilities[lower + left] + wx * probabilities[lower + right]
                out[y * width + x] = (1 - wy) * top + wy * bottom > threshold ? 1 : 0
            }
        }
        count = width * height
    }
    return WindowMask(
        pixels: pixels, size: Size(height: height, width: width), originX: firstX, originY: firstY)
}

/// Source indices and weights of `upsample_bilinear2d` (align_corners false) along one axis, in
/// float32 as libtorch computes them.
private struct LinearTaps {
    let low: [Int]
    let high: [Int]
    /// Weight of `high`; `low` has the rest.
    let weight: [Float]

    init(outputs: Range<Int>, from source: Int, to target: Int) {
        let scale = Float(source) / Float(target)
        var low: [Int] = []
        var high: [Int] = []
        var weight: [Float] = []
        for output in outputs {
            let position = max(scale * (Float(output) + 0.5) - 0.5, 0)
            let index = min(Int(position), source - 1)
            low.append(index)
            high.append(min(index + 1, source - 1))
            weight.append(min(max(position - Float(index), 0), 1))
        }
        self.low = low
        self.high = high
        self.weight = weight
    }
}
