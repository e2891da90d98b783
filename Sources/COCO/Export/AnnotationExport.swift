import Foundation

/// Writes annotations in any format. A file or folder appears under its name only when it is
/// complete.
package struct AnnotationExport: Sendable {
    package let format: AnnotationFormat
    package let path: String
    private let options: ExportOptions

    /// The file that folders written by mal have; only such folders are ever replaced.
    package static let marker = ".mal-export"

    /// - Throws: ``COCOError/unwritable(path:reason:)`` for an output that is there already, unless
    ///   it may be overwritten.
    package init(
        format: AnnotationFormat, path: String, options: ExportOptions
    ) throws(COCOError) {
        self.format = format
        self.path = path
        self.options = options
        var isFolder: ObjCBool = false
        let isThere = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
        if format.isFolder {
            try OutputFolder.checkReplaceable(path, marker: Self.marker)
            let content = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
            guard content.isEmpty || options.overwrites else {
                throw .unwritable(
                    path: path, reason: "the folder is there; --overwrite replaces it")
            }
        } else if isThere {
            guard !isFolder.boolValue else {
                throw .unwritable(
                    path: path, reason: "\(format.rawValue) is a file, and this is a folder")
            }
            guard options.overwrites else {
                throw .unwritable(path: path, reason: "the file is there; --overwrite replaces it")
            }
        }
    }

    /// - Parameter onImage: called after each image of a format that is a folder, with how many are
    ///   done; throws to stop.
    package func write(
        _ file: AnnotationFile, onImage: (Int) throws -> Void = { _ in }
    ) throws -> ExportReport {
        var report = ExportReport()
        switch format {
        case .coco, .objects365, .cocoPolygons, .cocoRLE, .lvis:
            try COCOWriter(file: file, format: format, options: options)
                .write(to: path, report: &report)
        case .ytvis: try YTVISWriter(file: file, options: options).write(to: path, report: &report)
        case .csv: try CSVWriter(file: file, options: options).write(to: path, report: &report)
        case .detections:
            try DetectionsWriter(file: file, options: options).write(to: path, report: &report)
        case .yolo:
            try write(
                file, YOLOWriter(file, hasPolygons: false, options: options), &report, onImage)
        case .yoloSegmentation:
            try write(file, YOLOWriter(file, hasPolygons: true, options: options), &report, onImage)
        case .voc: try write(file, VOCWriter(file), &report, onImage)
        case .kitti: try write(file, KITTIWriter(file), &report, onImage)
        case .labelme: try write(file, LabelMeWriter(file, options: options), &report, onImage)
        case .vocPNG: try write(file, VOCMaskWriter(file, options: options), &report, onImage)
        case .motsPNG, .motsText:
            let writer = MOTSWriter(file, isText: format == .motsText, options: options)
            try write(file, writer, &report, onImage)
        case .png: try write(file, InstancePNGWriter(file), &report, onImage)
        case .semantic: try write(file, SemanticWriter(file, options: options), &report, onImage)
        }
        return report
    }

    private func write(
        _ file: AnnotationFile, _ writer: some ImageWriter, _ report: inout ExportReport,
        _ onImage: (Int) throws -> Void
    ) throws {
        var writer = writer
        var folder = try OutputFolder(path: path, marker: Self.marker)
        let source = ExportSource(file, options: options)
        try fill(&folder, with: &writer, source, &report, onImage)
        try writer.finish(into: &folder, report: &report)
        try folder.commit(note: "\(format.rawValue), written by mal")
        report.byteCount = folder.byteCount
    }

    private func fill(
        _ folder: inout OutputFolder, with writer: inout some ImageWriter, _ source: ExportSource,
        _ report: inout ExportReport, _ onImage: (Int) throws -> Void
    ) throws {
        var done = 0
        try source.forEachImage(needsMasks: writer.needsMasks, report: &report) { image, report in
            try writer.write(image, into: &folder, report: &report)
            done += 1
            try onImage(done)
        }
    }
}
