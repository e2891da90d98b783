package import Imaging

/// Which pixels of a polygon are its mask's.
package enum PolygonFill: String, Sendable, CaseIterable {
    /// Corners lie between pixels; pycocotools draws so.
    case edges
    /// Corners are the middles of pixels of the border, which belong to the mask: OpenCV's `fillPoly`
    /// draws so, and with it ultralytics and supervision.
    case centres
}

extension RLE {
    /// The mask that OpenCV's `fillPoly` draws of a polygon: what lies inside by the even-odd rule,
    /// and all pixels of its lines. Lines that leave the image may differ by a pixel at its edge.
    ///
    /// - Parameter polygon: x and y of corners in turn, in pixels counted from the middle of the
    ///   first; what is after the decimal point counts as nothing, as there.
    /// - Throws: ``AnnotationError/segmentation(_:)`` for a size beyond ``pixelLimit``.
    package init(filling polygon: [Double], size: Size) throws {
        _ = try Self.pixelCount(of: size)
        let limit = Double(1 << 24)
        let corners = stride(from: 0, to: polygon.count - 1, by: 2).map { place in
            // A corner that rounding took a hair below a whole number is that number.
            PolygonDrawing.Corner(
                x: Int((polygon[place] + 1e-3).rounded(.down).clamped(to: -limit...limit)),
                y: Int((polygon[place + 1] + 1e-3).rounded(.down).clamped(to: -limit...limit)))
        }
        var drawing = PolygonDrawing(size: size)
        drawing.draw(corners)
        self.init(size: size, runs: drawing.runs)
    }
}

extension RLE {
    /// Runs of ones in their order, each from a start (column · height + row) inside the size.
    package init(size: Size, runs: [(start: Int, length: Int)]) {
        var counts: [UInt32] = []
        var written = 0
        for run in runs {
            counts += [UInt32(run.start - written), UInt32(run.length)]
            written = run.start + run.length
        }
        let rest = size.height * size.width - written
        self.init(size, rest > 0 || counts.isEmpty ? counts + [UInt32(rest)] : counts)
    }
}

extension Double {
    fileprivate func clamped(to range: ClosedRange<Double>) -> Double {
        isNaN ? range.lowerBound : Swift.min(Swift.max(self, range.lowerBound), range.upperBound)
    }
}

/// A polygon as stretches of rows, column by column.
private struct PolygonDrawing {
    struct Corner: Equatable {
        var x, y: Int
    }

    private let size: Size
    /// Of each column that has any, from `left` on: the first and the last row of stretches.
    private var stretches: [[(Int, Int)]] = []
    private var left = 0

    init(size: Size) {
        self.size = size
    }

    mutating func draw(_ corners: [Corner]) {
        guard let first = corners.first else { return }
        var (low, high) = (first.x, first.x)
        for corner in corners { (low, high) = (min(low, corner.x), max(high, corner.x)) }
        left = max(low, 0)
        guard left <= min(high, size.width - 1), size.height > 0 else { return }
        stretches = [[(Int, Int)]](repeating: [], count: min(high, size.width - 1) - left + 1)
        var crossings = [[Double]](repeating: [], count: stretches.count)
        var last = corners[corners.count - 1]
        for corner in corners {
            drawLine(last, corner)
            addCrossings(last, corner, to: &crossings)
            last = corner
        }
        for (column, rows) in crossings.enumerated() {
            let sorted = rows.sorted()
            for place in stride(from: 0, to: sorted.count - 1, by: 2) {
                add(
                    Int(sorted[place].rounded(.up)), Int(sorted[place + 1].rounded(.down)),
                    to: column)
            }
        }
    }

    private func addCrossings(_ from: Corner, _ to: Corner, to crossings: inout [[Double]]) {
        guard from.x != to.x else { return }
        let (start, end) = from.x < to.x ? (from, to) : (to, from)
        let slope = Double(end.y - start.y) / Double(end.x - start.x)
        for x in max(start.x, left)..<max(min(end.x, left + crossings.count), max(start.x, left)) {
            crossings[x - left].append(Double(start.y) + Double(x - start.x) * slope)
        }
    }

    /// Bresenham's line from left to right.
    private mutating func drawLine(_ from: Corner, _ to: Corner) {
        let (start, end) = from.x <= to.x ? (from, to) : (to, from)
        let (across, down) = (end.x - start.x, abs(end.y - start.y))
        let step = end.y < start.y ? -1 : 1
        guard across > 0 else {
            return add(min(start.y, end.y), max(start.y, end.y), to: start.x - left)
        }
        guard down > 0 else {
            for x in max(
                start.x, left)..<max(min(end.x + 1, left + stretches.count), max(start.x, left))
            {
                add(start.y, start.y, to: x - left)
            }
            return
        }
        let isSteep = down > across
        let (long, short) = isSteep ? (down, across) : (across, down)
        var error = long - 2 * short
        var (x, y) = (start.x, start.y)
        for _ in 0...long {
            add(y, y, to: x - left)
            let turns = error < 0
            error += -2 * short + (turns ? 2 * long : 0)
            if isSteep {
                y += step
                if turns { x += 1 }
            } else {
                x += 1
                if turns { y += step }
            }
        }
    }

    private mutating func add(_ first: Int, _ last: Int, to column: Int) {
        guard stretches.indices.contains(column), first <= last, last >= 0, first < size.height
        else { return }
        stretches[column].append((max(first, 0), min(last, size.height - 1)))
    }

    /// The runs of the mask, in order.
    var runs: [(start: Int, length: Int)] {
        var runs: [(start: Int, length: Int)] = []
        for (offset, column) in stretches.enumerated() {
            let top = (left + offset) * size.height
            for (first, last) in column.sorted(by: <) {
                let (start, end) = (top + first, top + last + 1)
                if let run = runs.last, start <= run.start + run.length {
                    runs[runs.count - 1].length = max(run.length, end - run.start)
                } else {
                    runs.append((start, end - start))
                }
            }
        }
        return runs
    }
}
