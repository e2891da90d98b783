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
    /// Calls `body` with the runs of a window row by row, of pixels that are not set and set in turn,
    /// the first of pixels that are not set; it may be empty.
    func forEachRowRun(in window: CropWindow, _ body: (_ isSet: Bool, _ length: Int) -> Void) {
        pixels(in: window).withUnsafeBytes { pixels in
            var (start, value): (Int, UInt8) = (0, 0)
            while start < pixels.count {
                var end = start
                // Eight pixels at once, as far as they are alike.
                let word = UInt64(value) &* 0x0101_0101_0101_0101
                while end + 8 <= pixels.count,
                    pixels.loadUnaligned(fromByteOffset: end, as: UInt64.self) == word
                { end += 8 }
                while end < pixels.count, pixels[end] == value { end += 1 }
                body(value != 0, end - start)
                (start, value) = (end, 1 - value)
            }
        }
    }

    /// The same of the whole image, of which only the box around the mask is looked at.
    func forEachRowRun(_ body: (_ isSet: Bool, _ length: Int) -> Void) {
        let box = boundingBox
        let window = CropWindow(
            minX: Int(box.minX), minY: Int(box.minY), maxX: Int(box.maxX), maxY: Int(box.maxY))
        guard window.width > 0 else { return body(false, size.pixelCount ?? 0) }
        var (isSet, length, column) = (false, window.minY * size.width + window.minX, 0)
        func add(_ value: Bool, _ count: Int) {
            guard count != 0 else { return }
            if value != isSet {
                body(isSet, length)
                (isSet, length) = (value, 0)
            }
            length += count
        }
        forEachRowRun(in: window) { value, count in
            var rest = count
            while rest > 0 {
                let part = min(rest, window.width - column)
                add(value, part)
                (column, rest) = (column + part, rest - part)
                if column == window.width {
                    column = 0
                    add(false, size.width - window.width)
                }
            }
        }
        // The last row ends where the image does.
        add(false, (size.height - window.maxY) * size.width - window.minX)
        body(isSet, length)
    }
}
