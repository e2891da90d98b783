import Annotations
import Files
public import Formats
import Foundation
public import Inference
public import Specs

/// Writes annotations in another format.
public struct ConvertJob: Sendable {
    private let target: OutputTarget
    private let file: AnnotationFile
    private let export: AnnotationExport
    private let onEvent: RunEventHandler

    /// - Parameters:
    ///   - format: nil takes it from the output's name: `.json` is COCO JSON, `.csv` a table.
    ///   - imagesDirectory: the folder of images, for sizes that the annotations do not give.
    ///   - reading: how the annotations are read.
    /// - Throws: `AnnotationError`, `LabelingError`, before anything is written.
    public init(
        input: String, output: String, format: String?,
        imagesDirectory: String? = nil, appliesEXIF: Bool = false,
        settings: ExportSettings = ExportSettings(), reading: InputOptions = InputOptions(),
        onEvent: @escaping RunEventHandler
    ) throws {
        try self.init(
            to: output, format: format, imagesDirectory: imagesDirectory, appliesEXIF: appliesEXIF,
            settings: settings, imagesFrom: reading.imagesFrom, onEvent: onEvent
        ) {
            try readAnnotations(
                reading.source(
                    input, imagesDirectory: imagesDirectory, appliesEXIF: appliesEXIF),
                onEvent: onEvent)
        }
    }

    /// - Parameter read: gives the annotations; called when the output may be written.
    init(
        to output: String, format: String?, imagesDirectory: String?, appliesEXIF: Bool,
        settings: ExportSettings, imagesFrom: String? = nil,
        onEvent: @escaping RunEventHandler, read: () throws -> AnnotationFile
    ) throws {
        if let imagesDirectory { try checkFolder(imagesDirectory, "--images") }
        target = OutputTarget(format: try Self.format(format, of: output), path: output)
        self.onEvent = onEvent
        var export = try AnnotationExport(
            format: target.format, path: output,
            options: settings.options(images: imagesDirectory, appliesEXIF: appliesEXIF))
        file = try read()
        var paths = RunPaths()
        paths.reads("annotations", file)
        paths.reads("images and categories", imagesFrom)
        paths.readsImages(imagesDirectory, of: file)
        if !OutputFile.isStream(output) {
            paths.writes("annotations", output, as: target.format.isFolder ? .folder : .file)
        }
        try paths.check()
        try export.prepare(for: file)
        self.export = export
    }

    /// Whether the annotations go to standard output.
    public var writesStandardOutput: Bool {
        var (own, named) = (stat(), stat())
        return OutputFile.isStream(target.path) && fstat(1, &own) == 0
            && stat(target.path, &named) == 0 && own.st_ino == named.st_ino
            && own.st_dev == named.st_dev
    }

    /// - Parameter shouldStop: asked between images.
    /// - Throws: `LabelingError.interrupted` when `shouldStop` ended it; nothing is left then.
    public func run(shouldStop: () -> Bool) throws -> ConversionSummary {
        try Self.write(file, with: export, onEvent: onEvent, shouldStop: shouldStop)
    }

    static func write(
        _ file: AnnotationFile, with export: AnnotationExport, onEvent: RunEventHandler,
        shouldStop: () -> Bool
    ) throws -> ConversionSummary {
        let start = ContinuousClock.now
        let folder = URL(fileURLWithPath: export.path).deletingLastPathComponent().path
        try makeDirectory(folder)
        let total = file.images.count
        let report = try export.write(file) { done in
            if shouldStop() { throw LabelingError.interrupted(done: done, total: total) }
            onEvent(.progress(stage: "writing", done: done, total: total, unit: "images"))
        }
        for (loss, line) in report.warnings {
            onEvent(loss.isHarmless ? .note("note: " + line) : .warning(line))
        }
        if let folder = try export.missingImagesFolder(for: file) {
            onEvent(
                .note(
                    "note: readers look for the photographs in \(folder): --copy-images or "
                        + "--link-images puts them there"))
        }
        if let line = report.lostKeysLine { onEvent(.note("note: " + line)) }
        return ConversionSummary(
            target: OutputTarget(format: export.format, path: export.path), report: report,
            seconds: (ContinuousClock.now - start) / .seconds(1))
    }

    private static func format(
        _ name: String?, of output: String
    ) throws -> AnnotationFormat {
        if let name {
            guard let format = AnnotationFormat(named: name) else {
                throw LabelingError.wrongOption(
                    "--to \(name): " + AnnotationFormat.unknown(name, output: true))
            }
            return format
        }
        switch URL(fileURLWithPath: output).pathExtension.lowercased() {
        case "json": return .coco
        case "csv": return .csv
        default:
            let names = AnnotationFormat.names(output: true).joined(separator: ", ")
            throw LabelingError.wrongOption("\(output): --to is needed, one of \(names)")
        }
    }
}
