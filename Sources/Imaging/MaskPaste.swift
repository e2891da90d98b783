import CImaging

/// The binary mask of one box inside its crop window, and where it lies in the image.
package struct WindowMask: Sendable {
    /// Row-major 0/1, `size.height · size.width`.
    package let pixels: [UInt8]
    package let size: Size
    /// Image column and row of the first pixel.
    package let originX: Int
    package let originY: Int

    package init(_ pixels: [UInt8], size: Size, originX: Int, originY: Int) {
        self.pixels = pixels
        self.size = size
        self.originX = originX
        self.originY = originY
    }
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
        return WindowMask([], size: Size(height: 0, width: 0), originX: 0, originY: 0)
    }
    let columns = LinearTaps(
        outputs: firstX - window.minX..<lastX - window.minX, from: cropSize, to: window.width)
    let rows = LinearTaps(
        outputs: firstY - window.minY..<lastY - window.minY, from: cropSize, to: window.height)
    let width = lastX - firstX
    let height = lastY - firstY
    let level = InstructionSet.current.rawValue
    precondition(
        probabilities.count == cropSize * cropSize,
        "\(probabilities.count) values are not a crop of \(cropSize) a side")
    let pixels = [UInt8](unsafeUninitializedCapacity: width * height) { out, count in
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * width) { scratch in
            columns.withTaps { columns in
                rows.withTaps { rows in
                    ci_paste(
                        level, probabilities.baseAddress, cropSize, columns, rows, threshold,
                        scratch.baseAddress, out.baseAddress)
                }
            }
        }
        count = width * height
    }
    return WindowMask(
        pixels, size: Size(height: height, width: width), originX: firstX, originY: firstY)
}

/// Source indices and weights of `upsample_bilinear2d` (align_corners false) along one axis, in
/// float32 as libtorch computes them.
private struct LinearTaps {
    private let low: [Int32]
    private let high: [Int32]
    private let weight: [Float]

    init(outputs: Range<Int>, from source: Int, to target: Int) {
        let scale = Float(source) / Float(target)
        let positions = outputs.map { max(scale * (Float($0) + 0.5) - 0.5, 0) }
        let low = positions.map { min(Int32($0), Int32(source - 1)) }
        self.low = low
        high = low.map { min($0 + 1, Int32(source - 1)) }
        weight = zip(positions, low).map { min(max($0 - Float($1), 0), 1) }
    }

    func withTaps(_ body: (UnsafePointer<ci_taps>) -> Void) {
        low.withUnsafeBufferPointer { low in
            high.withUnsafeBufferPointer { high in
                weight.withUnsafeBufferPointer { weight in
                    var taps = ci_taps(
                        low: low.baseAddress, high: high.baseAddress, weight: weight.baseAddress,
                        count: low.count)
                    body(&taps)
                }
            }
        }
    }
}
