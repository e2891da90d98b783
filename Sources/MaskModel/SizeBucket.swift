/// The three sizes of objects, by box area in image pixels (SPEC §5.1).
package enum SizeBucket: Int, CaseIterable, Sendable {
    case small, medium, large

    /// Where an area belongs that lies between two buckets.
    package enum Border: Sendable {
        /// Below: for metrics and thresholds.
        case smaller
        /// Nowhere: for the reference's mask head, which has no scale for it.
        case neither
    }

    /// The areas on its borders.
    package var bounds: (lower: Float, upper: Float) {
        switch self {
        case .small: (0, 1024)
        case .medium: (1024, 9216)
        case .large: (9216, 1e10)
        }
    }

    /// - Returns: nil for an area of 0 or above 10¹⁰, which is in no bucket.
    package init?(area: Float, border: Border = .smaller) {
        guard
            let bucket = Self.allCases.first(where: {
                area > $0.bounds.lower && area <= $0.bounds.upper
            }), border == .smaller || area < bucket.bounds.upper
        else { return nil }
        self = bucket
    }

    /// The side of the mask head's input for a feature map of `side` × `side`.
    package func mapSide(of side: Int) -> Int {
        switch self {
        case .small: side / 2
        case .medium: side
        case .large: side * 2
        }
    }
}
