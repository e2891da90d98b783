import Annotations
public import Distributed
import Files
public import Formats
import Foundation
import Glibc
import Imaging
public import Inference
import MaskModel
import Reporting
public import Specs
import Torch

/// A labelling run from a spec: reads and checks everything first, then runs.
public struct LabelJob {
    public let outputPath: String
    private let request: LabelRequest
    private let file: AnnotationFile
    /// Nil where the output is done and no other process waits for this one.
    private let predictor: MaskPredictor?
    private let locks: [OutputLock]
    private let reportLock: OutputLock?
    private let rankTimeout: Duration
    private let options: Options
    private let exports: [AnnotationExport]
    /// Of a run from a spec, on the process that writes its output.
    private let status: StatusLog?
    private let onEvent: RunEventHandler

    /// What a run does besides what its spec says.
    public struct Options {
        /// CPU threads of the network; nil leaves libtorch's choice.
        public var threads: Int?
        public var journalMode = JournalMode.automatic
        /// Refuses to continue a run that another version, thread count or machine began.
        public var isStrict = false
        public var style = OutputStyle.lossless
        /// A folder for one PNG an image with its masks drawn; nil for none.
        public var overlaysDirectory: String?
        /// A folder for the pages of ``ReportJob``; nil for none.
        public var reportDirectory: String?
        /// Tells at the end where the batches' time went.
        public var profiles = false
        /// A file for what the masks' scores are made of; nil for none.
        public var featuresPath: String?
        /// Outputs in other formats, made from the masks once they are complete.
        public var exports: [OutputTarget] = []
        public var exportSettings = ExportSettings()
        /// How the boxes are read.
        public var input = InputOptions()
        /// False for a part of a run (``LabelJob/run(_:isolation:shouldStop:)``), which writes a journal only.
        public var writesOutput = true
        /// Which of the run's processes this is; nil when it is alone.
        public var rank: RankEnvironment?

        public init() {}
    }

