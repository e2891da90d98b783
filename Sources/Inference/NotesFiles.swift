import Annotations
import Files
import Foundation
import Imaging

/// `OUT.cleanup.jsonl`: what clean-up changed, a line a mask.
package enum CleanupFile {
    package static func path(forOutput path: String) -> String { path + ".cleanup.jsonl" }

    static func line(
        _ record: CleanupRecord, of annotation: AnnotationRecord, imageSize: Size
    ) -> String {
        "{\"id\": \(jsonID(annotation.id)), \"image_id\": \(jsonID(annotation.imageID)), "
            + "\"islands\": \(record.islands), \"holes\": \(record.holes), "
            + "\"outside_pixels\": \(record.outsidePixels), "
            + "\"changed_pixels\": \(record.changedPixels), \"changed\": {\"size\": "
            + "[\(imageSize.height), \(imageSize.width)], \"counts\": "
            + jsonText(String(decoding: record.changedCounts, as: UTF8.self)) + "}}\n"
    }
}

/// Collects, while the output is written, what goes beside it: scores, clean-up, features.
struct NotesFiles {
    /// The key for the estimate: an input that has a `score` of its own keeps it.
    let scoreKey: String?
    private(set) var cleanup = CleanupTotals()
    private let request: LabelRequest
    private let file: AnnotationFile
    private var cleanupLines: [String] = []
    private var featureLines: [String] = []
    private var scoreSum = 0.0
    private var scoreCount = 0

    init(request: LabelRequest, file: AnnotationFile) {
        self.request = request
        self.file = file
        let writesScores = request.writesScores && request.style == .lossless
        scoreKey = writesScores ? Self.key(for: file) : nil
    }

    /// One key for the whole file, so that whoever reads it needs to look for one only.
    static func key(for file: AnnotationFile) -> String {
        file.anyAnnotationHas("score") ? "mask_score" : "score"
    }

    var meanScore: Double? { scoreCount > 0 ? scoreSum / Double(scoreCount) : nil }

    /// - Returns: the mask's score, if scores are written.
    mutating func add(
        _ notes: MaskNotes, annotation index: Int, size: Size, iou: Double?
    ) -> Double? {
        let annotation = file.annotations[index]
        if let record = notes.cleanup {
            cleanup.add(record)
            cleanupLines.append(CleanupFile.line(record, of: annotation, imageSize: size))
        }
        guard let features = notes.features else { return nil }
        let score = request.confidence.score(features)
        if request.featuresPath != nil {
            let values = zip(MaskFeatures.names, features.values).map {
                "\(jsonText($0)): \(jsonNumber(Double($1)))"
            }
            featureLines.append(
                "{\"id\": \(jsonID(annotation.id)), \"image_id\": \(jsonID(annotation.imageID)), "
                    + "\"score\": \(score), \"iou\": \(iou.map(jsonNumber) ?? "null"), "
                    + "\"features\": {\(values.joined(separator: ", "))}}\n")
        }
        guard scoreKey != nil else { return nil }
        scoreSum += score
        scoreCount += 1
        return score
    }

    func write() throws {
        let path = CleanupFile.path(forOutput: request.outputPath)
        if cleanupLines.isEmpty {
            OwnFiles.remove(path)
        } else {
            try OwnFiles.write(cleanupLines.joined(), to: path)
        }
        if let path = request.featuresPath { try OwnFiles.write(featureLines.joined(), to: path) }
    }
}
