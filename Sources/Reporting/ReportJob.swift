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
            lines.append(
                "\(pictureless) boxes have no picture: their image cannot be read, or has more pixels than "
                    + "--max-pixels")
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
    private let viewCount: Int
    private let lock: OutputLock
    private let onEvent: RunEventHandler

    /// Boxes of one data file: a page of the gallery needs one or few of them.
    static let chunkSize = 100
    /// The same of ``ReportDrawing/Kind/view``: an opened mask needs one of them.
    static let viewChunkSize = 10
    /// They take 11 kB each on COCO, and up to some 40 kB.
    package static let defaultViewCount = 1000

    /// - Parameters:
    ///   - masksPath: what `mal label` wrote; its `.unlabelled.jsonl` and `.cleanup.jsonl` are read
    ///     when they are there.
    ///   - truthPath: true masks under the same annotation ids; nil for none.
    ///   - outputDirectory: a new folder, or an earlier report, which is replaced.
    ///   - viewCount: how many boxes, from the worst on, open at the photograph's own pixels.
    /// - Throws: `AnnotationError`, `LabelingError`, before anything is written.
    package init(
        masksPath: String, imagesDirectory: String, truthPath: String?, outputDirectory: String,
        maxPixels: Int = 200_000_000, appliesEXIF: Bool = false,
        input options: InputOptions = InputOptions(), viewCount: Int = defaultViewCount,
        onEvent: @escaping RunEventHandler
    ) throws {
        try self.init(
            masksPath: masksPath, imagesDirectory: imagesDirectory, truthPath: truthPath,
            outputDirectory: outputDirectory, maxPixels: maxPixels, appliesEXIF: appliesEXIF,
            input: options, viewCount: viewCount, lock: nil, onEvent: onEvent)
    }

    /// - Parameter lock: of the folder, where this process has it already.
    package init(
        masksPath: String, imagesDirectory: String, truthPath: String?, outputDirectory: String,
        maxPixels: Int, appliesEXIF: Bool, input options: InputOptions,
        viewCount: Int = defaultViewCount, lock: OutputLock?, onEvent: @escaping RunEventHandler
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
        self.viewCount = min(max(viewCount, 0), input.entries.count)
        var paths = RunPaths()
        paths.reads("masks", input.masks)
        paths.reads("images and categories", options.imagesFrom)
        if let truth = input.truth { paths.reads("truth", truth) }
        paths.readsImages(imagesDirectory, of: input.masks)
        paths.writes("report", output, as: .folder)
        try paths.check()
        try OutputFolder.checkReplaceable(
            output, marker: OutputFolder.reportMarker,
            names: Self.names(boxCount: input.entries.count, viewCount: self.viewCount))
        self.lock = try lock ?? OutputLock(output)
    }

    /// Refuses a folder that is something else than a report, so that a mistyped name costs nothing.
    package static func checkReplaceable(_ path: String) throws {
        try OutputFolder.checkReplaceable(path, marker: OutputFolder.reportMarker)
    }

    /// All that the report will hold.
    private static func names(boxCount: Int, viewCount: Int) -> [String] {
        ["index.html", "report.css", "report.js", "data/index.js"]
            + (0..<(boxCount + chunkSize - 1) / chunkSize).map { "data/c\($0).js" }
            + (0..<(viewCount + viewChunkSize - 1) / viewChunkSize).map { "data/v\($0).js" }
            + (0..<boxCount).map { "thumbs/" + picture($0) }
            + (0..<viewCount).map { "views/" + picture($0) }
    }

    private static func picture(_ rank: Int) -> String { "\(rank / 1000)/\(rank).jpg" }

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
        for group in 0..<(viewCount + 999) / 1000 { try folder.makeFolder("views/\(group)") }
        let drawn = try await draw(into: folder.work, shouldStop: shouldStop)
        for (kind, lines, size) in [
            ("c", drawn.cards, Self.chunkSize), ("v", drawn.views, Self.viewChunkSize),
        ] {
            for (number, first) in stride(from: 0, to: lines.count, by: size).enumerated() {
                let lines = lines[first..<min(first + size, lines.count)]
                try folder.write(
                    "MAL.chunk(\"\(kind)\(number)\",[\n\(lines.joined(separator: ",\n"))\n]);\n",
                    to: "data/\(kind)\(number).js")
            }
        }
        try folder.write(ReportIndex(input, viewCount: viewCount).script, to: "data/index.js")
        // The page holds no data, so its bytes are the same in every report.
        try folder.write(PackageResources.index_html, to: "index.html")
        try folder.write(PackageResources.report_css, to: "report.css")
        try folder.write(PackageResources.report_js, to: "report.js")
        try folder.commit()
        return ReportSummary(
            boxCount: input.entries.count,
            unlabelledCount: input.entries.count { $0.state == .unlabelled },
            pictureless: input.entries.count - drawn.drawnCount,
            byteCount: drawn.byteCount + folder.byteCount,
            seconds: (ContinuousClock.now - start) / .seconds(1),
            indexPath: output + "/index.html")
    }

    // MARK: Pictures

    private struct Drawings: Sendable {
        /// A line for the data file of each box, by rank.
        var cards: [String]
        /// The same for the boxes that have a view.
        var views: [String]
        var byteCount = 0
        var drawnCount = 0
    }

    /// The pictures of all boxes, image by image.
    private func draw(
        into work: String, isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool
    ) async throws -> Drawings {
        var all = Drawings(
            cards: [String](repeating: "0", count: input.entries.count),
            views: [String](repeating: "0", count: viewCount))
        var ranks: [Int: [Int]] = [:]
        for (rank, entry) in input.entries.enumerated() {
            if let image = input.masks.annotations[entry.annotation].imageIndex {
                ranks[image, default: []].append(rank)
            }
        }
        let jobs = ranks.sorted { $0.key < $1.key }
        var done = 0
        let total = jobs.reduce(0) { $0 + $1.value.count }
        let width = max(2, ProcessInfo.processInfo.activeProcessorCount)
        var running: [Task<[Drawn], any Error>] = []
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
            for drawn in try await running.removeFirst().value {
                all.cards[drawn.rank] = drawn.card
                if let view = drawn.view { all.views[drawn.rank] = view }
                all.byteCount += drawn.byteCount
                all.drawnCount += drawn.byteCount > 0 ? 1 : 0
                done += 1
            }
            onEvent(.progress(stage: "drawing", done: done, total: total, unit: "boxes"))
        }
        return all
    }

    private struct Drawn: Sendable {
        let rank: Int
        let card: String
        let view: String?
        let byteCount: Int
    }

    private func draw(image index: Int, ranks: [Int], into work: String) throws -> [Drawn] {
        let record = input.masks.images[index]
        let picture = (try? record.relativePath()).flatMap {
            try? ImageCodec.decode(path: imagesDirectory + "/" + $0, options: decoding)
        }
        guard let size = picture?.size ?? record.size,
            size.pixelCount.map({ $0 <= decoding.maxPixels }) ?? false
        else { return [] }
        var result: [Drawn] = []
        for rank in ranks {
            let entry = input.entries[rank]
            let annotation = input.masks.annotations[entry.annotation]
            let masks = try masks(of: entry, annotation)
            var byteCount = 0
            func line(_ kind: ReportDrawing.Kind, in folder: String) throws -> String? {
                guard let drawing = ReportDrawing(around: annotation.box, in: size, kind) else {
                    return nil
                }
                if let picture {
                    let crop = try picture.wrappedCrop(drawing.window, resizedTo: drawing.size)
                    let file = try ImageCodec.jpeg(crop, quality: 75)
                    try OutputFolder.write(
                        file, toFile: "\(work)/\(folder)/" + Self.picture(rank))
                    byteCount += file.count
                }
                return Self.line(annotation, masks, drawing, hasPicture: picture != nil)
            }
            guard let card = try line(.thumbnail, in: "thumbs") else { continue }
            let view = rank < viewCount ? try line(.view, in: "views") : nil
            result.append(Drawn(rank: rank, card: card, view: view, byteCount: byteCount))
        }
        return result
    }

    /// The mask, the mask before clean-up where that changed it, and the true mask.
    private func masks(of entry: ReportEntry, _ annotation: AnnotationRecord) throws -> [RLE?] {
        guard entry.state != .unlabelled, let mask = try input.mask(of: annotation) else {
            return [nil, nil, nil]
        }
        var before: RLE?
        if let changed = input.changes[annotation.index],
            let all = RLE.union([mask, changed]), let both = RLE.intersection([mask, changed])
        {
            before = all.without(both)
        }
        return [mask, before, try input.truth(of: annotation, imageSize: mask.size)]
    }

    /// `[width, height, has a picture, box, mask, mask before clean-up, truth, scale in thousandths]`
    private static func line(
        _ annotation: AnnotationRecord, _ masks: [RLE?], _ drawing: ReportDrawing,
        hasPicture: Bool
    ) -> String {
        let texts = masks.map { $0.map { "\"\(drawing.text(of: $0))\"" } ?? "0" }
        let corners = drawing.corners(of: annotation.box).map(String.init).joined(separator: ",")
        return "[\(drawing.size.width),\(drawing.size.height),\(hasPicture ? 1 : 0),[\(corners)],"
            + texts.joined(separator: ",") + ",\(Int((drawing.scale * 1000).rounded()))]"
    }
}
