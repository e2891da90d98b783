package import Annotations

/// What was written and what the format could not hold.
package struct ExportReport: Sendable, Equatable {
    /// Something of the input that is not, or not quite, in the output.
    package enum Loss: String, Sendable, CaseIterable {
        case withoutMask = "annotations without a mask left out"
        case emptyMask = "annotations with an empty mask left out"
        case masks = "masks left out: the format has boxes only"
        case boxOnly = "annotations without a mask written without one"
        case withoutCategory = "annotations without a category left out"
        case withoutImage = "annotations of unknown images left out"
        case uncountable =
            "annotations left out: more instances or categories than the format counts"
        case intricate = "annotations left out: their outline is too long for polygons"
        case scores = "scores left out"
        case crowds = "crowd flags left out"
        case ignored = "crowds written as regions to ignore, without category"
        case covered = "annotations left out: other masks cover theirs wholly"
        case overlapped = "masks lost pixels to others that overlap them"
        case overlapPixels = "pixels lost to overlapping masks"
        case joinedParts = "masks of several parts written as one polygon, parts joined by lines"
        case keyholes = "masks have holes, joined to their outline by lines"
        case changedNames = "category names changed, white space is not allowed in them"
        case renamedImages = "images written under another name: theirs was taken"
        case outside = "boxes outside of their image left out"

        /// Whether everything can be read back all the same.
        package var isHarmless: Bool {
            self == .joinedParts || self == .keyholes || self == .boxOnly
        }
    }

    package var imageCount = 0
    package var annotationCount = 0
    package var writtenCount = 0
    /// Parts and holes of the masks that became polygons.
    package var partCount = 0
    package var holeCount = 0
    /// Masks that became polygons, and their IoU with the polygons.
    package var polygonCount = 0
    package private(set) var iouSum = 0.0
    package private(set) var worstIoU = 1.0
    /// The annotation whose polygons fit worst.
    package private(set) var worstID: RecordID?
    package private(set) var losses: [Loss: Int] = [:]
    /// Further keys of annotations that the format has no room for, and how many had them.
    package private(set) var lostKeys: [String: Int] = [:]
    package var byteCount = 0

    package init() {}

    package var meanIoU: Double? { polygonCount > 0 ? iouSum / Double(polygonCount) : nil }

    mutating func add(_ loss: Loss, _ count: Int = 1) {
        if count > 0 { losses[loss, default: 0] += count }
    }

    mutating func add(lostKey key: String) { lostKeys[key, default: 0] += 1 }

    mutating func add(iou: Double, of id: RecordID) {
        polygonCount += 1
        iouSum += iou
        if iou < worstIoU {
            worstIoU = iou
            worstID = id
        }
    }

    /// What of annotations' further keys is lost: `occluded (12), pose (3) left out`; nil for
    /// nothing.
    package var lostKeysLine: String? {
        guard !lostKeys.isEmpty else { return nil }
        let sorted = lostKeys.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        let shown = sorted.prefix(8).map { "\($0.key) (\($0.value))" }.joined(separator: ", ")
        return "further keys of annotations left out: \(shown)"
            + (sorted.count > 8 ? " and \(sorted.count - 8) more" : "")
    }

    /// A line a loss, in a fixed order.
    package var warnings: [(loss: Loss, line: String)] {
        Loss.allCases.compactMap { loss in losses[loss].map { (loss, "\($0) \(loss.rawValue)") } }
    }
}
