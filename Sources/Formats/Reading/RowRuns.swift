import Annotations
import Imaging

/// Runs of pixels row by row, on their way to a mask, whose runs go down the columns.
struct RowRuns {
    private let size: Size
    private var runs: [Range<Int>] = []

    init(size: Size) {
        self.size = size
    }

    /// - Parameter run: places in the image, row by row, after those of the runs before.
    mutating func add(_ run: Range<Int>) {
        guard !run.isEmpty else { return }
        if let last = runs.last, last.upperBound == run.lowerBound {
            runs[runs.count - 1] = last.lowerBound..<run.upperBound
        } else {
            runs.append(run)
        }
    }

    /// Only the box around the runs is drawn.
    var mask: RLE {
        guard let first = runs.first, let last = runs.last else {
            return RLE(size, [UInt32(size.pixelCount ?? 0)])
        }
        let (top, bottom) = (first.lowerBound / size.width, (last.upperBound - 1) / size.width)
        var (left, right) = (size.width, 0)
        for run in runs {
            let start = run.lowerBound % size.width
            let isWhole = start + run.count > size.width
            left = min(left, isWhole ? 0 : start)
            right = max(right, isWhole ? size.width : start + run.count)
        }
        let window = Size(height: bottom - top + 1, width: right - left)
        var pixels = [UInt8](repeating: 0, count: window.height * window.width)
        for run in runs {
            var place = run.lowerBound
            while place < run.upperBound {
                let (row, column) = place.quotientAndRemainder(dividingBy: size.width)
                let end = min(run.upperBound, (row + 1) * size.width)
                let start = (row - top) * window.width + column - left
                for pixel in start..<start + end - place { pixels[pixel] = 1 }
                place = end
            }
        }
        return RLE(
            window: pixels, windowSize: window, originX: left, originY: top, imageSize: size)
    }
}

extension RLE {
    /// Calls `body` with the runs of the whole image row by row, set and not set in turn.
    func forEachRowRun(_ body: (_ isSet: Bool, _ length: Int) -> Void) {
        var (isSet, length) = (false, 0)
        func add(_ value: Bool, _ count: Int) {
            if value != isSet {
                if length > 0 { body(isSet, length) }
                (isSet, length) = (value, 0)
            }
            length += count
        }
        let box = boundingBox
        let window = CropWindow(
            minX: Int(box.minX), minY: Int(box.minY), maxX: Int(box.maxX), maxY: Int(box.maxY))
        add(false, window.minY * size.width)
        let pixels = pixels(in: window)
        for row in 0..<window.height {
            add(false, window.minX)
            for column in 0..<window.width { add(pixels[row * window.width + column] != 0, 1) }
            add(false, size.width - window.maxX)
        }
        add(false, (size.height - window.maxY) * size.width)
        if length > 0 { body(isSet, length) }
    }
}
