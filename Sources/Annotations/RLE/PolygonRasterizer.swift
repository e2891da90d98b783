package import Imaging

// Polygons become runs as in pycocotools (rleFrPoly): corners are snapped to a grid five times
// finer, an edge is walked in whole steps of its longer side, and wherever the walk passes the
// middle of a pixel column the mask flips at the row above which it passes. pycocotools walks every
// step and sorts what it met; here only the steps at column middles are looked up, so that far-away
// corners cost nothing.
extension RLE {
    /// The mask of one polygon.
    ///
    /// - Parameter polygon: x and y of each corner in pixels, in turn.
    /// - Throws: ``AnnotationError/segmentation(_:)`` for an odd count, fewer than three corners, a
    ///   coordinate beyond ±10⁸ or not finite, or a shape that crosses over four million columns.
    package init(polygon: [Double], size: Size) throws {
        var budget = Crossings.limit
        try self.init(polygon: polygon, size: size, budget: &budget)
    }

    /// - Parameter budget: how many columns edges may cross; lowered by those that they do.
    private init(polygon: [Double], size: Size, budget: inout Int) throws {
        let total = try Self.pixelCount(of: size)
        guard polygon.count >= 6, polygon.count.isMultiple(of: 2) else {
            throw AnnotationError.segmentation(
                "a polygon needs an even count of at least 6 numbers, has \(polygon.count)")
        }
        if let wrong = polygon.first(where: { !(abs($0) <= 1e8) }) {
            throw AnnotationError.segmentation(
                "a polygon's coordinate is \(wrong), outside ±100000000")
        }
        var crossings = Crossings(size: size, budget: budget)
        let corners = polygon.count / 2
        var from = GridPoint(polygon[polygon.count - 2], polygon[polygon.count - 1])
        for corner in 0..<corners {
            let to = GridPoint(polygon[2 * corner], polygon[2 * corner + 1])
            try crossings.addEdge(from, to)
            from = to
        }
        budget = crossings.budget
        self.init(size, crossings.runs(total: total))
    }

    /// The union of polygons, as `merge(frPyObjects(…))`.
    package init(polygons: [[Double]], size: Size) throws {
        var budget = Crossings.limit
        // Unions of 1, 2, 4, … polygons, the largest first: thousands of polygons are merged a few
        // times each instead of once for every later one.
        var unions: [(polygonCount: Int, mask: RLE)] = []
        for polygon in polygons {
            var mask = try RLE(polygon: polygon, size: size, budget: &budget)
            var count = 1
            while let last = unions.last, last.polygonCount == count {
                mask = RLE.union([last.mask, mask]) ?? mask
                count += unions.removeLast().polygonCount
            }
            unions.append((count, mask))
        }
        guard let union = RLE.union(unions.reversed().map(\.mask)) else {
            throw AnnotationError.segmentation("there is no polygon")
        }
        self = union
    }
}

/// A corner on the fine grid; rounded as C does, towards zero after adding a half.
private struct GridPoint {
    let x, y: Int

    init(_ x: Double, _ y: Double) {
        self.x = Int(5 * x + 0.5)
        self.y = Int(5 * y + 0.5)
    }
}

private struct Crossings {
    let size: Size
    /// column · height + row of each flip, not sorted
    private var places: [Int] = []

    /// How many more may be added.
    private(set) var budget: Int

    /// More than any drawn shape needs, and little memory.
    static let limit = 4_000_000

    init(size: Size, budget: Int) {
        self.size = size
        self.budget = budget
    }

    mutating func addEdge(_ a: GridPoint, _ b: GridPoint) throws {
        let dx = abs(b.x - a.x)
        let dy = abs(b.y - a.y)
        guard dx > 0 else { return }
        if dx >= dy {
            let (from, to) = a.x <= b.x ? (a, b) : (b, a)
            try addFlat(from, to, slope: Double(to.y - from.y) / Double(dx))
        } else {
            let (from, to) = a.y <= b.y ? (a, b) : (b, a)
            try addSteep(from, to, slope: Double(to.x - from.x) / Double(dy))
        }
    }

    /// A step is one grid column.
    private mutating func addFlat(
        _ from: GridPoint, _ to: GridPoint, slope: Double
    ) throws {
        let start = Double(from.y)
        func row(_ step: Int) -> Int { Int(start + slope * Double(step) + 0.5) }
        for column in try columns(from.x, to.x) {
            let step = 5 * column + 2 - from.x
            add(column: column, gridRow: min(row(step), row(step + 1)))
        }
    }

    /// A step is one grid row; the column moves by at most one.
    private mutating func addSteep(
        _ from: GridPoint, _ to: GridPoint, slope: Double
    ) throws {
        let start = Double(from.x)
        let last = to.y - from.y
        let rises = slope > 0
        func gridColumn(_ step: Int) -> Int { Int(start + slope * Double(step) + 0.5) }
        let ends = (gridColumn(0), gridColumn(last))
        for column in try columns(min(ends.0, ends.1), max(ends.0, ends.1)) {
            // The first step on the far side of the column's middle: guessed by division, then made
            // exact, for rounding may put it a step away.
            let middle = 5 * column + 2
            func isBeyond(_ step: Int) -> Bool {
                rises ? gridColumn(step) > middle : gridColumn(step) <= middle
            }
            var step = min(max(Int((Double(middle) + 0.5 - start) / slope), 1), last)
            while step > 1, isBeyond(step - 1) { step -= 1 }
            while step < last, !isBeyond(step) { step += 1 }
            add(column: column, gridRow: from.y + step - 1)
        }
    }

    /// The pixel columns of the image whose middle lies between grid columns `low` and `high`.
    private mutating func columns(_ low: Int, _ high: Int) throws -> Range<Int> {
        // 5c + 2 ≥ low and 5c + 3 ≤ high
        let first = max(0, (max(low, 0) + 2) / 5)
        let end = min(size.width, high < 3 ? 0 : (high - 3) / 5 + 1)
        guard first < end else { return 0..<0 }
        guard end - first <= budget else {
            throw AnnotationError.segmentation("polygons cross more than \(Self.limit) columns")
        }
        budget -= end - first
        return first..<end
    }

    private mutating func add(column: Int, gridRow: Int) {
        let row = ((Double(gridRow) + 0.5) / 5 - 0.5).rounded(.up)
        let clamped = Int(min(max(row, 0), Double(size.height)))
        places.append(column * size.height + clamped)
    }

    consuming func runs(total: Int) -> [UInt32] {
        places.append(total)
        places.sort()
        // Two flips at one place cancel out, except that the first run may be empty.
        var runs: [UInt32] = []
        var previous = 0
        var joins = false
        for place in places {
            let length = place - previous
            previous = place
            if joins {
                runs[runs.count - 1] += UInt32(length)
                joins = false
            } else if length > 0 || runs.isEmpty {
                runs.append(UInt32(length))
            } else {
                joins = true
            }
        }
        return runs
    }
}
