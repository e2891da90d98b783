/// A detection and the true object under the same id, compared.
package struct MaskPair: Sendable {
    /// The place in the truth's `annotations`.
    package let truth: Int
    /// With the reference's 1e-6, as ``RLE/referenceIoU(with:)`` has it.
    package let iou: Double
    /// Intersection over union of the boundary regions.
    package let boundaryIoU: Double
}

/// What became of one image.
struct ImageEvaluation: Sendable {
    /// By kind, in the order that was asked for.
    var detections: [[MatchedDetection]]
    var pairs: [MaskPair] = []
}

/// Goes through images one by one; several copies may run at once.
struct ImageEvaluator: Sendable {
    let truth: AnnotationFile
    let detections: DetectionFile
    let kinds: [OverlapKind]
    /// The size that area ranges see of each true object.
    let truthAreas: [Double]
    /// The true object of the same id; −1 for none, by detection.
    let partners: [Int32]

    private var needsMasks: Bool { kinds.contains { $0 != .bbox } }

    /// - Parameters:
    ///   - truths: places in the truth's `annotations`, in order.
    ///   - found: places in `detections`, in order.
    func evaluate(image: Int, truths: [Int], found: [Int]) throws -> ImageEvaluation {
        let size = truth.images[image].size
        var result = ImageEvaluation(detections: kinds.map { _ in [] })
        let scene = try Scene(self, size: size, truths: truths, found: found)
        result.pairs = try pairs(scene, found: found)
        let scored = found.filter {
            detections.detections[$0].score != nil && detections.detections[$0].categoryIndex != nil
        }
        let sorted = scored.sorted { one, two in
            let (first, second) = (detections.detections[one], detections.detections[two])
            return (first.categoryBits, -(first.score ?? 0), one)
                < (second.categoryBits, -(second.score ?? 0), two)
        }
        for group in sorted.split(by: { detections.detections[$0].categoryBits }) {
            guard let first = group.first else { continue }
            let category = detections.detections[first].categoryBits
            let right = truths.filter { truth.annotations[$0].categoryBits == category }
            let kept = Array(group.prefix(COCOLimits.detectionCounts.max() ?? 0))
            for (place, kind) in kinds.enumerated() {
                result.detections[place] += try matched(
                    kept, to: right, category: category, scene: scene, kind: kind)
            }
        }
        return result
    }

    private func matched(
        _ found: [Int], to truths: [Int], category: Int32, scene: Scene, kind: OverlapKind
    ) throws -> [MatchedDetection] {
        var matched = found.enumerated().map {
            MatchedDetection(
                score: detections.detections[$1].score ?? 0, category: category, rank: Int32($0))
        }
        var overlaps: [Double] = []
        overlaps.reserveCapacity(found.count * truths.count)
        for detection in found {
            for object in truths {
                overlaps.append(try scene.overlap(of: detection, with: object, kind))
            }
        }
        match(
            &matched, detectionAreas: found.map(scene.area),
            truths: truths.map {
                MatchingTruth(area: truthAreas[$0], isCrowd: truth.annotations[$0].isCrowd)
            }, overlaps: overlaps)
        return matched
    }

    /// Those with a mask on both sides.
    private func pairs(_ scene: Scene, found: [Int]) throws -> [MaskPair] {
        guard needsMasks else { return [] }
        var pairs: [MaskPair] = []
        for detection in found where partners[detection] >= 0 {
            guard detections.hasMask(detections.detections[detection]) else { continue }
            let object = Int(partners[detection])
            pairs.append(
                MaskPair(
                    truth: object, iou: scene.meanIoU(of: detection, with: object),
                    boundaryIoU: try scene.boundaryIoU(of: detection, with: object)))
        }
        return pairs
    }
}

extension Array where Element == Int {
    /// Cuts the array where the key changes.
    fileprivate func split(by key: (Int) -> Int32) -> [ArraySlice<Int>] {
        var parts: [ArraySlice<Int>] = []
        var start = startIndex
        for place in indices where place + 1 == endIndex || key(self[place + 1]) != key(self[place])
        {
            parts.append(self[start...place])
            start = place + 1
        }
        return parts
    }
}
