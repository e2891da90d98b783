import Annotations
import Files
import Foundation
import Inference
import MaskModel

/// What `mal evaluate --predictions` measured.
public struct PredictionResults: Sendable {
    let truth: AnnotationFile
    let predictionCount: Int
    let kinds: [OverlapKind]
    let precision: [OverlapKind: AveragePrecision]
    /// Of predictions that have a true object's id.
    let masks: MeanIoU
    let boundaries: MeanIoU
    package let seconds: Double

    private struct Row {
        let name: String
        let mask, boundary: MeanIoU.Means
    }

    private var rows: [Row] {
        [Row(name: "all", mask: masks.overall, boundary: boundaries.overall)]
            + SizeBucket.allCases.map {
                Row(name: "\($0)", mask: masks[$0], boundary: boundaries[$0])
            }
    }

    /// TAO's names: mIoU, mIoU_small, … and AP_bbox … ARl_segm of SPEC §9; NaN where there is no
    /// object.
    public var kpi: [(name: String, value: Double)] {
        let means = rows.flatMap { row in
            let suffix = row.name == "all" ? "" : "_" + row.name
            return [
                ("mIoU" + suffix, row.mask.classMean),
                ("instance_mIoU" + suffix, row.mask.instanceMean),
                ("boundary_IoU" + suffix, row.boundary.classMean),
                ("instance_boundary_IoU" + suffix, row.boundary.instanceMean),
            ]
        }
        let precisions = kinds.flatMap { kind in
            zip(AveragePrecision.names, precision[kind]?.values ?? []).map {
                ($0 + "_" + kind.rawValue, $1)
            }
        }
        return (means + precisions).map { ($0.0, $0.1 ?? .nan) }
    }

    /// The tables for the terminal.
    public var text: String {
        let counts = objectCounts
        var lines: [String] = []
        if masks.overall.count > 0 {
            lines.append(
                "size      objects  class mIoU  instance mIoU  class boundary  instance boundary")
            for row in rows {
                lines.append(
                    padded(row.name, 10) + padded("\(row.mask.count)", 9)
                        + padded(number(row.mask.classMean), 12)
                        + padded(number(row.mask.instanceMean), 15)
                        + padded(number(row.boundary.classMean), 16)
                        + number(row.boundary.instanceMean))
            }
            let missing = truth.annotations.count - masks.overall.count
            if missing > 0 {
                lines.append("\(missing) true objects have no mask under their id and are not here")
            }
            lines.append("")
        }
        lines.append(padded("", 10) + kinds.map { padded($0.rawValue, 10) }.joined())
        for (place, name) in AveragePrecision.names.enumerated() {
            lines.append(
                padded(name, 10)
                    + kinds.map { padded(number(precision[$0]?.values[place]), 10) }.joined())
        }
        lines.append("")
        lines.append(
            padded("objects", 9) + kinds.map { padded("AP " + $0.rawValue, 13) }.joined()
                + "mIoU    category")
        for (place, category) in truth.categories.enumerated() where counts[place] > 0 {
            lines.append(
                padded("\(counts[place])", 9)
                    + kinds.map { padded(number(precision[$0]?.categories[place]), 13) }.joined()
                    + padded(number(masks.categories[place].mean), 8)
                    + (category.name ?? "\(category.id)"))
        }
        lines.append("")
        lines.append(
            "\(predictionCount) predictions, \(truth.annotations.count) true objects, "
                + "\(truth.images.count) images; " + String(format: "%.1f s", seconds))
        return lines.map(\.trimmedAtEnd).joined(separator: "\n")
    }

    /// All numbers, `null` where there is no object.
    public var json: String {
        let counts = objectCounts
        let kpi = kpi.map { "    \(jsonText($0.name)): \(jsonNumber($0.value))" }
        let sizes = rows.map {
            "    \(jsonText($0.name)): {\"objects\": \($0.mask.count), "
                + "\"class_mean\": \(json($0.mask.classMean)), "
                + "\"instance_mean\": \(json($0.mask.instanceMean)), "
                + "\"class_mean_boundary\": \(json($0.boundary.classMean)), "
                + "\"instance_mean_boundary\": \(json($0.boundary.instanceMean))}"
        }
        let categories = truth.categories.enumerated().map { place, category in
            let precisions = kinds.map {
                ", \"AP_\($0.rawValue)\": \(json(precision[$0]?.categories[place]))"
            }
            return "    {\"id\": \(jsonID(category.id)), "
                + "\"name\": \(jsonText(category.name ?? "\(category.id)")), "
                + "\"objects\": \(counts[place]), "
                + "\"masks\": \(masks.categories[place].count), "
                + "\"mean_iou\": \(json(masks.categories[place].mean)), "
                + "\"mean_boundary_iou\": \(json(boundaries.categories[place].mean))"
                + precisions.joined() + "}"
        }
        return """
            {
              "kpi": {
            \(kpi.joined(separator: ",\n"))
              },
              "sizes": {
            \(sizes.joined(separator: ",\n"))
              },
              "categories": [
            \(categories.joined(separator: ",\n"))
              ],
              "predictions": \(predictionCount),
              "objects": \(truth.annotations.count),
              "images": \(truth.images.count)
            }

            """
    }

    /// Writes ``json`` to a file.
    public func writeJSON(to path: String) throws {
        var file = try OutputFile(path: path)
        try file.write(json)
        try file.commit(noting: !OutputFile.isStream(path))
    }

    /// True objects by category.
    private var objectCounts: [Int] {
        truth.annotations.reduce(into: truth.categories.map { _ in 0 }) { counts, annotation in
            if let category = annotation.categoryIndex { counts[category] += 1 }
        }
    }

    private func json(_ value: Double?) -> String { value.map(jsonNumber) ?? "null" }

    private func number(_ value: Double?) -> String {
        value.map { String(format: "%.4f", $0) } ?? "-"
    }

    private func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }
}

extension String {
    fileprivate var trimmedAtEnd: String {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
