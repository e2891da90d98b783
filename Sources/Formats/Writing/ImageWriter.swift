import Annotations
import Files
import Imaging

/// Writes one format that is a file.
protocol FileWriter {
    func write(to path: String, report: inout ExportReport) throws
}

/// What a format has room for; what it has none for is counted or left out before it is written.
struct FormatTraits: OptionSet, Sendable {
    let rawValue: Int

    init(rawValue: Int) {
        self.rawValue = rawValue
    }

    static let masks = FormatTraits(rawValue: 1)
    static let scores = FormatTraits(rawValue: 2)
    static let crowds = FormatTraits(rawValue: 4)
    /// Annotations without a mask.
    static let boxes = FormatTraits(rawValue: 8)
    /// Annotations without a category.
    static let uncategorized = FormatTraits(rawValue: 16)
}

/// Writes one format that is a folder, image by image.
protocol ImageWriter {
    var traits: FormatTraits { get }

    /// The files that ``write(_:into:report:)`` may write for an image, so that they can be told
    /// before any work.
    func names(
        for image: ImageRecord, stem: String, annotations: [AnnotationRecord]
    ) -> [String]

    /// Where readers of the format look for the photographs; nil if it says nothing of it.
    var imagesFolder: String? { get }

    /// Further keys of annotations that the format keeps; nil keeps all.
    var keptKeys: Set<String>? { get }

    /// What ``finish(into:report:)`` writes.
    var tables: [String] { get }

    mutating func write(
        _ image: ExportImage, into folder: inout OutputFolder, report: inout ExportReport) throws

    /// Called after the last image: legends and the like.
    mutating func finish(into folder: inout OutputFolder, report: inout ExportReport) throws
}

extension ImageWriter {
    var tables: [String] { [] }

    var keptKeys: Set<String>? { [] }

    var imagesFolder: String? { nil }

    func finish(into folder: inout OutputFolder, report: inout ExportReport) throws {}
}

extension ExportImage {
    /// Leaves out instances that a format has no room for, and counts what it loses of the others.
    mutating func drop(_ traits: FormatTraits, _ report: inout ExportReport) {
        func dropAll(_ loss: ExportReport.Loss, where isLost: (ExportInstance) -> Bool) {
            let count = instances.count
            instances.removeAll(where: isLost)
            report.add(loss, count - instances.count)
        }
        func count(_ loss: ExportReport.Loss, where isLost: (ExportInstance) -> Bool) {
            report.add(loss, instances.count(where: isLost))
        }
        if !traits.contains(.uncategorized) { dropAll(.withoutCategory) { $0.category == nil } }
        if !traits.contains(.boxes) {
            dropAll(.withoutMask) { $0.mask == nil }
            dropAll(.emptyMask) { $0.mask?.area == 0 }
        }
        if !traits.contains(.scores) { count(.scores) { $0.score != nil } }
        if !traits.contains(.crowds) { count(.crowds) { $0.record.isCrowd } }
        if !traits.contains(.masks) { count(.masks) { $0.record.segmentationRange != nil } }
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
            if options.fill == .edges, result == instance.polygons { return 1 }
            let again = try? RLE(polygons: result, fill: options.fill, size: mask.size)
            guard let again else { return nil }
            return mask.area + again.area == 0 ? 1 : mask.iou(with: again)
        }
        // Polygons that are there stay, unless what is written of them is another mask: parts that
        // overlap each other can't be joined into one polygon.
        if let given = instance.polygons, options.tolerance == 0, !options.isSubpixel,
            iou(given) == 1
        {
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
