import Annotations
package import Imaging
package import MaskModel

extension SizeBucket {
    /// The bucket of a box, whose area is taken in single precision as the reference does (SPEC §8).
    package init?(_ box: Box) {
        let width = Float(box.maxX) - Float(box.minX)
        let height = Float(box.maxY) - Float(box.minY)
        self.init(area: width * height)
    }
}

/// The metrics of SPEC §8 over objects added one by one.
///
/// The area metrics are the intended ones: the reference counts an object for every class of its
/// batch.
public struct MeanIoU: Sendable, Equatable {
    /// Sum of IoUs and number of objects.
    package struct Tally: Sendable, Equatable {
        package private(set) var total = 0.0
        package private(set) var count = 0

        package mutating func add(_ iou: Double) {
            total += iou
            count += 1
        }

        /// Nil for no objects.
        package var mean: Double? { count == 0 ? nil : total / Double(count) }

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
    package init(categoryCount: Int) {
        all = Array(repeating: Tally(), count: categoryCount)
        bySize = Array(repeating: all, count: SizeBucket.allCases.count)
    }

    /// Adds an object.
    ///
    /// - Parameter category: its place in `categories`.
    package mutating func add(iou: Double, category: Int, bucket: SizeBucket?) {
        all[category].add(iou)
        if let bucket { bySize[bucket.rawValue][category].add(iou) }
    }

    /// Over all objects.
    package var overall: Means { Self.means(all) }

    /// Over the objects of a size.
    package subscript(bucket: SizeBucket) -> Means { Self.means(bySize[bucket.rawValue]) }

    /// A row for each entry of `categories`, also those without objects.
    package var categories: [Tally] { all }

    private static func means(_ tallies: [Tally]) -> Means {
        let classes = tallies.compactMap(\.classMean)
        let total = tallies.reduce(0) { $0 + $1.total }
        let count = tallies.reduce(0) { $0 + $1.count }
        return Means(
            classMean: classes.isEmpty ? nil : classes.reduce(0, +) / Double(classes.count),
            instanceMean: count == 0 ? nil : total / Double(count), count: count)
    }
}
