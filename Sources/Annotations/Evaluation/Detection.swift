import Imaging

/// An entry of a ``DetectionFile``.
package struct Detection: Sendable {
    /// Nil for entries that have none.
    package let id: RecordID?
    /// The place of its image in the truth's `images`.
    package var imageIndex: Int { Int(imageBits) }
    /// The place of its category in the truth's `categories`; nil for one that is not there.
    package var categoryIndex: Int? { categoryBits < 0 ? nil : Int(categoryBits) }
    /// Nil for an entry that has none while others have; it stays out of average precision.
    package let score: Double?
    /// The box as the file has it; nil in a file of masks alone.
    let box: PlainBox?
    let imageBits, categoryBits: Int32
    let segmentationBytes: ByteRange
}

/// A box as COCO and pycocotools have it. Corners are sums, so a ``Box`` would not give the width
/// back to the last bit.
struct PlainBox: Sendable, Equatable {
    var x, y, width, height: Double

    var area: Double { width * height }

    /// Intersection over union as pycocotools' `bbIou` has it; of a crowd, over our own area.
    func iou(with truth: PlainBox, isCrowd: Bool) -> Double {
        let sharedWidth = min(x + width, truth.x + truth.width) - max(x, truth.x)
        guard sharedWidth > 0 else { return 0 }
        let sharedHeight = min(y + height, truth.y + truth.height) - max(y, truth.y)
        guard sharedHeight > 0 else { return 0 }
        let shared = sharedWidth * sharedHeight
        return shared / (isCrowd ? area : area + truth.area - shared)
    }

    /// The corners in the order in which pycocotools' `loadRes` makes a polygon of a box.
    var polygon: [Double] {
        let (right, bottom) = (x + width, y + height)
        return [x, y, x, bottom, right, bottom, right, y]
    }
}

extension PlainBox {
    package init(_ annotation: AnnotationRecord) {
        self.init(
            x: annotation.x, y: annotation.y, width: annotation.width, height: annotation.height)
    }

    package init(_ box: Box) {
        self.init(x: box.minX, y: box.minY, width: box.width, height: box.height)
    }
}
