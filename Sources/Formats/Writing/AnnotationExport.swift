package import Annotations
import Files
import Foundation

/// Writes annotations in any format. A file or folder appears under its name only when it is
/// complete.
package struct AnnotationExport: Sendable {
    package let format: AnnotationFormat
    package let path: String
    private let options: ExportOptions
    private var lock: OutputLock?

    /// The ``Manifest`` that folders written by mal have; only such folders are ever replaced.

    /// - Throws: ``COCOError/unwritable(path:reason:)`` for an output that is there already, unless
    ///   it may be overwritten.
    package init(
        format: AnnotationFormat, path: String, options: ExportOptions
    ) throws {
        self.format = format
        self.path = path
        self.options = options
        try requireFree()
    }

    /// Throws where something is in the output's place that it may not replace.
    private func requireFree() throws {
        var isFolder: ObjCBool = false
        let isThere = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
        if format.isFolder {
            try OutputFolder.checkReplaceable(path, marker: OutputFolder.exportMarker)
            let content = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
            guard content.isEmpty || options.overwrites else {
                throw FileError.unwritable(
                    path: path, reason: "the folder is there; --overwrite replaces it")
            }
        } else if isThere, !OutputFile.isStream(path) {
            guard !isFolder.boolValue else {
                throw FileError.unwritable(
                    path: path, reason: "\(format.rawValue) is a file, and this is a folder")
            }
            guard options.overwrites else {
                throw FileError.unwritable(
                    path: path, reason: "the file is there; --overwrite replaces it")
            }
        }
    }

    /// Takes the output for this process, and refuses it where something that mal did not write
    /// stands in the way of a file; before any work.
    ///
    /// - Parameter file: what will be written, with or without its masks.
    package mutating func prepare(for file: AnnotationFile) throws {
        if !OutputFile.isStream(path) {
            lock = try OutputLock(path)
            // Another process may have finished since the first look.
            try requireFree()
        }
        guard let writer = imageWriter(file) else { return }
        var names = writer.tables
        if FolderListing.isFolder(path) {
            var stems = ImageStems()
            let index = AnnotationIndex(file)
            for image in file.images {
                names += writer.names(
                    for: image, stem: try stems.stem(for: image).0,
                    annotations: index[image: image.index].map { file.annotations[$0] })
            }
        }
        try OutputFolder.checkReplaceable(path, marker: OutputFolder.exportMarker, names: names)
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
        default:
            if let writer = imageWriter(file) { try write(file, writer, &report, onImage) }
        }
        return report
    }

    /// Nil for a format that is one file.
    private func imageWriter(_ file: AnnotationFile) -> (any ImageWriter)? {
        switch format {
        case .coco, .objects365, .cocoPolygons, .cocoRLE, .lvis, .ytvis, .csv, .detections: nil
        case .yolo: YOLOWriter(file, hasPolygons: false, options: options)
        case .yoloSegmentation: YOLOWriter(file, hasPolygons: true, options: options)
        case .voc: VOCWriter(file)
        case .kitti: KITTIWriter(file)
        case .labelme: LabelMeWriter(file, options: options)
        case .vocPNG: VOCMaskWriter(file, options: options)
        case .motsPNG, .motsText:
            MOTSWriter(file, isText: format == .motsText, options: options)
        case .png: InstancePNGWriter(file)
        case .semantic: SemanticWriter(file, options: options)
        }
    }

    private func write(
        _ file: AnnotationFile, _ writer: some ImageWriter, _ report: inout ExportReport,
        _ onImage: (Int) throws -> Void
    ) throws {
        var writer = writer
        var folder = try OutputFolder(path: path, marker: OutputFolder.exportMarker)
        let source = ExportSource(file, options: options)
        try fill(&folder, with: &writer, source, &report, onImage)
        try writer.finish(into: &folder, report: &report)
        try folder.commit()
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
