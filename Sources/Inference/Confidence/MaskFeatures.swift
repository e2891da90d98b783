import Foundation
package import Imaging
import MaskModel

/// What can be seen of a mask's quality without its truth: numbers from the crop that the network
/// saw, the probabilities it gave and its backbone's tokens. docs/confidence.md says what each one means.
package struct MaskFeatures: Sendable, Equatable {
    /// The name of each value, in order.
    package static let names =
        [
            "certainty", "soft_iou", "stability", "ambiguity", "fill", "gap", "worst_gap",
            "projection", "islands", "pieces", "holes", "border_contrast", "contrast_ratio",
            "color_separation", "cut", "roughness", "log_area", "log_aspect", "at_image_edge",
            "center", "overlap", "covered", "mask_covered",
        ] + TokenContrast.names + ["token"]

    package let values: [Float]

    package init(values: [Float]) { self.values = values }

    /// The side of the grid on which a crop is looked at: larger crops are thinned out, so that the
    /// cost of a box is bounded.
    private static let gridLimit = 256

    /// - Parameters:
    ///   - probabilities: S·S values, row by row, already multiplied with the crop's box mask.
    ///   - boxMask: S·S values, 0 or 1.
    ///   - pixels: S·S·3 colours.
    ///   - side: S.
    ///   - threshold: above which a probability belongs to the mask.
    ///   - box: in pixels of the image.
    ///   - neighbours: the other boxes that overlap it.
    ///   - contrast: the crop's ``TokenContrast``, without the mask's mean token.
    ///   - token: what ``ConfidenceModel/tokenScore(_:)`` makes of that.
    package init(
        probabilities: UnsafeBufferPointer<Float>, boxMask: UnsafeBufferPointer<UInt8>,
        pixels: UnsafeBufferPointer<UInt8>, side: Int, threshold: Float, box: Box, imageSize: Size,
        neighbours: [Box], contrast: some Collection<Float>, token: Float
    ) {
        precondition(
            contrast.count == TokenContrast.names.count,
            "\(contrast.count) numbers, need \(TokenContrast.names.count)")
        let step = (side + Self.gridLimit - 1) / Self.gridLimit
        let crop = CropGrid(
            probabilities: probabilities, boxMask: boxMask, pixels: pixels, side: side, step: step,
            threshold: threshold)
        let levels = crop.levels()
        let extent = crop.extent()
        let outline = crop.outline()
        let pieces = crop.pieces()
        let company = crop.company(box, neighbours)
        let area = max(box.width * box.height, 1)
        let aspect = abs(log2(max(box.width, 1) / max(box.height, 1)))
        let edges = [
            box.minX <= 1, box.minY <= 1, box.maxX >= Double(imageSize.width) - 1,
            box.maxY >= Double(imageSize.height) - 1,
        ].count { $0 }
        values =
            [
                levels.certainty, levels.softIoU, levels.stability, levels.ambiguity, levels.fill,
                extent.gap, extent.worstGap, extent.projection, pieces.islands, pieces.count,
                pieces.holes, outline.contrast, outline.contrastRatio, crop.colorSeparation(),
                outline.cut, outline.roughness,
            ] + [
                Float(log2(area)), Float(aspect), Float(edges) / 4, extent.center, company.overlap,
                company.covered, company.maskCovered,
            ] + (contrast + [token]).map { $0.isFinite ? $0 : 0 }
    }
}

/// A crop thinned out to every `step`-th pixel, with the mask on it.
private struct CropGrid {
    let side: Int
    let probability: [Float]
    let isInBox: [Bool]
    let isMask: [Bool]
    /// Three bytes a place.
    let color: [UInt8]
    let threshold: Float
    let maskArea: Int
    let boxArea: Int
    /// The smallest rectangle around the box's places.
    let box: (columns: Range<Int>, rows: Range<Int>)