    /// - Parameter specPath: a spec file; nil for `mal label`, where the model file's own crop size and
    ///   thresholds stand in for those that are not set.
    /// - Throws: `SpecError`, `AnnotationError`, `CheckpointError`, `TorchError`, `LabelingError`: what is
    ///   wrong with the inputs, before any network time.
    public init(
        specPath: String?, overrides: [String] = [], settings: [SpecSetting] = [],
        options: Options = Options(), onEvent all: @escaping RunEventHandler
    ) throws {
        let (rank, style) = (options.rank, options.style)
        self.options = options
        let onEvent = rank?.isQuiet == true ? warningsOnly(all) : all
        let (spec, warnings) = try Spec.read(
            path: specPath, overrides: overrides, settings: settings, command: .inference)
        for warning in warnings { onEvent(.warning(warning)) }
        let inference = spec.inference
        rankTimeout = .seconds(spec.rankTimeout)
        outputPath = specPath == nil ? inference.labelDumpPath : spec.labelPath
        let boxesPath = inference.annotationPath ?? ""
        let imagesDirectory = inference.imageDir ?? ""
        try checkFolder(
            imagesDirectory,
            settings.last { $0.key == "inference.img_dir" }?.source ?? "inference.img_dir")

        let exportOptions = try options.exportSettings.options(
            images: imagesDirectory, appliesEXIF: spec.dataset.appliesEXIF)
        var exports = try options.exports.map {
            try AnnotationExport(format: $0.format, path: $0.path, options: exportOptions)
        }

        file = try readAnnotations(
            options.input.source(
                boxesPath, imagesDirectory: imagesDirectory,
                appliesEXIF: spec.dataset.appliesEXIF),
            onEvent: rank?.rank ?? 0 == 0 ? onEvent : { _ in })
        if file.format == .ytvis, style == .tao {
            throw LabelingError.wrongUse(
                "\(boxesPath): TAO has no output for YouTube-VIS files; leave --compat out")
        }
        let network = try LabelNetwork(
            spec: spec, isFromFile: specPath != nil, style: style, rank: rank, onEvent: onEvent)
        var request = LabelRequest(
            imagesDirectory: imagesDirectory, outputPath: outputPath,
            checkpointPath: network.model.path, cropSize: network.cropSize,
            thresholds: network.thresholds, batchSize: network.batchSize,
            device: network.runtime.device, arithmetic: network.runtime.arithmetic)
        request.writesScores = network.writesScores
        request.cleanup = network.cleanup
        request.featuresPath = options.featuresPath
        request.marginRate = network.marginRate
        request.style = style
        request.measuresIoU = inference.loadsMasks
        request.decoding = spec.dataset.decoding
        request.journalMode = options.journalMode
        request.isStrict = options.isStrict
        request.threadCount = options.threads ?? Libtorch.threadCount
        request.overlaysDirectory = options.overlaysDirectory
        request.confidence = network.model.confidence
        request.modelDescription = "\(network.model.configuration)"
        request.adaptiveCrop = network.adaptiveCrop
        if request.measuresIoU {
            try requireSegmentations(
                file, selection: request.selection, key: "inference.load_mask")
        }
        let replacesBoxes =
            options.exportSettings.overwrites && file.sourceFiles.count == 1
            && RunPaths.isSame(outputPath, boxesPath)
        var paths = RunPaths()
        paths.reads("spec", specPath)
        try paths.add(
            request, file, hasBoxes: !replacesBoxes, imagesFrom: options.input.imagesFrom)
        for target in options.exports where !OutputFile.isStream(target.path) {
            paths.writes(
                target.format.name, target.path, as: target.format.isFolder ? .folder : .file)
        }
        let results = spec.resultsDirectory(for: .inference)
        let hasStatus = specPath != nil && options.writesOutput && rank?.rank ?? 0 == 0
        var status = hasStatus ? StatusLog(directory: results) : nil
        paths.writes("status", status?.path)
        if let reportDirectory = options.reportDirectory {
            try ReportJob.checkReplaceable(reportDirectory)
            paths.writes("report", reportDirectory, as: .folder)
        }
        try paths.check()
        var locks: [OutputLock] = []
        var reportLock: OutputLock?
        if options.writesOutput, rank?.rank ?? 0 == 0 {
            locks = try [outputPath, options.overlaysDirectory].compactMap { $0 }
                .map { (path) throws in try OutputLock(path) }
            StandingOutput.clearLeftovers(request, file)
            request.isDone = try StandingOutput(
                outputPath, run: request.record(file),
                mayReplace: options.exportSettings.overwrites,
                startsAfresh: options.journalMode == .fresh,
                ignoring: replacesBoxes ? "boxes file" : nil
            ).isDone
            reportLock = try options.reportDirectory.map { (path) throws in try OutputLock(path) }
            for place in exports.indices { try exports[place].prepare(for: file) }
        }
        self.locks = locks
        self.reportLock = reportLock
        self.exports = exports
        self.request = request
        if request.isDone, rank?.worldSize ?? 1 == 1 {
            predictor = nil
        } else {
            let predictor = try network.predictor(threads: options.threads)
            if options.profiles { predictor.profile = StepProfile(device: network.runtime.device) }
            self.predictor = predictor
        }
        self.onEvent = onEvent
        let folder = URL(fileURLWithPath: outputPath).deletingLastPathComponent().path
        try makeDirectory(folder)
        if status != nil {
            do {
                try makeDirectory(results)
            } catch {
                // Of a spec whose masks go elsewhere.
                onEvent(.warning("no status.json: \(error)"))
                status = nil
            }
        }
        self.status = status
        if let folder = options.overlaysDirectory { try makeDirectory(folder) }
    }

    /// - Parameter shouldStop: asked between batches.
    /// - Throws: `LabelingError.interrupted` when `shouldStop` ended it.
    public func run(
        isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool
    ) async throws -> LabelSummary {
        try await withStatus {
            guard let labeler else {
                return try await withReport(finished(), shouldStop: shouldStop)
            }
            let summary = try await Libtorch.withThreads(options.threads) {
                try await labeler.run(file: file, shouldStop: shouldStop)
            }
            return try await withReport(summary, shouldStop: shouldStop)
        }
    }

    /// Tells TAO's `status.json` how the run went.
    private func withStatus<Result>(
        isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result
    ) async throws -> Result {
        try status?.write(.started, "Starting MAL inference.")
        do {
            let result = try await body()
            try status?.write(.success, "Inference finished successfully.")
            return result
        } catch {
            try? status?.write(.failure, "\(error)")
            throw error
        }
    }

    /// The same as one of the processes that share the work.
    ///
    /// - Returns: nil on those that leave writing to rank 0.
    public func runWithOthers(
        isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool
    ) async throws -> LabelSummary? {
        guard let rank = options.rank, rank.worldSize > 1, let labeler else {
            return try await run(shouldStop: shouldStop)
        }
        let onEvent = onEvent
        return try await withStatus {
            let summary = try await withMeeting(
                rank, timeout: rankTimeout,
                onDeath: { onEvent(.warning("\($0); the others take over its boxes")) }
            ) { meeting in
                try await Libtorch.withThreads(options.threads) {
                    try await labeler.run(meeting, file: file, shouldStop: shouldStop)
                }
            }
            guard let summary else { return nil }
            return try await withReport(
                request.isDone ? finished() : summary, shouldStop: shouldStop)
        }
    }

