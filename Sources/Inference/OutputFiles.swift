package import Annotations
import Formats
import Imaging
package import Specs

/// What a complete run writes.
package struct OutputFiles {
    package let request: LabelRequest
    /// What the output is made of.
    package let run: String
    package let onEvent: RunEventHandler

    package init(request: LabelRequest, run: String, onEvent: @escaping RunEventHandler) {
        self.request = request
        self.run = run
        self.onEvent = onEvent
    }

    package func write(
        _ file: AnnotationFile, _ plan: BoxPlan, _ progress: LabelProgress,
        start: ContinuousClock.Instant
    ) throws -> LabelSummary {
        precondition(progress.isComplete, "\(progress.missingBatchCount) batches are missing")
        var summary = try writeMasks(plan: plan, file: file, journal: progress)
        if let directory = request.overlaysDirectory {
            summary.overlayCount = try drawOverlays(
                plan: plan, file: file, directory: directory, decoding: request.decoding,
                onEvent: onEvent
            ) { annotation in
                guard
                    case .mask(let counts, _, let size, _, _)? = try progress.outcome(
                        annotation: annotation)
                else { return nil }
                return try RLE(size: size, compressed: counts)
            }
        }
        summary.seconds = (ContinuousClock.now - start) / .seconds(1)
        return summary
    }

    private static let emptyReason =
        "the mask is empty: no pixel of the box reaches the threshold (train.mask_thres)"

    private func writeMasks(
        plan: BoxPlan, file: AnnotationFile, journal: LabelProgress
    ) throws -> LabelSummary {
        onEvent(.note("writing \(request.outputPath)"))
        var summary = LabelSummary()
        summary.annotationCount = file.annotations.count
        summary.clippedCount = plan.clippedCount
        var reasons = Dictionary(
            plan.unlabelled.filter { !journal.hasResult(annotation: $0.annotation) }
                .map { ($0.annotation, $0.reason) }, uniquingKeysWith: { a, _ in a })
        var notes = NotesFiles(request: request, file: file)
        func result(
            _ annotation: Int
        ) throws -> (mask: AnnotationResult, iou: Double?, score: Double?)? {
            switch try journal.outcome(annotation: annotation) {
            case .mask(let counts, let area, let size, let iou, let found):
                if area == 0 {
                    summary.emptyCount += 1
                    reasons[annotation] = Self.emptyReason
                    // The reference writes it like any other.
                    return request.style == .tao
                        ? (AnnotationResult(size: size, counts: counts, area: area), iou, nil) : nil
                }
                summary.labelledCount += 1
                let score = notes.add(found, annotation: annotation, size: size, iou: iou)
                return (AnnotationResult(size: size, counts: counts, area: area), iou, score)
            case .unlabelled(let reason):
                reasons[annotation] = reason
                return nil
            case nil:
                return nil
            }
        }
        // The lists beside the masks are there when these are: who finds the masks finds all.
        func writeLists() throws {
            try notes.write()
            summary.unlabelled = reasons.keys.sorted().map { index in
                let annotation = file.annotations[index]
                return (
                    id: jsonID(annotation.id), image: jsonID(annotation.imageID),
                    reason: reasons[index] ?? ""
                )
            }
            try writeUnlabelledReport(summary)
        }
        switch request.style {
        case .lossless:
            try AnnotationWriter(file).write(
                to: request.outputPath, run: run, beforeCommit: writeLists
            ) { annotation in
                guard let (found, iou, score) = try result(annotation) else { return nil }
                var mask = found
                if let iou { mask.extra.append(.init("iou", iou)) }
                if let score, let key = notes.scoreKey { mask.extra.append(.init(key, score)) }
                return mask
            }
        case .tao:
            try TAOWriter(file).write(
                to: request.outputPath, run: run, beforeCommit: writeLists
            ) { annotation in
                try result(annotation).map {
                    let score =
                        file.format == .detections
                        ? file.number("score", of: file.annotations[annotation]) : nil
                    return TAOWriter.Prediction($0.mask, score: score, iou: $0.iou)
                }
            }
            summary.filteredCount =
                file.annotations.count - plan.boxes.count - plan.unlabelled.count
        }
        summary.cleanup = notes.cleanup
        summary.scoreKey = notes.scoreKey
        summary.meanScore = notes.meanScore
        return summary
    }

    /// One line for each box without a mask; no file when there is none.
    private func writeUnlabelledReport(_ summary: LabelSummary) throws {
        let path = UnlabelledFile.path(forOutput: request.outputPath)
        guard !summary.unlabelled.isEmpty else { return OwnFiles.remove(path) }
        try OwnFiles.write(summary.unlabelled.map(UnlabelledFile.line).joined(), to: path)
    }
}
