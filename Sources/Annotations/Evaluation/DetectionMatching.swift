/// The true objects of one image and category.
struct MatchingTruth {
    let area: Double
    let isCrowd: Bool
}

/// Gives each detection of an image and category the true object that it found, greedily from the
/// best score on, for every area range and overlap.
///
/// - Parameters:
///   - overlaps: detection by detection, of each true object.
///   - detectionAreas: best score first, as `matched`.
func match(
    _ matched: inout [MatchedDetection], detectionAreas: [Double],
    truths: [MatchingTruth], overlaps: [Double]
) {
    var isTaken = [Bool](repeating: false, count: truths.count)
    for (area, range) in COCOLimits.areas.enumerated() {
        let isIgnored = truths.map { $0.isCrowd || !range.contains($0.area) }
        // Those that count first; else in order.
        let order =
            truths.indices.filter { !isIgnored[$0] } + truths.indices.filter { isIgnored[$0] }
        for (threshold, least) in COCOLimits.overlaps.enumerated() {
            let bit = UInt16(1) << UInt16(threshold)
            for truth in isTaken.indices { isTaken[truth] = false }
            for place in matched.indices {
                var best: Int?
                var highest = min(least, 1 - 1e-10)
                for truth in order {
                    if isTaken[truth], !truths[truth].isCrowd { continue }
                    if let best, !isIgnored[best], isIgnored[truth] { break }
                    let overlap = overlaps[place * truths.count + truth]
                    if overlap < highest { continue }
                    highest = overlap
                    best = truth
                }
                if let best {
                    isTaken[best] = true
                    matched[place].isMatched[area] |= bit
                    if isIgnored[best] { matched[place].isIgnored[area] |= bit }
                } else if !range.contains(detectionAreas[place]) {
                    matched[place].isIgnored[area] |= bit
                }
            }
        }
    }
}
