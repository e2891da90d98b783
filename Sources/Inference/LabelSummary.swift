public import Formats
import Foundation

/// What a finished run did.
public struct LabelSummary: Sendable {
    public var annotationCount = 0
    public var labelledCount = 0
    public var clippedCount = 0
    /// A box without a mask; the ids as JSON has them.
    public typealias Unlabelled = (id: String, image: String, reason: String)

    /// In file order.
    public var unlabelled: [Unlabelled] = []
    /// Of those, boxes whose mask came out empty.
    public var emptyCount = 0
    /// The same command had made the output before: nothing was labelled now.
    public var wasDone = false
    /// Boxes that `--compat tao` leaves out, as the reference does.
    public var filteredCount = 0
    public var seconds = 0.0
    /// Boxes that the network saw in this run, not in an earlier one.
    public var newlyLabelledCount = 0
    public var overlayCount = 0
    public var cleanup = CleanupTotals()
    /// The key that the masks' scores have in the output; nil when there are none.
    public var scoreKey: String?
    public var meanScore: Double?
    /// Where the report is, when there is one.
    public var reportPath: String?
    /// The outputs in other formats.
    public var conversions: [ConversionSummary] = []

    package init() {}
}

extension LabelSummary {
    /// The lines shown at the end of a run.
    public func text(outputPath: String) -> String {
        var lines = [
            wasDone
                ? "\(outputPath): done already, by the same command: \(labelledCount) of "
                    + "\(annotationCount) boxes have a mask; --fresh labels them anew"
                : "\(outputPath): \(labelledCount) of \(annotationCount) boxes have a mask"
                    + String(format: " (%.1f s", seconds)
                    + String(
                        format: ", %.2f boxes/s)",
                        seconds > 0 ? Double(newlyLabelledCount) / seconds : 0)
        ]
        if clippedCount > 0 {
            lines.append("\(clippedCount) boxes reached over their image's edge and were clipped")
        }
        if filteredCount > 0 {
            lines.append("\(filteredCount) boxes were left out by TAO's filter (--compat tao)")
        }
        if cleanup.masks > 0 {
            lines.append(
                "clean-up changed \(cleanup.masks) masks: \(cleanup.islands) islands, "
                    + "\(cleanup.holes) pin-holes, \(cleanup.outsidePixels) pixels outside their box "
                    + "(undone by \(CleanupFile.path(forOutput: outputPath)))")
        }
        if let scoreKey, let meanScore {
            lines.append(
                String(format: "mean confidence %.2f (`", meanScore) + scoreKey
                    + "`, an estimate of each mask's IoU)")
        }
        if let reportPath { lines.append("report: \(reportPath)") }
        lines += conversions.map(\.text)
        if overlayCount > 0 { lines.append("\(overlayCount) overlays drawn") }
        if !unlabelled.isEmpty {
            let shown = 5
            let empty = emptyCount > 0 ? " (\(emptyCount) came out empty)" : ""
            lines.append("\(unlabelled.count) boxes have no mask\(empty):")
            lines += unlabelled.prefix(shown).map { "  annotation \($0.id): \($0.reason)" }
            let more = unlabelled.count > shown ? "\(unlabelled.count - shown) more, " : ""
            lines.append("  \(more)all in \(UnlabelledFile.path(forOutput: outputPath))")
        }
        return lines.joined(separator: "\n")
    }
}
