package import Annotations
import Imaging

/// How masks become polygons.
package struct OutlineOptions: Sendable, Equatable {
    /// How far a polygon may be from the mask's outline, in pixels; 0 keeps every pixel.
    package var tolerance: Double
    /// Through the middles of pixel edges, which cuts corners, rather than along the edges.
    package var isSubpixel: Bool

    package init(tolerance: Double = 0, isSubpixel: Bool = false) {
        self.tolerance = tolerance
        self.isSubpixel = isSubpixel
    }
}

/// A mask as polygons: one a part, its holes joined to it by bridges.
package struct PolygonMask: Sendable, Equatable {
    /// Corners as x and y in turn, in pixels.
    package var polygons: [[Double]]
    package var partCount: Int
    package var holeCount: Int

    /// Traces a mask. Parts and holes of the result are those of the mask: where the tolerance
    /// would lose or join some, or spoil a small mask, it is halved for this mask until it does not.
    ///
    /// - Throws: ``COCOError/segmentation(_:)`` for an outline beyond the tracer's limits.
    package init(_ mask: RLE, _ options: OutlineOptions = OutlineOptions()) throws {
        let outline = try MaskOutline(mask, isSubpixel: options.isSubpixel)
        partCount = outline.partCount
        holeCount = outline.holeCount
        polygons = []
        var tolerance = options.tolerance
        while true {
            polygons = outline.polygons(tolerance: tolerance)
            guard tolerance > 0, try !isFaithful(to: mask) else { return }
            tolerance = tolerance > 0.3 ? tolerance / 2 : 0
        }
    }

    /// The least IoU with its mask that a simplified outline may have.
    package static let leastIoU = 0.8

    private func isFaithful(to mask: RLE) throws -> Bool {
        guard !polygons.isEmpty else { return true }
        let drawn = try RLE(polygons: polygons, size: mask.size)
        guard drawn.iou(with: mask) >= Self.leastIoU else { return false }
        let result = try MaskOutline(drawn)
        return result.partCount == partCount && result.holeCount == holeCount
    }

    /// All parts as one polygon: each hangs on the one before it, by a bridge to its nearest
    /// corner.
    package static func joined(_ polygons: [[Double]]) -> [Double] {
        guard polygons.count > 1 else { return polygons.first ?? [] }
        var tree = RingTree(
            rings: polygons.map { polygon in
                stride(from: 0, to: polygon.count - 1, by: 2).map { (polygon[$0], polygon[$0 + 1]) }
            })
        for index in polygons.indices.dropFirst() {
            let start = tree.rings[index][0]
            func distance(_ corner: (Double, Double)) -> Double {
                let (dx, dy) = (corner.0 - start.0, corner.1 - start.1)
                return dx * dx + dy * dy
            }
            let before = tree.rings[index - 1]
            let nearest = before.indices.min { distance(before[$0]) < distance(before[$1]) } ?? 0
            tree.add(.init(at: nearest, ring: index, start: 0), to: index - 1)
        }
        return tree.line(from: 0).flatMap { [$0.0, $0.1] }
    }
}

extension MaskOutline {
    fileprivate func polygons(tolerance: Double) -> [[Double]] {
        var fixed = [[Int]](repeating: [], count: rings.count)
        for bridge in bridges {
            fixed[bridge.parent].append(bridge.parentPoint)
            fixed[bridge.hole].append(bridge.holePoint)
        }
        var simplifier = RingSimplifier(tolerance: tolerance)
        let kept = rings.indices.map { simplifier.kept(of: rings[$0].points, fixed: fixed[$0]) }
        var tree = RingTree(
            rings: rings.indices.map { ring in kept[ring].map { rings[ring].points[$0] } })
        for bridge in bridges {
            guard let at = kept[bridge.parent].place(of: bridge.parentPoint),
                let start = kept[bridge.hole].place(of: bridge.holePoint)
            else { continue }
            tree.add(.init(at: at, ring: bridge.hole, start: start), to: bridge.parent)
        }
        return rings.indices.filter { !rings[$0].isHole }.map { ring in
            tree.line(from: ring).flatMap { [Double($0.x) / 2, Double($0.y) / 2] }
        }
    }
}

extension [Int] {
    /// The place of a value in a sorted list.
    fileprivate func place(of value: Int) -> Int? {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < value { low = middle + 1 } else { high = middle }
        }
        return low < count && self[low] == value ? low : nil
    }
}
