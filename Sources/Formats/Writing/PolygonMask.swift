package import Annotations
import Imaging

/// How masks become polygons.
package struct OutlineOptions: Sendable, Equatable {
    /// How far a polygon may be from the mask's outline, in pixels; 0 keeps every pixel.
    package var tolerance: Double
    /// Through the middles of pixel edges, which cuts corners, rather than along the edges.
    package var isSubpixel: Bool
    /// Which pixels the polygon's readers will fill.
    package var fill: PolygonFill

    package init(tolerance: Double = 0, isSubpixel: Bool = false, fill: PolygonFill = .edges) {
        self.tolerance = tolerance
        self.isSubpixel = isSubpixel
        self.fill = fill
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
    /// - Throws: ``AnnotationError/segmentation(_:)`` for an outline beyond the tracer's limits.
    package init(_ mask: RLE, _ options: OutlineOptions = OutlineOptions()) throws {
        let outline = try MaskOutline(
            mask, options.fill == .centres ? .pixels : options.isSubpixel ? .edgeMiddles : .corners)
        partCount = outline.partCount
        holeCount = outline.holeCount
        polygons = []
        var tolerance = options.tolerance
        while true {
            polygons = outline.polygons(tolerance: tolerance)
            guard tolerance > 0, try !isFaithful(to: mask, options.fill) else { return }
            tolerance = tolerance > 0.3 ? tolerance / 2 : 0
        }
    }

    /// The least IoU with its mask that a simplified outline may have.
    package static let leastIoU = 0.8

    private func isFaithful(to mask: RLE, _ fill: PolygonFill) throws -> Bool {
        guard !polygons.isEmpty else { return true }
        let drawn = try RLE(polygons: polygons, fill: fill, size: mask.size)
        guard drawn.iou(with: mask) >= Self.leastIoU else { return false }
        let result = try MaskOutline(drawn)
        return result.partCount == partCount && result.holeCount == holeCount
    }

    /// So many pairs of corners are compared for a bridge between two parts.
    private static let bridgeLimit = 1_000_000

    /// All parts as one polygon, joined by the shortest bridges: a fill that draws lines draws those
    /// too.
    package static func joined(_ polygons: [[Double]]) -> [Double] {
        guard polygons.count > 1 else { return polygons.first ?? [] }
        var tree = RingTree(
            rings: polygons.map { polygon in
                stride(from: 0, to: polygon.count - 1, by: 2).map { (polygon[$0], polygon[$0 + 1]) }
            })
        // Prim's method: of the parts that are not joined yet the nearest is next.
        var nearest = polygons.indices.map { bridge(from: tree.rings[0], to: tree.rings[$0]) }
        var parents = [Int](repeating: 0, count: polygons.count)
        var waiting = Set(polygons.indices.dropFirst())
        while let next = waiting.min(by: {
            (nearest[$0].distance, $0) < (nearest[$1].distance, $1)
        }) {
            waiting.remove(next)
            let way = nearest[next]
            tree.add(.init(at: way.at, ring: next, start: way.start), to: parents[next])
            for other in waiting {
                let way = bridge(from: tree.rings[next], to: tree.rings[other])
                guard way.distance < nearest[other].distance else { continue }
                nearest[other] = way
                parents[other] = next
            }
        }
        return tree.line(from: 0).flatMap { [$0.0, $0.1] }
    }

    /// The nearest corners of two rings, as far as there is time to look for them.
    private static func bridge(
        from ring: [(Double, Double)], to other: [(Double, Double)]
    ) -> (at: Int, start: Int, distance: Double) {
        let step = max(1, ring.count * other.count / bridgeLimit)
        var best = (at: 0, start: 0, distance: Double.infinity)
        for start in stride(from: 0, to: other.count, by: step) {
            for at in ring.indices {
                let (dx, dy) = (ring[at].0 - other[start].0, ring[at].1 - other[start].1)
                let distance = dx * dx + dy * dy
                if distance < best.distance { best = (at, start, distance) }
            }
        }
        return best
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
            var line = tree.line(from: ring)
            // A pixel or two alone are no polygon to readers unless it has three corners.
            while let last = line.last, line.count < 3 { line.append(last) }
            return line.flatMap { [Double($0.x) / 2, Double($0.y) / 2] }
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

extension RLE {
    /// The mask of polygons by one of the two ways to fill them.
    init(polygons: [[Double]], fill: PolygonFill, size: Size) throws {
        switch fill {
        case .edges: try self.init(polygons: polygons, size: size)
        case .centres:
            let masks = try polygons.map { try RLE(filling: $0, size: size) }
            self = try RLE.union(masks) ?? RLE(polygons: [], size: size)
        }
    }
}
