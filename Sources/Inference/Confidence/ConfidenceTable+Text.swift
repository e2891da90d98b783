import Files
import Foundation

extension ConfidenceTable {
    /// The table for the terminal.
    package var lines: [String] {
        func number(_ value: Double) -> String { String(format: "%.3f", value) }
        var lines = [
            "confidence: AUROC \(auroc.map(number) ?? "-") for IoU < \(Self.badIoU) "
                + "(\(badCount) of \(count)), calibration error \(number(calibrationError)), "
                + "mean \(number(meanScore)) for a mean IoU of \(number(meanIoU))",
            "score       objects  mean score  mean IoU",
        ]
        for bin in bins {
            let count = "\(bin.count)"
            lines.append(
                String(format: "%.1f-%.1f     ", bin.lowerBound, bin.upperBound) + count
                    + String(repeating: " ", count: max(1, 9 - count.count))
                    + number(bin.meanScore) + "       " + number(bin.meanIoU))
        }
        return lines
    }

    /// The table as it is in results.json.
    package var json: String {
        let rows = bins.map {
            "      {\"from\": \($0.lowerBound), \"to\": \($0.upperBound), \"objects\": \($0.count), "
                + "\"mean_score\": \(jsonNumber($0.meanScore)), "
                + "\"mean_iou\": \(jsonNumber($0.meanIoU))}"
        }
        return """
            {
                "objects": \(count),
                "bad_iou": \(Self.badIoU),
                "bad_objects": \(badCount),
                "auroc": \(auroc.map(jsonNumber) ?? "null"),
                "calibration_error": \(jsonNumber(calibrationError)),
                "mean_score": \(jsonNumber(meanScore)),
                "mean_iou": \(jsonNumber(meanIoU)),
                "bins": [
            \(rows.joined(separator: ",\n"))
                ]
              }
            """
    }
}
