package import Imaging

/// The boxes of each image, by where they lie: what may hide in a box or share it.
package struct BoxNeighbours: Sendable {
    /// Per image, by the left edge.
    private let boxes: [Int: [Box]]
    /// The widest box of each image: none that begins further left than this can reach.
    private let widest: [Int: Double]

    /// The most neighbours that are looked at, so that a picture of ten thousand boxes stays cheap.
    private static let limit = 64

    package init(_ plan: BoxPlan) {
        self.init(Dictionary(grouping: plan.boxes, by: \.image).mapValues { $0.map(\.box) })
    }

    /// - Parameter given: the boxes of each image.
    package init(_ given: [Int: [Box]]) {
        boxes = given.mapValues { $0.sorted { $0.minX < $1.minX } }
        widest = boxes.mapValues { $0.map(\.width).max() ?? 0 }
    }

    /// The other boxes of an image that overlap `box`; of several equal ones all but one are others.
    package func overlapping(_ box: Box, image: Int) -> [Box] {
        guard let all = boxes[image], let widest = widest[image] else { return [] }
        var index = firstIndex(in: all) { $0.minX >= box.minX - widest }
        var found: [Box] = []
        var hasSkippedItself = false
        while index < all.count, all[index].minX < box.maxX, found.count < Self.limit {
            let other = all[index]
            index += 1
            guard other.maxX > box.minX, other.minY < box.maxY, other.maxY > box.minY else {
                continue
            }
            if other == box, !hasSkippedItself {
                hasSkippedItself = true
            } else {
                found.append(other)
            }
        }
        return found
    }

    /// The first place where `isPast` holds, of which every later one holds too.
    private func firstIndex(in boxes: [Box], where isPast: (Box) -> Bool) -> Int {
        var (low, high) = (0, boxes.count)
        while low < high {
            let middle = (low + high) / 2
            if isPast(boxes[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

extension Box {
    /// The area shared with another box.
    func sharedArea(with other: Box) -> Double {
        max(0, min(maxX, other.maxX) - max(minX, other.minX))
            * max(0, min(maxY, other.maxY) - max(minY, other.minY))
    }
}
