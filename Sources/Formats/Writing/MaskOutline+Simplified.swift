/// Leaves out points of a ring (Douglas and Peucker's method).
struct RingSimplifier {
    /// In half pixels.
    private let tolerance: Double
    private var isKept: [Bool] = []
    private var points: [MaskOutline.Point] = []

    /// Longer stretches are cut into pieces: the method's worst case is quadratic.
    private static let longestStretch = 512

    /// - Parameter tolerance: in pixels.
    init(tolerance: Double) {
        self.tolerance = 2 * tolerance
    }

    /// The places of the points that stay, in order.
    ///
    /// - Parameter fixed: places of points that stay whatever their neighbours are.
    mutating func kept(of ring: [MaskOutline.Point], fixed: [Int]) -> [Int] {
        points = ring
        isKept = [Bool](repeating: false, count: ring.count)
        for index in ring.indices { isKept[index] = isCorner(index) }
        for index in fixed { isKept[index] = true }
        let corners = ring.indices.filter { isKept[$0] }
        // A pixel alone has no corner that turns.
        guard !corners.isEmpty else { return Array(ring.indices.prefix(1)) }
        guard tolerance > 0, corners.count > 4 else { return corners }
        thin(corners, fixed: Set(fixed))
        let kept = corners.filter { isKept[$0] }
        // Two points enclose nothing.
        return kept.count < 3 ? corners : kept
    }

    private func isCorner(_ index: Int) -> Bool {
        let point = points[index]
        let before = points[index > 0 ? index - 1 : points.count - 1]
        let after = points[index + 1 < points.count ? index + 1 : 0]
        let (dx1, dy1) = (point.x - before.x, point.y - before.y)
        let (dx2, dy2) = (after.x - point.x, after.y - point.y)
        // A line of one pixel's width turns back at its end.
        return dx1 * dy2 != dx2 * dy1 || dx1 * dx2 + dy1 * dy2 < 0
    }

    private mutating func thin(_ corners: [Int], fixed: Set<Int>) {
        for index in corners where !fixed.contains(index) { isKept[index] = false }
        // Two far points split the ring: the first, and the one that is farthest from it.
        let first = points[corners[0]]
        let far = corners.indices.max {
            first.distance(points[corners[$0]]) < first.distance(points[corners[$1]])
        }
        var ends = [0, far ?? 0, corners.count]
        ends += stride(from: 0, to: corners.count, by: Self.longestStretch)
        ends += corners.indices.filter { fixed.contains(corners[$0]) }
        ends = Set(ends).sorted()
        for (start, end) in zip(ends, ends.dropFirst()) {
            isKept[corners[start]] = true
            thin(corners, from: start, to: end)
        }
    }

    /// `end` may be one past the last corner, which is the first again.
    private mutating func thin(_ corners: [Int], from start: Int, to end: Int) {
        var stretches = [(start, end)]
        while let (start, end) = stretches.popLast() {
            let from = points[corners[start]]
            let to = points[corners[end < corners.count ? end : 0]]
            var worst = tolerance * tolerance
            var split: Int?
            for index in start + 1..<max(end, start + 1) {
                let distance = points[corners[index]].squaredDistance(from, to)
                if distance > worst {
                    worst = distance
                    split = index
                }
            }
            guard let split else { continue }
            isKept[corners[split]] = true
            stretches.append((start, split))
            stretches.append((split, end))
        }
    }
}

extension MaskOutline.Point {
    fileprivate func distance(_ other: MaskOutline.Point) -> Int {
        let (dx, dy) = (Int(x - other.x), Int(y - other.y))
        return dx * dx + dy * dy
    }

    /// To the nearest point of a line between two points.
    fileprivate func squaredDistance(
        _ from: MaskOutline.Point, _ to: MaskOutline.Point
    ) -> Double {
        let (dx, dy) = (Double(to.x - from.x), Double(to.y - from.y))
        let (px, py) = (Double(x - from.x), Double(y - from.y))
        let length = dx * dx + dy * dy
        let share = length > 0 ? min(max((px * dx + py * dy) / length, 0), 1) : 0
        let (ex, ey) = (px - share * dx, py - share * dy)
        return ex * ex + ey * ey
    }
}
