// Unions, intersections and their areas, run by run: no mask is ever unpacked.
extension RLE {
    /// Pixels set in any of the masks; nil for no masks or different sizes.
    package static func union(_ masks: [RLE]) -> RLE? { merge(masks) { $0 || $1 } }

    /// Pixels set in all of the masks; nil for no masks or different sizes.
    package static func intersection(_ masks: [RLE]) -> RLE? { merge(masks) { $0 && $1 } }

    /// The IoU of one object with the reference's 1e-6; 0 for different sizes.
    package func referenceIoU(with truth: RLE) -> Double {
        let shared = intersectionArea(with: truth)
        return Double(shared) / (Double(area + truth.area - shared) + 1e-6)
    }

    /// The number of pixels set in both; 0 for different sizes.
    package func intersectionArea(with other: RLE) -> Int {
        guard size == other.size else { return 0 }
        var area = 0
        Self.walk(self, other) { length, first, second in
            if first, second { area += length }
        }
        return area
    }

    /// Intersection over union as pycocotools' `iou` has it.
    ///
    /// - Parameter isCrowd: whether `truth` is a crowd, of which any part counts as whole: the
    ///   intersection is then divided by our own area.
    /// - Returns: −1 for different sizes, 0 for two empty masks.
    package func iou(with truth: RLE, isCrowd: Bool = false) -> Double {
        guard size == truth.size else { return -1 }
        let shared = intersectionArea(with: truth)
        guard shared > 0 else { return 0 }
        let whole = isCrowd ? area : area + truth.area - shared
        return Double(shared) / Double(whole)
    }

    private static func merge(_ masks: [RLE], _ combine: (Bool, Bool) -> Bool) -> RLE? {
        guard var result = masks.first else { return nil }
        for mask in masks.dropFirst() {
            guard mask.size == result.size else { return nil }
            var counts: [UInt32] = []
            var length = 0
            var value = false
            walk(result, mask) { step, first, second in
                let next = combine(first, second)
                if next != value {
                    counts.append(UInt32(length))
                    length = 0
                    value = next
                }
                length += step
            }
            counts.append(UInt32(length))
            result = RLE(result.size, counts)
        }
        return result
    }

    /// Calls `body` for every stretch in which neither mask changes. Runs of no length are skipped.
    private static func walk(
        _ first: RLE, _ second: RLE, _ body: (_ length: Int, _ first: Bool, _ second: Bool) -> Void
    ) {
        first.counts.withUnsafeBufferPointer { firstCounts in
            second.counts.withUnsafeBufferPointer { secondCounts in
                var one = RunCursor(counts: firstCounts)
                var two = RunCursor(counts: secondCounts)
                while one.advance(), two.advance() {
                    let step = min(one.rest, two.rest)
                    body(Int(step), one.isSet, two.isSet)
                    one.rest -= step
                    two.rest -= step
                }
            }
        }
    }
}

private struct RunCursor {
    let counts: UnsafeBufferPointer<UInt32>
    var index = 0
    var rest: UInt32 = 0
    var isSet = true

    init(counts: UnsafeBufferPointer<UInt32>) {
        self.counts = counts
    }

    /// Moves on to the next run when this one is used up; false at the end.
    mutating func advance() -> Bool {
        while rest == 0 {
            guard index < counts.count else { return false }
            rest = counts[index]
            index += 1
            isSet.toggle()
        }
        return true
    }
}
