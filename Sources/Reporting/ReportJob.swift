import Annotations
package import Files
import Formats
import Foundation
import Imaging
package import Inference
package import Specs

/// What a finished report holds.
package struct ReportSummary: Sendable, Equatable {
    package let boxCount: Int
    package let unlabelledCount: Int
    /// Boxes that have no picture because their image is missing or broken.
    package let pictureless: Int
    package let byteCount: Int
    package let seconds: Double
    /// The page to open.
    package let indexPath: String

    /// The lines shown at the end of a run.
    package var text: String {
        var lines = [
            "\(indexPath): \(boxCount) boxes, \(unlabelledCount) without a mask"
                + String(
                    format: " (%.1f s, %.1f MB)", seconds, Double(byteCount) / 1e6)
        ]
        if pictureless > 0 {
            lines.append("\(pictureless) boxes have no picture: their image cannot be read")
        }
        return lines.joined(separator: "\n")
    }
}

/// Writes a folder of web pages that shows every mask of a file, worst first (docs/review-the-result.md). The
/// folder appears under its name only when it is complete.
package struct ReportJob: Sendable {
    private let input: ReportInput
    private let imagesDirectory: String
    private let output: String
    private let decoding: DecodeOptions
    private let lock: OutputLock
    private let onEvent: RunEventHandler

    /// Boxes of one data file: a page of the gallery needs one or few of them.
    static let chunkSize = 100

    /// - Parameters:
    ///   - masksPath: what `mal label` wrote; its `.unlabelled.jsonl` and `.cleanup.jsonl` are read
    ///     when they are there.
    ///   - truthPath: true masks under the same annotation ids; nil for none.
    ///   - outputDirectory: a new folder, or an earlier report, which is replaced.
    /// - Throws: `COCOError`, `LabelingError`, before anything is written.
    package init(
        masksPath: String, imagesDirectory: String, truthPath: String?, outputDirectory: String,
        maxPixels: Int = 200_000_000, appliesEXIF: Bool = false,
        input options: InputOptions = InputOptions(), onEvent: @escaping RunEventHandler
    ) throws {
        try self.init(
            masksPath: masksPath, imagesDirectory: imagesDirectory, truthPath: truthPath,
            outputDirectory: outputDirectory, maxPixels: maxPixels, appliesEXIF: appliesEXIF,
            input: options, lock: nil, onEvent: onEvent)
    }

    /// - Parameter lock: of the folder, where this process has it already.
    package init(
        masksPath: String, imagesDirectory: String, truthPath: String?, outputDirectory: String,
        maxPixels: Int, appliesEXIF: Bool, input options: InputOptions, lock: OutputLock?,
        onEvent: @escaping RunEventHandler
    ) throws {
        try checkFolder(imagesDirectory, "--images")
        output = URL(fileURLWithPath: outputDirectory).standardizedFileURL.path
        try Self.checkReplaceable(output)
        self.imagesDirectory = imagesDirectory
        decoding = DecodeOptions(maxPixels: maxPixels, applyEXIF: appliesEXIF)
        self.onEvent = onEvent
        // The truth's format is told by its content: options are about the masks.
        input = try ReportInput(
            masks: options.source(
                masksPath, imagesDirectory: imagesDirectory, appliesEXIF: appliesEXIF),
            truth: truthPath.map {
                AnnotationSource(
                    path: $0, imagesDirectory: imagesDirectory, appliesEXIF: appliesEXIF)
            }, images: imagesDirectory, decoding: decoding, onEvent: onEvent)
        var paths = RunPaths()
        paths.reads("masks", input.masks)
        paths.reads("images and categories", options.imagesFrom)
        if let truth = input.truth { paths.reads("truth", truth) }
        paths.readsImages(imagesDirectory, of: input.masks)
        paths.writes("report", output, as: .folder)
        try paths.check()
        try OutputFolder.checkReplaceable(
            output, marker: OutputFolder.reportMarker,
            names: Self.names(boxCount: input.entries.count))
        self.lock = try lock ?? OutputLock(output)
    }

    /// Refuses a folder that is something else than a report, so that a mistyped name costs nothing.
    package static func checkReplaceable(_ path: String) throws {
        try OutputFolder.checkReplaceable(path, marker: OutputFolder.reportMarker)
    }

    /// All that the report will hold.
    private static func names(boxCount: Int) -> [String] {
        ["index.html", "report.css", "report.js", "data/index.js"]
            + (0..<(boxCount + chunkSize - 1) / chunkSize).map { "data/c\($0).js" }
            + (0..<boxCount).map { "thumbs/\($0 / 1000)/\($0).jpg" }
    }

    /// - Parameter shouldStop: asked between images.
    /// - Throws: `LabelingError.interrupted` when `shouldStop` ended it; nothing is left then.
    package func run(
        isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool
    ) async throws -> ReportSummary {
        let start = ContinuousClock.now
        try makeDirectory(URL(fileURLWithPath: output).deletingLastPathComponent().path)
        var folder = try OutputFolder(path: output, marker: OutputFolder.reportMarker)
        try folder.makeFolder("data")
        for group in 0..<(input.entries.count + 999) / 1000 {
            try folder.makeFolder("thumbs/\(group)")
        }
        let (details, bytes, pictureless) = try await draw(
            into: folder.work, shouldStop: shouldStop)
        for (number, first) in stride(from: 0, to: details.count, by: Self.chunkSize).enumerated() {
            let lines = details[first..<min(first + Self.chunkSize, details.count)]
            try folder.write(
                "MAL.chunk(\(number),[\n\(lines.joined(separator: ",\n"))\n]);\n",
                to: "data/c\(number).js")
        }
        try folder.write(ReportIndex(input).script, to: "data/index.js")
        // The page holds no data, so its bytes are the same in every report.
        try folder.write(PackageResources.index_html, to: "index.html")
        try folder.write(PackageResources.report_css, to: "report.css")
        try folder.write(PackageResources.report_js, to: "report.js")
        try folder.commit()
        return ReportSummary(
            boxCount: input.entries.count,
            unlabelledCount: input.entries.count { $0.state == .unlabelled },
            pictureless: pictureless, byteCount: bytes + folder.byteCount,
            seconds: (ContinuousClock.now - start) / .seconds(1),
            indexPath: output + "/index.html")
    }

    // MARK: Pictures

    /// The pictures of all boxes, image by image, and each box's line for its data file.
    private func draw(
        into work: String, isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool
    ) async throws -> (details: [String], bytes: Int, pictureless: Int) {
        var details = [String](repeating: "0", count: input.entries.count)
        var ranks: [Int: [Int]] = [:]
        for (rank, entry) in input.entries.enumerated() {
            if let image = input.masks.annotations[entry.annotation].imageIndex {
                ranks[image, default: []].append(rank)
            }
        }
        let jobs = ranks.sorted { $0.key < $1.key }
        var (bytes, drawn, done) = (0, 0, 0)
        let total = jobs.reduce(0) { $0 + $1.value.count }
        let width = max(2, ProcessInfo.processInfo.activeProcessorCount)
        var running: [Task<Drawn, any Error>] = []
        var next = 0
        while next < jobs.count || !running.isEmpty {
            if shouldStop() {
                for task in running { task.cancel() }
                throw LabelingError.interrupted(done: done, total: total)
            }
            while next < jobs.count, running.count < width {
                let (image, ranks) = jobs[next]
                running.append(
                    Task.detached { try self.draw(image: image, ranks: ranks, into: work) })
                next += 1
            }
            let result = try await running.removeFirst().value
            for (rank, detail) in result.details { details[rank] = detail }
            bytes += result.bytes
            drawn += result.drawn
            done += result.details.count
            onEvent(.progress(stage: "drawing", done: done, total: total, unit: "boxes"))
        }
        return (details, bytes, input.entries.count - drawn)
    }

    private struct Drawn: Sendable {
        var details: [(rank: Int, text: String)] = []
        var bytes = 0
        var drawn = 0
    }

    private func draw(image index: Int, ranks: [Int], into work: String) throws -> Drawn {
        var result = Drawn()
        let record = input.masks.images[index]
        let picture = (try? record.relativePath()).flatMap {
            try? ImageCodec.decode(path: imagesDirectory + "/" + $0, options: decoding)
        }
        guard let size = picture?.size ?? record.size,
            size.pixelCount.map({ $0 <= decoding.maxPixels }) ?? false
        else { return result }
        for rank in ranks {
            let entry = input.entries[rank]
            let annotation = input.masks.annotations[entry.annotation]
            guard let drawing = ReportDrawing(around: annotation.box, in: size) else { continue }
            var hasPicture = false
            if let picture {
                let thumbnail = try picture.wrappedCrop(drawing.window, resizedTo: drawing.size)
                let file = try ImageCodec.jpeg(thumbnail, quality: 75)
                try OutputFolder.write(file, toFile: work + "/thumbs/\(rank / 1000)/\(rank).jpg")
                result.bytes += file.count
                result.drawn += 1
                hasPicture = true
            }
            result.details.append(
                (rank, try line(entry, annotation, drawing, size, hasPicture: hasPicture)))
        }
        return result
    }

    /// `[width, height, has a picture, box, mask, mask before clean-up, truth]`
    private func line(
        _ entry: ReportEntry, _ annotation: AnnotationRecord, _ drawing: ReportDrawing,
        _ size: Size, hasPicture: Bool
    ) throws -> String {
        var mask: RLE?
        if entry.state != .unlabelled { mask = try input.mask(of: annotation) }
        var before: RLE?
        if let mask, let changed = input.changes[annotation.index],
            let all = RLE.union([mask, changed]), let both = RLE.intersection([mask, changed])
        {
            before = all.without(both)
        }
        let truth = try mask.flatMap { try input.truth(of: annotation, imageSize: $0.size) }
        func text(_ mask: RLE?) -> String { mask.map { "\"\(drawing.text(of: $0))\"" } ?? "0" }
        let corners = drawing.corners(of: annotation.box).map(String.init).joined(separator: ",")
        return "[\(drawing.size.width),\(drawing.size.height),\(hasPicture ? 1 : 0),[\(corners)],"
            + "\(text(mask)),\(text(before)),\(text(truth))]"
    }
}