    /// Labels one of several parts that need nothing of each other, into a journal for ``MergeJob``.
    ///
    /// - Returns: the journal's path, and how many boxes are in it.
    public func run(
        _ shard: LabelShard, isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool
    ) async throws -> (journal: String, boxCount: Int) {
        guard let labeler else { throw LabelingError.noJournal(path: outputPath) }
        return try await Libtorch.withThreads(options.threads) {
            try await labeler.run(shard, file: file, shouldStop: shouldStop)
        }
    }

    private var labeler: Labeler? {
        predictor.map { Labeler(request: request, predictor: $0, onEvent: onEvent) }
    }

    /// What the same command did before.
    private func finished() throws -> LabelSummary {
        var summary = LabelSummary()
        summary.wasDone = true
        summary.annotationCount = file.annotations.count
        summary.unlabelled = try UnlabelledFile.read(forOutput: outputPath)
        let done = try AnnotationFile.read(
            AnnotationSource(path: outputPath, imagesDirectory: request.imagesDirectory))
        summary.labelledCount =
            request.style == .tao
            ? done.annotations.count : summary.annotationCount - summary.unlabelled.count
        // Of a process that was killed when all was done but this.
        let path = Labeler.journalPath(forOutput: outputPath)
        if let journal = try? LabelJournal(
            reading: path, annotationCount: file.annotations.count),
            journal.fingerprint.differences(from: try request.fingerprint(file)).allSatisfy({
                $0.hasPrefix("boxes file (")
            })
        {
            journal.remove()
        }
        if let directory = request.overlaysDirectory {
            let records = Dictionary(
                done.annotations.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
            let plan = BoxPlan(
                file: file, imagesDirectory: request.imagesDirectory,
                selection: request.selection, decoding: request.decoding, onEvent: onEvent)
            summary.overlayCount = try drawOverlays(
                plan: plan, file: file, directory: directory, decoding: request.decoding,
                onEvent: onEvent
            ) { annotation in
                guard let record = records[file.annotations[annotation].id],
                    let size = record.imageIndex.flatMap({ done.images[$0].size })
                else { return nil }
                return try done.truth(of: record, imageSize: size)
            }
        }
        return summary
    }

    private func withReport(
        _ summary: LabelSummary, isolation: isolated (any Actor)? = #isolation,
        shouldStop: () -> Bool
    ) async throws -> LabelSummary {
        var summary = summary
        if let reportDirectory = options.reportDirectory {
            // The output is in place: a report that is stopped can be made by `mal report` later.
            summary.reportPath = try await ReportJob(
                masksPath: outputPath, imagesDirectory: request.imagesDirectory, truthPath: nil,
                outputDirectory: reportDirectory, maxPixels: request.decoding.maxPixels,
                appliesEXIF: request.decoding.applyEXIF, input: InputOptions(), lock: reportLock,
                onEvent: onEvent
            ).run(shouldStop: shouldStop).indexPath
        }
        if !exports.isEmpty {
            let masks = try AnnotationFile.read(path: outputPath)
            for export in exports {
                do {
                    summary.conversions.append(
                        try ConvertJob.write(
                            masks, with: export, onEvent: onEvent, shouldStop: shouldStop))
                } catch {
                    onEvent(
                        .warning(
                            "the masks are complete; this makes what is missing: mal convert "
                                + "\(outputPath) \(export.path) --to \(export.format.name) "
                                + "--images \(request.imagesDirectory)"))
                    throw error
                }
            }
        }
        return summary
    }
}

/// For the processes whose story rank 0 tells.
func warningsOnly(_ onEvent: @escaping RunEventHandler) -> RunEventHandler {
    { event in
        if case .warning = event { onEvent(event) }
    }
}

/// - Parameter key: the spec key that wants the masks, for the message.
func requireSegmentations(
    _ file: AnnotationFile, selection: BoxPlan.Selection, key: String
) throws {
    let missing = file.annotations.filter {
        $0.segmentationRange == nil && selection.mayUse($0, of: file)
    }
    guard missing.isEmpty else {
        let ids = missing.prefix(5).map { "\($0.id)" }.joined(separator: ", ")
        throw LabelingError.wrongUse(
            "\(file.path): \(key) needs true masks, but \(missing.count) of "
                + "\(file.annotations.count) annotations have no segmentation (ids \(ids)"
                + "\(missing.count > 5 ? ", …" : ""))")
    }
}
