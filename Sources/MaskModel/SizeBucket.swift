/// The three sizes of objects, by box area in image pixels (SPEC §5.1).
public enum SizeBucket: Int, CaseIterable, Sendable {
    case small
    case medium
    case large

    /// The areas of the bucket; both ends are outside.
    public var bounds: (lower: Float, upper: Float) {
        switch self {
        case .small: (0, 1024)
        case .medium: (1024, 9216)
        case .large: (9216, 1e10)
        }
    }

    /// The bucket whose open interval holds `area`, if any does: none holds 0, 1024, 9216.
    public init?(area: Float) {
        guard
            let bucket = Self.allCases.first(where: {
                area > $0.bounds.lower && area < $0.bounds.upper
            })
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