    init(
        probabilities: UnsafeBufferPointer<Float>, boxMask: UnsafeBufferPointer<UInt8>,
        pixels: UnsafeBufferPointer<UInt8>, side full: Int, step: Int, threshold: Float
    ) {
        let side = (full + step - 1) / step
        var probability = [Float](repeating: 0, count: side * side)
        var isInBox = [Bool](repeating: false, count: side * side)
        var color = [UInt8](repeating: 0, count: side * side * 3)
        var isMask = isInBox
        var (maskArea, boxArea) = (0, 0)
        var (minX, minY, maxX, maxY) = (side, side, 0, 0)
        for y in 0..<side {
            for x in 0..<side {
                let source = y * step * full + x * step
                let place = y * side + x
                // A network with overflowing weights gives NaN, which counts as no mask.
                let value = probabilities[source]
                probability[place] = value.isFinite ? min(max(value, 0), 1) : 0
                for channel in 0..<3 {
                    color[place * 3 + channel] = pixels[source * 3 + channel]
                }
                if boxMask[source] != 0 {
                    isInBox[place] = true
                    boxArea += 1
                    minX = min(minX, x)
                    maxX = max(maxX, x + 1)
                    minY = min(minY, y)
                    maxY = max(maxY, y + 1)
                }
                if probability[place] > threshold {
                    isMask[place] = true
                    maskArea += 1
                }
            }
        }
        self.side = side
        self.probability = probability
        self.isInBox = isInBox
        self.isMask = isMask
        self.color = color
        self.threshold = threshold
        self.maskArea = maskArea
        self.boxArea = boxArea
        box = boxArea > 0 ? (minX..<maxX, minY..<maxY) : (0..<0, 0..<0)
    }

    /// How sure the network is.
    func levels() -> (
        certainty: Float, softIoU: Float, stability: Float, ambiguity: Float, fill: Float
    ) {
        let high = threshold + (1 - threshold) / 2
        let low = threshold / 2
        var inside: Float = 0
        var outside: Float = 0
        var (aboveHigh, aboveLow, unsure) = (0, 0, 0)
        for place in probability.indices where isInBox[place] {
            let value = probability[place]
            if isMask[place] { inside += value } else { outside += value }
            if value > high { aboveHigh += 1 }
            if value > low { aboveLow += 1 }
            if value > 0.1, value < 0.9 { unsure += 1 }
        }
        let mask = Float(max(maskArea, 1))
        let box = Float(max(boxArea, 1))
        return (
            inside / mask, inside / (mask + outside), Float(aboveHigh) / Float(max(aboveLow, 1)),
            Float(unsure) / box, Float(maskArea) / box
        )
    }

    /// How the mask lies in the box, whose four sides a right one touches.
    func extent() -> (gap: Float, worstGap: Float, projection: Float, center: Float) {
        let (columns, rows) = box
        guard !columns.isEmpty, !rows.isEmpty else { return (1, 1, 0, 0) }
        var columnMaxima = [Float](repeating: 0, count: columns.count)
        var rowMaxima = [Float](repeating: 0, count: rows.count)
        var (minX, minY, maxX, maxY) = (
            columns.upperBound, rows.upperBound, columns.lowerBound, rows.lowerBound
        )
        var (center, centerCount): (Float, Float) = (0, 0)
        // The middle ninth of the box.
        let (thirdX, thirdY) = (columns.count / 3, rows.count / 3)
        let middleX = columns.lowerBound + thirdX...columns.upperBound - thirdX
        let middleY = rows.lowerBound + thirdY...rows.upperBound - thirdY
        for y in rows {
            for x in columns {
                let place = y * side + x
                let value = probability[place]
                columnMaxima[x - columns.lowerBound] = max(
                    columnMaxima[x - columns.lowerBound], value)
                rowMaxima[y - rows.lowerBound] = max(rowMaxima[y - rows.lowerBound], value)
                if middleX.contains(x), middleY.contains(y) {
                    center += value
                    centerCount += 1
                }
                guard isMask[place] else { continue }
                minX = min(minX, x)
                maxX = max(maxX, x + 1)
                minY = min(minY, y)
                maxY = max(maxY, y + 1)
            }
        }
        let projection =
            (columnMaxima.reduce(0, +) / Float(columns.count)
                + rowMaxima.reduce(0, +) / Float(rows.count)) / 2
        guard maxX > minX else { return (1, 1, projection, 0) }
        let gaps = [
            Float(minX - columns.lowerBound) / Float(columns.count),
            Float(columns.upperBound - maxX) / Float(columns.count),
            Float(minY - rows.lowerBound) / Float(rows.count),
            Float(rows.upperBound - maxY) / Float(rows.count),
        ]
        return (gaps.reduce(0, +) / 4, gaps.max() ?? 1, projection, center / max(centerCount, 1))
    }

