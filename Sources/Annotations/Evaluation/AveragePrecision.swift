/// What two objects are compared by.
package enum OverlapKind: String, Sendable, CaseIterable {
    case bbox
    case segm
    /// The lesser of mask IoU and boundary IoU, as Cheng et al. have it.
    case boundary
}

/// COCO's twelve numbers, as pycocotools' `COCOeval` computes them.
package struct AveragePrecision: Sendable, Equatable {
    /// The names of SPEC §9, in pycocotools' order.
    package static let names = [
        "AP", "AP50", "AP75", "APs", "APm", "APl", "ARmax1", "ARmax10", "ARmax100", "ARs", "ARm",
        "ARl",
    ]

    /// By ``names``; nil, where pycocotools has −1, for no true object.
    package let values: [Double?]
    /// AP of each entry of `categories`; nil for one without a true object.
    package let categories: [Double?]
}

/// The constants of the metric.
enum COCOLimits {
    /// numpy's `linspace(0.5, 0.95, 10)`, to the last bit.
    static let overlaps = linspace(0.5, 0.95, count: 10)
    /// Recalls at which precision is read.
    static let recalls = linspace(0, 1, count: 101)
    /// The most detections that count in an image, by category.
    static let detectionCounts = [1, 10, 100]
    /// All, small, medium and large areas; both ends belong to a range.
    static let areas: [ClosedRange<Double>] = [0...1e10, 0...1024, 1024...9216, 9216...1e10]

    private static func linspace(_ first: Double, _ last: Double, count: Int) -> [Double] {
        let step = (last - first) / Double(count - 1)
        return (0..<count).map { $0 == count - 1 ? last : Double($0) * step + first }
    }
}

/// A detection after its image was gone through. Area ranges are lanes, overlaps are bits.
struct MatchedDetection: Sendable {
    let score: Double
    let category: Int32
    /// Its place among the detections of its image and category, best score first.
    let rank: Int32
    var isMatched = SIMD4<UInt16>()
    /// Neither right nor wrong: what it found is ignored, or it found nothing and is out of range.
    var isIgnored = SIMD4<UInt16>()
}
