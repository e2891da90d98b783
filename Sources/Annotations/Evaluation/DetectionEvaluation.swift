import Foundation

/// Average precision of detections against the truth, and the overlap of masks that share an id.
package struct DetectionEvaluation: Sendable {
    package struct Results: Sendable {
        /// By kind, for those that were asked for.
        package let precision: [OverlapKind: AveragePrecision]
        /// In the order of images' ids.
        package let pairs: [MaskPair]
    }

    private let truth: AnnotationFile
    private let detections: DetectionFile
    private let kinds: [OverlapKind]

    /// - Parameter kinds: mask kinds need a mask in every true object.
    package init(truth: AnnotationFile, detections: DetectionFile, kinds: [OverlapKind]) {
        self.truth = truth
        self.detections = detections
        self.kinds = kinds
    }

    /// How many images a task goes through.
    private static let imagesPerTask = 32

    /// - Parameter onProgress: images done.
    /// - Throws: ``AnnotationError`` that names the entry whose mask is wrong; `CancellationError`.
    package func run(onProgress: (Int) -> Void = { _ in }) async throws -> Results {
        let areas = try truthAreas()
        let evaluator = ImageEvaluator(
            truth: truth, detections: detections, kinds: kinds, truthAreas: areas,
            partners: partners())
        let images = imagesByID()
        let truths = AnnotationIndex(truth) { $0.categoryIndex != nil }
        let found = detectionsByImage()
        let parts = stride(from: 0, to: images.count, by: Self.imagesPerTask).map {
            Array(images[$0..<min($0 + Self.imagesPerTask, images.count)])
        }
        var done = 0
        var evaluations: [[ImageEvaluation]] = parts.map { _ in [] }
        var failures: [Int: any Error] = [:]
        await withTaskGroup(of: (Int, Result<[ImageEvaluation], any Error>).self) { group in
            for (number, part) in parts.enumerated() {
                group.addTask {
                    do {
                        var results: [ImageEvaluation] = []
                        for image in part {
                            results.append(
                                try evaluator.evaluate(
                                    image: image, truths: truths[image: image], found: found[image])
                            )
                        }
                        return (number, .success(results))
                    } catch {
                        return (number, .failure(error))
                    }
                }
            }
            for await (number, result) in group {
                switch result {
                case .success(let part): evaluations[number] = part
                case .failure(let error): failures[number] = error
                }
                done += parts[number].count
                onProgress(done)
            }
        }
        // The first in order, whichever task was first.
        if let number = failures.keys.min(), let error = failures[number] { throw error }
        return await results(evaluations.flatMap { $0 }, areas: areas)
    }

    private func results(_ images: [ImageEvaluation], areas: [Double]) async -> Results {
        let positives = positives(areas)
        var precision: [OverlapKind: AveragePrecision] = [:]
        for (place, kind) in kinds.enumerated() {
            var byCategory: [[MatchedDetection]] = truth.categories.map { _ in [] }
            for image in images {
                for detection in image.detections[place] {
                    byCategory[Int(detection.category)].append(detection)
                }
            }
            let curves = await withTaskGroup(of: (Int, PrecisionCurves).self) { group in
                for (category, detections) in byCategory.enumerated() {
                    let positives = positives[category]
                    group.addTask {
                        (category, PrecisionCurves(detections, positives: positives))
                    }
                }
                return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
            }
            precision[kind] = AveragePrecision(byCategory.indices.compactMap { curves[$0] })
        }
        return Results(precision: precision, pairs: images.flatMap(\.pairs))
    }

    /// The number of objects that count, by category and area range.
    private func positives(_ areas: [Double]) -> [[Int]] {
        var counts = truth.categories.map { _ in COCOLimits.areas.map { _ in 0 } }
        for annotation in truth.annotations where !annotation.isCrowd {
            guard annotation.imageIndex != nil, let category = annotation.categoryIndex else {
                continue
            }
            for (place, range) in COCOLimits.areas.enumerated()
            where range.contains(areas[annotation.index]) {
                counts[category][place] += 1
            }
        }
        return counts
    }

    /// The truth's `area`; where it has none, that of the mask, or else of the box.
    private func truthAreas() throws -> [Double] {
        var areas: [Double] = []
        areas.reserveCapacity(truth.annotations.count)
        for annotation in truth.annotations {
            if let area = truth.area(of: annotation) {
                areas.append(area)
            } else if annotation.segmentationRange != nil, annotation.imageIndex != nil {
                areas.append(Double(try truth.requiredMask(of: annotation).area))
            } else {
                areas.append(annotation.width * annotation.height)
            }
        }
        return areas
    }

    /// Images in the order in which pycocotools goes through them: equal scores of several images
    /// count in that order.
    private func imagesByID() -> [Int] {
        truth.images.indices.sorted { truth.images[$0].id.precedes(truth.images[$1].id) }
    }

    private func detectionsByImage() -> [[Int]] {
        var found: [[Int]] = truth.images.map { _ in [] }
        for (place, detection) in detections.detections.enumerated() {
            found[detection.imageIndex].append(place)
        }
        return found
    }

    /// The true object of the same id in the same image, by detection.
    private func partners() -> [Int32] {
        guard detections.detections.contains(where: { $0.id != nil }) else {
            return detections.detections.map { _ in -1 }
        }
        let places = Dictionary(
            truth.annotations.map { ($0.id, $0.index) }, uniquingKeysWith: { first, _ in first })
        var used = Set<Int>()
        return detections.detections.map { detection in
            guard let id = detection.id, let place = places[id],
                truth.annotations[place].imageIndex == detection.imageIndex,
                used.insert(place).inserted
            else { return -1 }
            return Int32(place)
        }
    }
}

extension RecordID {
    /// Numbers by value, then texts by their characters' codes.
    fileprivate func precedes(_ other: RecordID) -> Bool {
        switch (self, other) {
        case (.integer(let one), .integer(let two)): one < two
        case (.text(let one), .text(let two)):
            one.unicodeScalars.lexicographicallyPrecedes(two.unicodeScalars)
        case (.large(let one), .large(let two)): (one.count, one) < (two.count, two)
        case (.integer, _), (.large, .text): true
        case (.text, _), (.large, .integer): false
        }
    }
}