    /// The mask's edge: how colours change across it, and where it runs.
    func outline() -> (contrast: Float, contrastRatio: Float, cut: Float, roughness: Float) {
        // Three places apart, so that a soft edge is spanned.
        let reach = 3
        var (across, acrossCount): (Float, Float) = (0, 0)
        var (within, withinCount): (Float, Float) = (0, 0)
        var (edge, cut) = (0, 0)
        for y in 0..<side {
            for x in 0..<side {
                let place = y * side + x
                for (dx, dy) in [(1, 0), (0, 1)] {
                    if x + dx < side, y + dy < side {
                        let next = place + dy * side + dx
                        if isMask[place] != isMask[next] {
                            edge += 1
                            if isInBox[place] != isInBox[next] { cut += 1 }
                        }
                    }
                    guard x + dx * reach < side, y + dy * reach < side else { continue }
                    let far = place + (dy * side + dx) * reach
                    guard isInBox[place] || isInBox[far] else { continue }
                    let difference = colorDistance(place, far)
                    if isMask[place] != isMask[far] {
                        across += difference
                        acrossCount += 1
                    } else {
                        within += difference
                        withinCount += 1
                    }
                }
            }
        }
        let contrast = acrossCount > 0 ? across / acrossCount : 0
        let other = withinCount > 0 ? within / withinCount : 0
        return (
            contrast, log2((contrast + 0.01) / (other + 0.01)),
            Float(cut) / Float(max(edge, 1)),
            log2(Float(max(edge, 1)) / Float(max(maskArea, 1)).squareRoot())
        )
    }

    /// What else may be in the box: the largest IoU with another box, and how much of box and mask
    /// lies in smaller ones, which are as a rule in front.
    func company(_ own: Box, _ others: [Box]) -> (
        overlap: Float, covered: Float, maskCovered: Float
    ) {
        let overlap =
            others.map {
                let shared = own.sharedArea(with: $0)
                return shared / max(own.area + $0.area - shared, 1e-9)
            }.max() ?? 0
        let smaller = others.filter { $0.area < own.area }
        guard !smaller.isEmpty else { return (Float(overlap), 0, 0) }
        let (columns, rows) = box
        var isCovered = [Bool](repeating: false, count: side * side)
        for other in smaller {
            func part(
                _ low: Double, _ high: Double, _ from: Double, _ length: Double, _ range: Range<Int>
            )
                -> Range<Int>
            {
                let first = Double(range.count) * min(max((low - from) / length, 0), 1)
                let last = Double(range.count) * min(max((high - from) / length, 0), 1)
                return range.lowerBound + Int(first)..<range.lowerBound + Int(max(last, first))
            }
            for y in part(other.minY, other.maxY, own.minY, own.height, rows) {
                for x in part(other.minX, other.maxX, own.minX, own.width, columns) {
                    isCovered[y * side + x] = true
                }
            }
        }
        var (covered, maskCovered) = (0, 0)
        for place in isCovered.indices where isCovered[place] {
            covered += 1
            if isMask[place] { maskCovered += 1 }
        }
        return (
            Float(overlap), Float(covered) / Float(max(boxArea, 1)),
            Float(maskCovered) / Float(max(maskArea, 1))
        )
    }

    func pieces() -> (islands: Float, count: Float, holes: Float) {
        guard maskArea > 0 else { return (0, 0, 0) }
        let bytes = isMask.map { $0 ? UInt8(1) : 0 }
        let (ones, zeros) = bytes.withUnsafeBufferPointer {
            (
                MaskComponents($0, width: side, height: side, of: true, diagonals: true),
                MaskComponents($0, width: side, height: side, of: false, diagonals: false)
            )
        }
        let largest = ones.areas.max() ?? 0
        let holeArea = zip(zeros.areas, zeros.touchesEdge).reduce(0) { $0 + ($1.1 ? 0 : $1.0) }
        return (
            1 - Float(largest) / Float(maskArea), log2(Float(ones.areas.count) + 1),
            Float(holeArea) / Float(maskArea)
        )
    }

    /// How little the colours of the mask and of all else in the crop overlap: 1 − Σ √(a·b) over
    /// histograms of 6³ colours.
    func colorSeparation() -> Float {
        var inside = [Float](repeating: 0, count: 216)
        var outside = inside
        for place in isMask.indices {
            let bin = (0..<3).reduce(0) { $0 * 6 + Int(color[place * 3 + $1]) * 6 / 256 }
            if isMask[place] { inside[bin] += 1 } else { outside[bin] += 1 }
        }
        let scale = (Float(max(maskArea, 1)) * Float(max(isMask.count - maskArea, 1))).squareRoot()
        return 1 - zip(inside, outside).reduce(0) { $0 + ($1.0 * $1.1).squareRoot() } / scale
    }

    private func colorDistance(_ one: Int, _ two: Int) -> Float {
        var sum = 0
        for channel in 0..<3 {
            sum += abs(Int(color[one * 3 + channel]) - Int(color[two * 3 + channel]))
        }
        return Float(sum) / 765
    }
}
