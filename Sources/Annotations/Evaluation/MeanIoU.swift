public import Imaging

/// The three object sizes of the metrics and thresholds: box area in pixels, above the lower and up
/// to the upper limit.
public enum SizeBucket: Int, Sendable, CaseIterable, CustomStringConvertible {
    case small, medium, large

    /// - Returns: nil for an area of 0 or above 10¹⁰, which is in no bucket.
    public init?(area: Double) {
        switch area {
        case _ where area > 0 && area <= 1024: self = .small
        case _ where area > 1024 && area <= 9216: self = .medium
        case _ where area > 9216 && area <= 1e10: self = .large
        default: return nil
        }
    }

    /// The bucket of a box, whose area is taken in single precision as the reference does (SPEC
    /// §8).
    public init?(_ box: Box) {
        let width = Float(box.maxX) - Float(box.minX)
        let height = Float(box.maxY) - Float(box.minY)
        self.init(area: Double(width * height))
    }

    public var description: String {
        switch self {
        case .small: "small"
        case .medium: "medium"
        case .large: "large"
        }
    }
}

/// The metrics of SPEC §8 over objects added one by one.
///
/// The area metrics are the intended ones: the reference counts an object for every class of its
/// batch.
public struct MeanIoU: Sendable, Equatable {
    /// Sum of IoUs and number of objects.
    public struct Tally: Sendable, Equatable {
        public private(set) var total = 0.0
        public private(set) var count = 0

        package mutating func add(_ iou: Double) {
            total += iou
            count += 1
        }

        /// Nil for no objects.
        public var mean: Double? { count == 0 ? nil : total / Double(count) }

        /// The reference's class mean, with its 1e-6; nil for no objects.
        var classMean: Double? { count == 0 ? nil : total / (1e-6 + Double(count)) }
    }

    /// The mean over classes beside the mean over objects; nil where there is no object.
    public struct Means: Sendable, Equatable {
        public let classMean: Double?
        public let instanceMean: Double?
        public let count: Int
    }

    private var all: [Tally]
    private var bySize: [[Tally]]

    /// - Parameter categoryCount: the number of entries of `categories`.
    public init(categoryCount: Int) {
        all = Array(repeating: Tally(), count: categoryCount)
        bySize = Array(repeating: all, count: SizeBucket.allCases.count)
    }

    /// Adds an object.
    ///
    /// - Parameter category: its place in `categories`.
    public mutating func add(iou: Double, category: Int, bucket: SizeBucket?) {
        all[category].add(iou)
        if let bucket { bySize[bucket.rawValue][category].add(iou) }
    }

    /// Over all objects.
    public var overall: Means { Self.means(all) }

    /// Over the objects of a size.
    public subscript(bucket: SizeBucket) -> Means { Self.means(bySize[bucket.rawValue]) }

    /// A row for each entry of `categories`, also those without objects.
    public var categories: [Tally] { all }

    /// The IoU of one object with the reference's 1e-6; 0 for different sizes.
    public static func iou(_ prediction: RLE, _ truth: RLE) -> Double {
        let shared = prediction.intersectionArea(with: truth)
        return Double(shared) / (Double(prediction.area + truth.area - shared) + 1e-6)
    }

    private static func means(_ tallies: [Tally]) -> Means {
        let classes = tallies.compactMap(\.classMean)
        let total = tallies.reduce(0) { $0 + $1.total }
        let count = tallies.reduce(0) { $0 + $1.count }
        return Means(
            classMean: classes.isEmpty ? nil : classes.reduce(0, +) / Double(classes.count),
            instanceMean: count == 0 ? nil : total / Double(count), count: count)
    }
}
