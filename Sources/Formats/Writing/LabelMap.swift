import Annotations
import Imaging

/// An image whose pixels are numbers of instances: 0 is the background, instance *i* of a list is
/// *i* + 1. Pixels lie down the columns, as the runs of masks do.
struct LabelMap {
    let size: Size
    private(set) var values: [UInt16]
    /// How many pixels each instance has in the map.
    private(set) var areas: [Int]

    static let pixelLimit = 200_000_000

    /// Draws masks over each other, the last one on top.
    ///
    /// - Parameter order: places in `masks`, from the bottom to the top.
    init(_ masks: [RLE?], order: [Int], size: Size) throws {
        guard let count = size.pixelCount, count <= Self.pixelLimit else {
            throw AnnotationError.segmentation(
                "an image of \(size) is above \(Self.pixelLimit) pixels")
        }
        precondition(masks.count < 65535, "an instance needs a number of its own")
        self.size = size
        var values = [UInt16](repeating: 0, count: count)
        values.withUnsafeMutableBufferPointer { values in
            for place in order {
                masks[place]?.forEachRun { start, length in
                    values[start..<start + length].update(repeating: UInt16(place + 1))
                }
            }
        }
        var areas = [Int](repeating: 0, count: masks.count + 1)
        areas.withUnsafeMutableBufferPointer { areas in
            for value in values { areas[Int(value)] &+= 1 }
        }
        self.values = values
        self.areas = Array(areas.dropFirst())
    }

    /// The instances of an image from the bottom to the top; those that `isIncluded` refuses are
    /// left out.
    static func order(
        _ instances: [ExportInstance], by overlap: ExportOptions.Overlap,
        where isIncluded: (Int) -> Bool
    ) -> [Int] {
        let areas = instances.map { $0.mask?.area ?? 0 }
        let scores = instances.map {
            overlap == .score ? $0.score ?? -Double.infinity : 0
        }
        return instances.indices.filter { instances[$0].mask != nil && isIncluded($0) }.sorted {
            (scores[$0], areas[$1], $1) < (scores[$1], areas[$0], $0)
        }
    }

    /// Row by row, each instance replaced by its entry in `numbers`, whose first is the
    /// background's.
    func rows<Number: FixedWidthInteger>(_ numbers: [Number]) -> [Number] {
        let (height, width) = (size.height, size.width)
        return [Number](unsafeUninitializedCapacity: values.count) { rows, count in
            // Blocks of columns, so that the rows written to stay in the cache.
            for first in stride(from: 0, to: width, by: 16) {
                let columns = first..<min(first + 16, width)
                for row in 0..<height {
                    for column in columns {
                        rows[row * width + column] = numbers[Int(values[column * height + row])]
                    }
                }
            }
            count = values.count
        }
    }

    /// The image whose colours are numbers: the lowest byte is red.
    static func image(numbers: [UInt32], _ size: Size) -> RGBImage {
        let count = 3 * numbers.count
        let pixels = [UInt8](unsafeUninitializedCapacity: count) { pixels, initialized in
            for (place, number) in numbers.enumerated() {
                pixels[3 * place] = UInt8(truncatingIfNeeded: number)
                pixels[3 * place + 1] = UInt8(truncatingIfNeeded: number >> 8)
                pixels[3 * place + 2] = UInt8(truncatingIfNeeded: number >> 16)
            }
            initialized = count
        }
        return RGBImage(size: size, pixels: pixels)
    }

    /// What is left of each mask; nil where nothing is.
    func visibleMasks() -> [RLE?] {
        Array(RLE.masks(columns: values, size: size, highest: areas.count).dropFirst())
    }

    /// Joins instances that have the same number, so that no edge is left between them.
    mutating func mergeEqual(_ numbers: [Int]) {
        var firsts: [Int: UInt16] = [:]
        var merged: [UInt16] = [0]
        for (place, number) in numbers.enumerated() {
            let first = firsts[number] ?? UInt16(place + 1)
            firsts[number] = first
            merged.append(first)
        }
        guard firsts.count < numbers.count else { return }
        for place in values.indices { values[place] = merged[Int(values[place])] }
    }

    /// Gives the pixels near every edge between two numbers, on both sides of it, the number
    /// `value`, which stands for no instance.
    ///
    /// - Parameter reach: how many pixels on each side.
    mutating func drawBorder(_ reach: Int, as value: UInt16) {
        guard reach > 0 else { return }
        var border = edgePixels()
        border.dilate(height: size.height, by: reach - 1)
        for place in border.indices where border[place] { values[place] = value }
    }

    /// The pixels beside one with another number.
    private func edgePixels() -> [Bool] {
        var isEdge = [Bool](repeating: false, count: values.count)
        for place in values.indices {
            let below = place + 1
            if below % size.height != 0, values[below] != values[place] {
                isEdge[place] = true
                isEdge[below] = true
            }
            let beside = place + size.height
            if beside < values.count, values[beside] != values[place] {
                isEdge[place] = true
                isEdge[beside] = true
            }
        }
        return isEdge
    }
}

extension [Bool] {
    /// Spreads set pixels by `reach` in all directions, in columns of `height`.
    fileprivate mutating func dilate(height: Int, by reach: Int) {
        guard reach > 0, height > 0, !isEmpty else { return }
        let width = count / height
        spread(lines: width, length: height, lineStep: height, step: 1, reach: reach)
        spread(lines: height, length: width, lineStep: 1, step: height, reach: reach)
    }

    private mutating func spread(lines: Int, length: Int, lineStep: Int, step: Int, reach: Int) {
        for line in 0..<lines {
            let first = line * lineStep
            let set = (0..<length).filter { self[first + $0 * step] }
            var next = 0
            for position in set {
                // What an earlier pixel reached is not set again.
                for place in Swift.max(
                    next, position - reach)..<Swift.max(
                        next, Swift.min(position + reach + 1, length))
                {
                    self[first + place * step] = true
                }
                next = Swift.max(next, Swift.min(position + reach + 1, length))
            }
        }
    }
}
