/// Which boxes go through the network together. It depends on the plan and the settings alone, so that
/// every run, resumed or shared, forms the same batches.
///
/// A batch holds boxes of one crop size, in the plan's order. With several sizes it is begun with the
/// first box of its size and closed when it is full, so that the boxes of an image stay close.
package struct BatchPlan: Sendable {
    /// Positions in the plan, batch after batch.
    private var positions: [Int] = []
    private var ends: [Int] = []
    private var sizes: [Int] = []

    package init(_ plan: BoxPlan, _ settings: CropSettings) {
        positions.reserveCapacity(plan.boxes.count)
        var open: [Int: [Int]] = [:]
        for (position, planned) in plan.boxes.enumerated() {
            let size = settings.adaptive?.size(for: planned.box) ?? settings.cropSize
            open[size, default: []].append(position)
            if open[size]?.count == settings.batchSize {
                close(open[size] ?? [], size)
                open[size] = nil
            }
        }
        for (size, rest) in open.sorted(by: { $0.key < $1.key }) { close(rest, size) }
    }

    private mutating func close(_ batch: [Int], _ size: Int) {
        positions += batch
        ends.append(positions.count)
        sizes.append(size)
    }

    package var count: Int { ends.count }

    /// The side of the batch's crops in pixels.
    package func cropSize(ofBatch index: Int) -> Int { sizes[index] }

    /// Where the batch's boxes are in the plan.
    package func positions(ofBatch index: Int) -> ArraySlice<Int> {
        positions[(index == 0 ? 0 : ends[index - 1])..<ends[index]]
    }

    package func boxCount(ofBatches batches: some Sequence<Int>) -> Int {
        batches.reduce(0) { $0 + positions(ofBatch: $1).count }
    }

    /// Boxes by crop size, ascending.
    package var boxCounts: [(cropSize: Int, count: Int)] {
        var counts: [Int: Int] = [:]
        for index in 0..<count {
            counts[sizes[index], default: 0] += positions(ofBatch: index).count
        }
        return counts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}
