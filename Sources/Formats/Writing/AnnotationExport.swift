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

    /// - Throws: ``AnnotationError/unwritable(path:reason:)`` for an output that is there already, unless
    ///   it may be overwritten.
    package init(
        format: AnnotationFormat, path: String, options: ExportOptions
    ) throws {
        guard format.format.writer != nil else {
            throw FileError.unwritable(
                path: path, reason: "mal reads \(format) and does not write it")
        }
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
            guard !OutputFile.isStream(path) else {
                throw FileError.unwritable(
                    path: path, reason: "\(format) is a folder, which no pipe can take")
            }
            try OutputFolder.checkReplaceable(path, marker: OutputFolder.exportMarker)
            let content = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
            guard content.isEmpty || options.overwrites else {
                throw FileError.unwritable(
                    path: path, reason: "the folder is there; --overwrite replaces it")
            }
        } else if isThere, !OutputFile.isStream(path) {
            guard !isFolder.boolValue else {
                throw FileError.unwritable(
                    path: path, reason: "\(format) is a file, and this is a folder")
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
        guard case .folder(let writer) = format.format.writer else { return }
        let images = try writer(file, options)
        var names = images.tables
        if FolderListing.isFolder(path) {
            var stems = ImageStems()
            let index = AnnotationIndex(file)
            for image in file.images {
                let stem = try stems.stem(for: image).0
                names += images.names(
                    for: image, stem: stem,
                    annotations: index[image: image.index].map { file.annotations[$0] })
                if let photograph = photograph(of: image, stem: stem, images) {
                    names.append(photograph.name)
                }
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
        switch format.format.writer {
        case .file(let writer): try writer(file, options).write(to: path, report: &report)
        case .folder(let writer): try write(file, writer(file, options), &report, onImage)
        case nil: break
        }
        return report
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

    /// Where the photograph of an image is, and where it goes; nil where it stays away.
    private func photograph(
        of image: ImageRecord, stem: String, _ writer: any ImageWriter
    ) -> (path: String, name: String)? {
        guard options.images != .none, let folder = writer.imagesFolder,
            let directory = options.imagesDirectory, let name = try? image.relativePath(),
            FolderListing.isFile(directory + "/" + name)
        else { return nil }
        let kind = FolderListing.fileExtension(of: name)
        return (
            directory + "/" + name,
            LabelFiles.join(folder, kind.isEmpty ? stem : stem + "." + kind)
        )
    }

    /// Where readers of the output will look for photographs that are not there; nil where that is
    /// nowhere, or where they come along.
    package func missingImagesFolder(for file: AnnotationFile) throws -> String? {
        guard options.images == .none, case .folder(let writer) = format.format.writer,
            let folder = try writer(file, options).imagesFolder
        else { return nil }
        return folder.isEmpty ? path : LabelFiles.join(path, folder)
    }

    private func fill(
        _ folder: inout OutputFolder, with writer: inout some ImageWriter, _ source: ExportSource,
        _ report: inout ExportReport, _ onImage: (Int) throws -> Void
    ) throws {
        var done = 0
        try source.forEachImage(
            writer.traits, keptKeys: writer.keptKeys, report: &report
        ) { image, report in
            try writer.write(image, into: &folder, report: &report)
            if let photograph = photograph(of: image.record, stem: image.stem, writer) {
                try folder.add(
                    file: photograph.path, as: photograph.name, isLink: options.images == .linked)
            }
            done += 1
            try onImage(done)
        }
    }
}
