import Annotations
import Files
import Imaging

/// Writes one format that is a folder, image by image.
protocol ImageWriter {
    /// Whether the format holds masks at all.
    var needsMasks: Bool { get }

    /// The files that ``write(_:into:report:)`` may write for an image, so that they can be told
    /// before any work.
    func names(
        for image: ImageRecord, stem: String, annotations: [AnnotationRecord]
    ) -> [String]

    /// What ``finish(into:report:)`` writes.
    var tables: [String] { get }

    mutating func write(
        _ image: ExportImage, into folder: inout OutputFolder, report: inout ExportReport) throws

    /// Called after the last image: legends and the like.
    mutating func finish(into folder: inout OutputFolder, report: inout ExportReport) throws
}

extension ExportImage {
    /// Keeps the instances that have a category.
    mutating func dropUncategorized(_ report: inout ExportReport) {
        let count = instances.count
        instances.removeAll { $0.category == nil }
        report.add(.withoutCategory, count - instances.count)
    }

    /// Keeps the instances that have a mask with a pixel in it.
    mutating func dropMaskless(_ report: inout ExportReport) {
        let count = instances.count
        instances.removeAll { $0.mask == nil }
        report.add(.withoutMask, count - instances.count)
        let present = instances.count
        instances.removeAll { $0.mask?.area == 0 }
        report.add(.emptyMask, present - instances.count)
    }

    /// Counts what a format has no room for.
    func countLosses(
        scores: Bool = false, crowds: Bool = false, masks: Bool = false,
        _ report: inout ExportReport
    ) {
        if scores { report.add(.scores, instances.count { $0.score != nil }) }
        if crowds { report.add(.crowds, instances.count { $0.record.isCrowd }) }
        if masks { report.add(.masks, instances.count { $0.record.segmentationRange != nil }) }
    }
}

/// Turns masks into polygons and measures what that costs.
struct Outliner {
    let options: OutlineOptions

    /// The polygons of an instance with a mask; nil, and counted, where there can be none.
    ///
    /// - Parameter written: what a reader of the output will get for some polygons.
    func polygons(
        of instance: ExportInstance, report: inout ExportReport,
        written: (([[Double]]) -> [[Double]])? = nil
    ) throws -> [[Double]]? {
        guard let mask = instance.mask else { return nil }
        func iou(_ polygons: [[Double]]) -> Double? {
            let result = written?(polygons) ?? polygons
            if result == instance.polygons { return 1 }
            guard let again = try? RLE(polygons: result, size: mask.size) else { return nil }
            return mask.area + again.area == 0 ? 1 : mask.iou(with: again)
        }
        // Polygons that are there stay, unless what is written of them is another mask: parts that
        // overlap each other can't be joined into one polygon.
        if let given = instance.polygons, options == OutlineOptions(), iou(given) == 1 {
            report.partCount += given.count
            report.add(iou: 1, of: instance.record.id)
            return given
        }
        guard mask.area > 0 else {
            report.add(.emptyMask)
            return nil
        }
        guard let outline = try? PolygonMask(mask, options) else {
            report.add(.intricate)
            return nil
        }
        report.partCount += outline.partCount
        report.holeCount += outline.holeCount
        if outline.holeCount > 0 { report.add(.keyholes) }
        if let value = iou(outline.polygons) { report.add(iou: value, of: instance.record.id) }
        return outline.polygons
    }
}
