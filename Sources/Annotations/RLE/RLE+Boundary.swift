package import Imaging

// The boundary region of Cheng et al., "Boundary IoU" (CVPR 2021): what erosion by a square takes
// away, the world outside the image counting as background. Done on run lengths: a run shrinks at
// both ends, then columns are intersected with their neighbours.
extension RLE {
    /// The pixels of the mask that are at most `distance` rows or columns from one outside it.
    ///
    /// - Throws: ``AnnotationError/segmentation(_:)`` for an image of more than four million columns.
    package func boundary(distance: Int) throws -> RLE {
        guard size.width <= 4_000_000 else {
            throw AnnotationError.segmentation("width is \(size.width), too much for a boundary")
        }
        return without(eroded(by: distance))
    }

    /// The distance that Boundary IoU takes for an image: a share of its diagonal, at least a pixel.
    package static func boundaryDistance(imageSize size: Size, ratio: Double = 0.02) -> Int {
        let (height, width) = (Double(size.height), Double(size.width))
        let diagonal = (height * height + width * width).squareRoot()
        return max(1, Int((ratio * diagonal).rounded(.toNearestOrEven)))
    }

    /// The pixels whose square of 2 · `distance` + 1 pixels lies inside the mask.
    func eroded(by distance: Int) -> RLE {
        let window = 2 * distance + 1
        var columns = ColumnRuns(self, shrunkBy: distance)
        var reach = 1
        while reach < window, columns.count > 0 {
            let step = min(reach, window - reach)
            columns = columns.intersectedWithShifted(by: step)
            reach += step
        }
        return columns.mask(firstColumn: columns.first + distance, size: size)
    }
}

/// Runs of ones cut at the ends of columns, for a stretch of neighbouring columns.
private struct ColumnRuns {
    /// The first column of the image that is held.
    let first: Int
    /// Where each column's runs begin in `runs`; one more than there are columns.
    private var starts: [Int32]
    private var runs: [(top: UInt32, bottom: UInt32)]

    var count: Int { starts.count - 1 }

    private init(first: Int, starts: [Int32], runs: [(top: UInt32, bottom: UInt32)]) {
        self.first = first
        self.starts = starts
        self.runs = runs
    }

    init(_ mask: RLE, shrunkBy distance: Int) {
        let height = mask.size.height
        var first: Int?
        var starts: [Int32] = []
        var runs: [(top: UInt32, bottom: UInt32)] = []
        var open: (column: Int, top: Int, bottom: Int)?
        func close() {
            guard let run = open else { return }
            let start = first ?? run.column
            first = start
            while starts.count <= run.column - start { starts.append(Int32(runs.count)) }
            let (top, bottom) = (run.top + distance, run.bottom - distance)
            if top < bottom { runs.append((UInt32(top), UInt32(bottom))) }
        }
        mask.forEachRun { start, length in
            var place = start
            let end = start + length
            while place < end {
                let (column, top) = place.quotientAndRemainder(dividingBy: height)
                let bottom = min(height, top + end - place)
                // Runs that a run of no zeros separates are one.
                if let run = open, run.column == column, run.bottom == top {
                    open = (column, run.top, bottom)
                } else {
                    close()
                    open = (column, top, bottom)
                }
                place += bottom - top
            }
        }
        close()
        starts.append(Int32(runs.count))
        self.init(first: first ?? 0, starts: starts, runs: runs)
    }

    /// Column c becomes what columns c and c + `step` share; there are `step` fewer.
    func intersectedWithShifted(by step: Int) -> ColumnRuns {
        var starts: [Int32] = [0]
        var shared: [(top: UInt32, bottom: UInt32)] = []
        for column in 0..<max(0, count - step) {
            var one = Int(self.starts[column])
            var two = Int(self.starts[column + step])
            let (oneEnd, twoEnd) = (
                Int(self.starts[column + 1]), Int(self.starts[column + step + 1])
            )
            while one < oneEnd, two < twoEnd {
                let top = max(runs[one].top, runs[two].top)
                let bottom = min(runs[one].bottom, runs[two].bottom)
                if top < bottom { shared.append((top, bottom)) }
                if runs[one].bottom < runs[two].bottom { one += 1 } else { two += 1 }
            }
            starts.append(Int32(shared.count))
        }
        return ColumnRuns(first: first, starts: starts, runs: shared)
    }

    func mask(firstColumn: Int, size: Size) -> RLE {
        var counts: [UInt32] = []
        var end = 0
        for column in 0..<max(0, count) {
            let offset = (firstColumn + column) * size.height
            for run in runs[Int(starts[column])..<Int(starts[column + 1])] {
                let top = offset + Int(run.top)
                if top == end, counts.count.isMultiple(of: 2), !counts.isEmpty {
                    counts[counts.count - 1] += UInt32(run.bottom - run.top)
                } else {
                    counts.append(UInt32(top - end))
                    counts.append(UInt32(run.bottom - run.top))
                }
                end = offset + Int(run.bottom)
            }
        }
        counts.append(UInt32(size.height * size.width - end))
        return RLE(size, counts)
    }
}
