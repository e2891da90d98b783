public import Annotations
import Foundation

/// An output as the command line names it: `PATH`, or `FORMAT:PATH`.
public struct OutputTarget: Sendable, Equatable {
    public let format: AnnotationFormat
    public let path: String

    public init(format: AnnotationFormat, path: String) {
        self.format = format
        self.path = path
    }
}

/// What a conversion did.
public struct ConversionSummary: Sendable, Equatable {
    public let target: OutputTarget
    package let report: ExportReport
    public let seconds: Double

    package init(target: OutputTarget, report: ExportReport, seconds: Double) {
        self.target = target
        self.report = report
        self.seconds = seconds
    }

    /// The lines shown at the end of a run.
    public var text: String {
        var lines = [
            "\(target.path): \(report.writtenCount) of \(report.annotationCount) annotations of "
                + "\(report.imageCount) images as \(target.format.name)"
                + String(format: " (%.1f s)", seconds)
        ]
        if let mean = report.meanIoU {
            var line =
                "polygons: \(report.partCount) parts, \(report.holeCount) holes; IoU with the masks "
                + String(format: "%.6f mean, %.6f worst", mean, report.worstIoU)
            if let id = report.worstID { line += " (annotation \(id))" }
            lines.append(line)
        }
        return lines.joined(separator: "\n")
    }
}
