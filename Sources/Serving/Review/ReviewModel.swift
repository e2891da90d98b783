import Annotations
import Files
import Foundation
import Imaging
import MaskAutoLabeler

/// What the network does for a reviewer: a mask for a box, and that mask at other thresholds. The probabilities of the
/// last boxes are kept, so that a threshold or a click does not need the network again.
actor ReviewModel {
    private struct Kept {
        let image: Int
        let box: [Double]
        let probabilities: ObjectMask.Probabilities
    }

    private let labeler: MaskLabeler
    private let images: ReviewImages
    private var kept: [Kept] = []
    private static let keptCount = 8

    /// - Parameter labeler: that keeps probabilities.
    init(_ labeler: MaskLabeler, images: ReviewImages) {
        self.labeler = labeler
        self.images = images
    }

    /// The mask of a box.
    func mask(image: Int, box: [Double]) async throws -> (mask: RLE, score: Double) {
        let pixels = try await images.image(image)
        let masks = try await labeler.masks(
            in: Image(pixels),
            boxes: [Box(x: box[0], y: box[1], width: box[2], height: box[3])])
        guard let mask = masks.first, let probabilities = mask.probabilities else {
            throw Refusal.wrong("box: the network gave no mask")
        }
        kept.append(Kept(image: image, box: box, probabilities: probabilities))
        if kept.count > Self.keptCount { kept.removeFirst() }
        return (mask.rle, mask.score)
    }

    /// The mask of a box at a threshold.
    func mask(image: Int, box: [Double], threshold: Double) async throws -> RLE {
        try await probabilities(image, box).mask(
            above: threshold, imageSize: images.size(of: image))
    }

    private func probabilities(
        _ image: Int, _ box: [Double]
    ) async throws -> ObjectMask.Probabilities {
        func find() -> ObjectMask.Probabilities? {
            kept.last { $0.image == image && $0.box == box }?.probabilities
        }
        if let found = find() { return found }
        _ = try await mask(image: image, box: box)
        guard let found = find() else { throw Refusal.wrong("box: the network gave no mask") }
        return found
    }

    /// Adds to a mask, or takes away from it, what is around a point: the connected piece of pixels that are about as
    /// likely the object's as the point is, up to a tenth less likely (adding) or more likely (taking away), and at
    /// most half as far again from it as the mask's edge is.
    ///
    /// - Throws: ``Refusal`` for a point outside the box, where the network says nothing.
    func click(
        image: Int, box: [Double], mask: RLE, x: Int, y: Int, adds: Bool
    ) async throws -> RLE {
        let probabilities = try await probabilities(image, box)
        let size = try images.size(of: image)
        let clipped = Box(cocoX: box[0], y: box[1], width: box[2], height: box[3]).clipped(to: size)
        guard let clipped, Double(x) >= clipped.minX.rounded(.down), Double(x) < clipped.maxX,
            Double(y) >= clipped.minY.rounded(.down), Double(y) < clipped.maxY
        else {
            throw Refusal.wrong("point: expected a point in the box; draw a larger box first")
        }
        let level = probabilities.probability(x: x, y: y)
        let window = CropWindow(
            minX: Int(clipped.minX), minY: Int(clipped.minY), maxX: Int(clipped.maxX.rounded(.up)),
            maxY: Int(clipped.maxY.rounded(.up)))
        let threshold = min(max(level + (adds ? -0.1 : 0.1), 0), 0.9999)
        let likely = probabilities.mask(above: threshold, imageSize: size)
        var open = likely.pixels(in: window)
        let own = mask.pixels(in: window)
        if !adds {
            for place in open.indices { open[place] = own[place] & (1 - open[place]) }
        }
        let start = (y - window.minY) * window.width + x - window.minX
        // A mask may be wrong where the network is sure: without a bound, a click there takes the whole mask.
        func square(_ place: Int) -> Double {
            let dx = Double(place % window.width - start % window.width)
            let dy = Double(place / window.width - start / window.width)
            return dx * dx + dy * dy
        }
        let side = Double(
            min(x - window.minX + 1, window.maxX - x, y - window.minY + 1, window.maxY - y))
        var edge = adds ? Double.infinity : side * side
        for place in own.indices where own[place] == (adds ? 1 : 0) {
            edge = min(edge, square(place))
        }
        for place in open.indices where square(place) > 2.25 * edge { open[place] = 0 }
        let piece = RLE(
            window: Self.piece(of: open, width: window.width, around: start),
            windowSize: window.size, originX: window.minX, originY: window.minY, imageSize: size)
        return adds ? RLE.union([mask, piece]) ?? mask : mask.without(piece)
    }

    /// The pixels that are joined to one by sides; that one is always among them.
    private static func piece(of pixels: [UInt8], width: Int, around start: Int) -> [UInt8] {
        var piece = [UInt8](repeating: 0, count: pixels.count)
        guard pixels.indices.contains(start) else { return piece }
        var waiting = [start]
        piece[start] = 1
        while let place = waiting.popLast() {
            let column = place % width
            for (next, isInside) in [
                (place - 1, column > 0), (place + 1, column < width - 1),
                (place - width, place >= width), (place + width, place + width < pixels.count),
            ] where isInside && piece[next] == 0 && pixels[next] == 1 {
                piece[next] = 1
                waiting.append(next)
            }
        }
        return piece
    }
}
