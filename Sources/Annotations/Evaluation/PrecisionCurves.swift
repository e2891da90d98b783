/// Precision and recall of one category, from its detections of all images.
struct PrecisionCurves: Sendable {
    /// Mean precision over ``COCOLimits/recalls``, by area range and overlap.
    private(set) var precisions: [[Double?]] = []
    /// The highest recall, by area range and overlap.
    private(set) var recalls: [[Double?]] = []
    /// The same with fewer detections in an image, for all areas: by ``COCOLimits/detectionCounts``
    /// and overlap.
    private(set) var recallsByCount: [[Double?]] = []

    /// - Parameters:
    ///   - detections: in the order of their images' ids.
    ///   - positives: the number of true objects that count, by area range.
    init(_ detections: [MatchedDetection], positives: [Int]) {
        let order = detections.indices.sorted {
            (detections[$1].score, $0) < (detections[$0].score, $1)
        }
        let sorted = order.map { detections[$0] }
        var curve = Curve()
        for area in COCOLimits.areas.indices {
            var precisions: [Double?] = []
            var recalls: [Double?] = []
            for overlap in COCOLimits.overlaps.indices {
                curve.read(sorted, area: area, overlap: overlap, positives: positives[area])
                precisions.append(positives[area] == 0 ? nil : curve.meanPrecision)
                recalls.append(positives[area] == 0 ? nil : curve.recall)
            }
            self.precisions.append(precisions)
            self.recalls.append(recalls)
        }
        for limit in COCOLimits.detectionCounts {
            let kept = sorted.filter { $0.rank < limit }
            recallsByCount.append(
                COCOLimits.overlaps.indices.map { overlap in
                    guard positives[0] > 0 else { return nil }
                    curve.read(kept, area: 0, overlap: overlap, positives: positives[0])
                    return curve.recall
                })
        }
    }
}

/// The points of a curve where recall rises; precision in between is never the highest to the right.
private struct Curve {
    private var recalls: [Double] = []
    private var precisions: [Double] = []
    var recall: Double { recalls.last ?? 0 }

    mutating func read(
        _ detections: [MatchedDetection], area: Int, overlap: Int, positives: Int
    ) {
        recalls.removeAll(keepingCapacity: true)
        precisions.removeAll(keepingCapacity: true)
        let bit = UInt16(1) << UInt16(overlap)
        var (right, wrong) = (0.0, 0.0)
        for detection in detections where detection.isIgnored[area] & bit == 0 {
            if detection.isMatched[area] & bit != 0 {
                right += 1
                recalls.append(right / Double(positives))
                // numpy's spacing(1), which keeps 0 / 0 from arising there.
                precisions.append(right / (wrong + right + Double.ulpOfOne))
            } else {
                wrong += 1
            }
        }
    }

    /// Over all recalls, of the highest precision at that recall or a higher one.
    var meanPrecision: Double {
        var sum = 0.0
        var highest = 0.0
        var point = recalls.count
        for wanted in COCOLimits.recalls.reversed() {
            while point > 0, recalls[point - 1] >= wanted {
                point -= 1
                highest = max(highest, precisions[point])
            }
            sum += point < recalls.count ? highest : 0
        }
        return sum / Double(COCOLimits.recalls.count)
    }
}

extension AveragePrecision {
    /// - Parameter curves: of each category.
    init(_ curves: [PrecisionCurves]) {
        func mean(_ values: [[Double?]]) -> Double? {
            let known = values.flatMap { $0 }.compactMap { $0 }
            return known.isEmpty ? nil : known.reduce(0, +) / Double(known.count)
        }
        func precision(_ area: Int) -> Double? { mean(curves.map { $0.precisions[area] }) }
        func recall(_ area: Int) -> Double? { mean(curves.map { $0.recalls[area] }) }
        values =
            [precision(0), mean(curves.map { [$0.precisions[0][0]] })]
            + [mean(curves.map { [$0.precisions[0][5]] })]
            + (1...3).map(precision)
            + COCOLimits.detectionCounts.indices.map { count in
                mean(curves.map { $0.recallsByCount[count] })
            }
            + (1...3).map(recall)
        categories = curves.map { mean([$0.precisions[0]]) }
    }
}
