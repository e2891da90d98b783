/// How well estimated IoUs foretell the measured ones.
public struct ConfidenceTable: Sendable, Equatable {
    /// Masks whose score lies between two tenths.
    public struct Bin: Sendable, Equatable {
        public let lowerBound: Double
        public let upperBound: Double
        public let count: Int
        public let meanScore: Double
        public let meanIoU: Double
    }

    /// Masks below this IoU are those that the score should find.
    public static let badIoU = 0.5

    public let count: Int
    public let badCount: Int
    /// The chance that of a mask below ``badIoU`` and one above it the first has the lower score;
    /// nil when there are not both.
    public let auroc: Double?
    /// The expected calibration error: mean distance of score and IoU over tenths of the score.
    public let calibrationError: Double
    public let meanScore: Double
    public let meanIoU: Double
    /// Tenths that hold a mask.
    public let bins: [Bin]

    /// - Parameter pairs: a mask each; nil is returned for none.
    public init?(_ pairs: [(score: Double, iou: Double)]) {
        guard !pairs.isEmpty else { return nil }
        let total = Double(pairs.count)
        count = pairs.count
        badCount = pairs.count { $0.iou < Self.badIoU }
        meanScore = pairs.reduce(0) { $0 + $1.score } / total
        meanIoU = pairs.reduce(0) { $0 + $1.iou } / total
        var groups = [[(score: Double, iou: Double)]](repeating: [], count: 10)
        for pair in pairs { groups[min(max(Int(pair.score * 10), 0), 9)].append(pair) }
        bins = groups.enumerated().compactMap { index, group in
            guard !group.isEmpty else { return nil }
            let size = Double(group.count)
            return Bin(
                lowerBound: Double(index) / 10, upperBound: Double(index + 1) / 10,
                count: group.count, meanScore: group.reduce(0) { $0 + $1.score } / size,
                meanIoU: group.reduce(0) { $0 + $1.iou } / size)
        }
        calibrationError = bins.reduce(0) {
            $0 + Double($1.count) / total * abs($1.meanScore - $1.meanIoU)
        }
        auroc = Self.auroc(pairs, badCount: badCount)
    }

    /// By ranks; equal scores share theirs.
    private static func auroc(_ pairs: [(score: Double, iou: Double)], badCount: Int) -> Double? {
        let goodCount = pairs.count - badCount
        guard badCount > 0, goodCount > 0 else { return nil }
        let sorted = pairs.sorted { $0.score < $1.score }
        var goodRanks = 0.0
        var start = 0
        while start < sorted.count {
            var end = start
            while end < sorted.count, sorted[end].score == sorted[start].score { end += 1 }
            let rank = Double(start + end + 1) / 2
            goodRanks += rank * Double(sorted[start..<end].count { $0.iou >= badIoU })
            start = end
        }
        let lowest = Double(goodCount) * Double(goodCount + 1) / 2
        return (goodRanks - lowest) / (Double(goodCount) * Double(badCount))
    }
}
