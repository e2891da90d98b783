/// The connected pieces of one value in a binary window, as runs along its rows: memory follows the
/// outline and not the area.
struct MaskComponents {
    struct Run {
        let row: Int
        let columns: Range<Int>
        fileprivate(set) var component: Int
    }

    private(set) var runs: [Run] = []
    /// Pixels of each component.
    private(set) var areas: [Int] = []
    /// Whether a component reaches the window's edge.
    private(set) var touchesEdge: [Bool] = []

    /// - Parameters:
    ///   - pixels: width · height values, row by row; zero and nonzero are the two values.
    ///   - isSet: the pieces of ones, or else of zeros.
    ///   - diagonals: whether pixels that meet at a corner are connected.
    init(
        _ pixels: UnsafeBufferPointer<UInt8>, width: Int, height: Int, of isSet: Bool,
        diagonals: Bool
    ) {
        precondition(pixels.count == width * height, "a window needs a byte per pixel")
        let reach = diagonals ? 1 : 0
        var parents: [Int] = []
        func root(_ index: Int) -> Int {
            var index = index
            while parents[index] != index {
                parents[index] = parents[parents[index]]
                index = parents[index]
            }
            return index
        }
        var above = 0..<0
        for row in 0..<height {
            let first = runs.count
            var column = 0
            while column < width {
                guard (pixels[row * width + column] != 0) == isSet else {
                    column += 1
                    continue
                }
                let start = column
                while column < width, (pixels[row * width + column] != 0) == isSet { column += 1 }
                parents.append(runs.count)
                runs.append(Run(row: row, columns: start..<column, component: 0))
            }
            // Both rows are in order of columns, so one walk finds every pair that meets.
            var upper = above.lowerBound
            for index in first..<runs.count {
                let columns = runs[index].columns
                while upper < above.upperBound,
                    runs[upper].columns.upperBound + reach <= columns.lowerBound
                {
                    upper += 1
                }
                var other = upper
                while other < above.upperBound,
                    runs[other].columns.lowerBound < columns.upperBound + reach
                {
                    let (one, two) = (root(other), root(index))
                    if one != two { parents[max(one, two)] = min(one, two) }
                    other += 1
                }
            }
            above = first..<runs.count
        }
        var numbers = [Int](repeating: -1, count: runs.count)
        for index in runs.indices {
            let top = root(index)
            if numbers[top] < 0 {
                numbers[top] = areas.count
                areas.append(0)
                touchesEdge.append(false)
            }
            let number = numbers[top]
            let run = runs[index]
            runs[index].component = number
            areas[number] += run.columns.count
            if run.row == 0 || run.row == height - 1 || run.columns.lowerBound == 0
                || run.columns.upperBound == width
            {
                touchesEdge[number] = true
            }
        }
    }
}
