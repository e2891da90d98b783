import Files
import Foundation

/// What `mal evaluate` measured (SPEC §8).
public struct EvaluationResults: Sendable {
    public struct Row: Sendable {
        public let name: String
        public let means: MeanIoU.Means
    }

    public struct Category: Sendable {
        /// As JSON has it.
        public let id: String
        public let name: String
        public let count: Int
        /// Nil when the category has no object.
        public let meanIoU: Double?
    }

    /// All, small, medium, large: class mean and instance mean.
    public let rows: [Row]
    /// The same at each threshold of the sweep.
    public let sweep: [(threshold: Float, rows: [Row])]
    /// How well the masks' scores foretell their IoU; nil without objects.
    public let confidence: ConfidenceTable?
    public let categories: [Category]
    /// Objects whose image was missing or broken, with their ids as JSON has them; they are in none of the numbers.
    public let skipped: [(id: String, reason: String)]
    public let seconds: Double
    public let resultsDirectory: String

    /// TAO's names: mIoU, mIoU_small, …; NaN where there is no object.
    public var kpi: [(name: String, value: Double)] {
        rows.flatMap { row in
            let suffix = row.name == "all" ? "" : "_" + row.name
            return [
                ("mIoU" + suffix, row.means.classMean ?? .nan),
                ("instance_mIoU" + suffix, row.means.instanceMean ?? .nan),
            ]
        }
    }

    /// The table for the terminal.
    public var text: String {
        func number(_ value: Double?) -> String {
            value.map { String(format: "%.4f", $0) } ?? "-"
        }
        func padded(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(0, width - text.count))
        }
        var lines = ["size    objects  class mIoU  instance mIoU"]
        for row in rows {
            lines.append(
                padded(row.name, 8) + padded("\(row.means.count)", 9)
                    + padded(number(row.means.classMean), 12) + number(row.means.instanceMean))
        }
        if !sweep.isEmpty {
            lines.append("")
            lines.append(
                "threshold  class mean  instance mean  "
                    + rows.dropFirst().map { padded($0.name, 8) }.joined())
            for (threshold, rows) in sweep {
                lines.append(
                    padded(String(format: "%.2f", threshold), 11)
                        + padded(number(rows[0].means.classMean), 12)
                        + padded(number(rows[0].means.instanceMean), 15)
                        + rows.dropFirst().map { padded(number($0.means.instanceMean), 8) }
                        .joined())
            }
        }
        lines.append("")
        lines.append("IoU     objects  category")
        for category in categories where category.count > 0 {
            lines.append(
                padded(number(category.meanIoU), 8) + padded("\(category.count)", 9)
                    + category.name)
        }
        if let confidence {
            lines.append("")
            lines += confidence.lines
        }
        if !skipped.isEmpty {
            lines.append("")
            lines.append(
                "\(skipped.count) objects could not be read and are in none of the numbers:")
            lines += skipped.prefix(5).map { "  annotation \($0.id): \($0.reason)" }
        }
        lines.append("")
        lines.append(
            String(format: "%.1f s; details in ", seconds) + "\(resultsDirectory)/results.json")
        return lines.joined(separator: "\n")
    }

    /// `json`.
    ///
    /// - Parameter networks: whose masks they are.
    func json(_ request: Evaluator.Request, networks: String) -> String {
        func number(_ value: Double?) -> String { value.map(jsonNumber) ?? "null" }
        func bySize(_ rows: [Row]) -> [String] {
            rows.map {
                "    \(jsonText($0.name)): {\"objects\": \($0.means.count), "
                    + "\"class_mean\": \(number($0.means.classMean)), "
                    + "\"instance_mean\": \(number($0.means.instanceMean))}"
            }
        }
        let sizes = bySize(rows)
        let sweep = sweep.map {
            "    {\"mask_thres\": \($0.threshold),\n"
                + bySize($0.rows).joined(separator: ",\n") + "}"
        }
        let categories = categories.map {
            "    {\"id\": \($0.id), \"name\": \(jsonText($0.name)), "
                + "\"objects\": \($0.count), \"mean_iou\": \(number($0.meanIoU))}"
        }
        let skipped = skipped.map {
            "    {\"id\": \($0.id), \"reason\": \(jsonText($0.reason))}"
        }
        let confidence = confidence.map { "\n  \"confidence\": \($0.json)," } ?? ""
        let adaptive = (request.settings.adaptive?.sizes ?? []).map(String.init)
            .joined(separator: ", ")
        let kpi = kpi.map { "    \(jsonText($0.name)): \(jsonNumber($0.value))" }
        return """
            {
              "kpi": {
            \(kpi.joined(separator: ",\n"))
              },
              "sizes": {
            \(sizes.joined(separator: ",\n"))
              },\(confidence)
              "sweep": [
            \(sweep.joined(separator: ",\n"))
              ],
              "categories": [
            \(categories.joined(separator: ",\n"))
              ],
              "skipped": [
            \(skipped.joined(separator: ",\n"))
              ],
              "options": {
                "crop_size": \(request.settings.cropSize),
                "test_margin_rate": \(jsonNumber(request.settings.marginRate)),
                "mask_thres": [\(request.thresholds.map { "\($0)" }.joined(separator: ", "))],
                "batch_size": \(request.settings.batchSize),
                "adaptive_crop": [\(adaptive)],
                "cleanup": \(request.cleanup != nil),
                "networks": \(jsonText(networks))
              }
            }

            """
    }
}
