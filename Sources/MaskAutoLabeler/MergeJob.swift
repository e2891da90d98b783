import Annotations
import Files
import Foundation
import Imaging
public import Inference
public import Specs
import Torch

/// Makes one output of the journals that several processes wrote: the file that one process would have
/// written, byte for byte. Needs no network, and no machine but its own.
public struct MergeJob {
    private let request: LabelRequest
    private let file: AnnotationFile
    private let journals: [LabelJournal]
    private let record: String
    private let locks: [OutputLock]
    private let onEvent: RunEventHandler

    /// - Parameters:
    ///   - journalPaths: of `mal label --shard` and of ranks; empty for all beside the output.
    ///   - writesScores: whether masks get their score; only where the run measured for it.
    ///   - overwrites: whether a finished file of something else may be replaced.
    ///   - input: how the boxes are read, as for the run.
    /// - Throws: `AnnotationError`, `LabelingError`: journals of other inputs, of different runs, or not all.
    public init(
        imagesDirectory: String, boxesPath: String, outputPath: String, journalPaths: [String],
        writesScores: Bool, overlaysDirectory: String?, overwrites: Bool = false,
        input: InputOptions = InputOptions(),
        onEvent: @escaping RunEventHandler
    ) throws {
        self.onEvent = onEvent
        try checkFolder(imagesDirectory, "IMAGES")
        let found = JournalKind.shard.paths(besides: outputPath)
        let journalPaths =
            !journalPaths.isEmpty
            ? journalPaths
            : found.isEmpty ? JournalKind.rank.paths(besides: outputPath) : found
        guard let first = journalPaths.first else {
            throw LabelingError.wrongUse(
                "no journals: none are named, and there is no \(outputPath).shard-*.journal or "
                    + "\(outputPath).rank-*.journal")
        }
        let fingerprint = try Self.journal(first, annotationCount: 0).fingerprint
        file = try readAnnotations(
            input.source(
                boxesPath, imagesDirectory: imagesDirectory,
                appliesEXIF: fingerprint["EXIF"] == "true"),
            onEvent: onEvent)
        let count = file.annotations.count
        let opened = try journalPaths.map { try Self.journal($0, annotationCount: count) }
        for journal in opened {
            let differences = journal.fingerprint.differences(from: fingerprint)
            guard differences.isEmpty else {
                throw LabelingError.wrongUse(
                    "\(journal.path) is of another run than \(first): "
                        + differences.joined(separator: "; "))
            }
        }
        journals = opened
        request = try LabelRequest(
            fingerprint, path: first, imagesDirectory: imagesDirectory, file: file,
            outputPath: outputPath, writesScores: writesScores,
            overlaysDirectory: overlaysDirectory)
        var paths = RunPaths()
        for path in journalPaths { paths.reads("journal", path) }
        try paths.add(request, file, imagesFrom: input.imagesFrom)
        try paths.check()
        var record = fingerprint
        record.add("images", request.imageStamp(file))
        self.record = record.text
        _ = try StandingOutput(outputPath, run: record, mayReplace: overwrites)
        locks = try [outputPath, overlaysDirectory].compactMap { $0 }.map { (path) throws in
            try OutputLock(path)
        }
        StandingOutput.clearLeftovers(request, file)
        try makeDirectory(
            URL(fileURLWithPath: outputPath).deletingLastPathComponent().path)
        if let overlaysDirectory { try makeDirectory(overlaysDirectory) }
    }

    private static func journal(_ path: String, annotationCount: Int) throws -> LabelJournal {
        do {
            return try LabelJournal(reading: path, annotationCount: annotationCount)
        } catch LabelingError.journalUnreadable(_, let reason) {
            throw LabelingError.wrongUse(
                "\(path): not a journal of mal label (\(reason)); leave it out, or label its part again"
            )
        }
    }

    /// Writes the output; the journals stay.
    public func run() throws -> LabelSummary {
        let start = ContinuousClock.now
        let plan = BoxPlan(
            file: file, imagesDirectory: request.imagesDirectory, selection: request.selection,
            decoding: request.decoding, onEvent: onEvent)
        try requireUsableImages(plan)
        let batches = BatchPlan(plan, request.cropSettings)
        let progress = LabelProgress(
            journals, plan: plan, batches: batches, file: file,
            directory: request.imagesDirectory)
        guard progress.isComplete else {
            let changed = progress.changedImages.sorted().map { file.images[$0].printableName }
            let names = journals.map { journal in
                let own = LabelProgress(
                    [journal], plan: plan, batches: batches, file: file,
                    directory: request.imagesDirectory)
                return "\(journal.path): \(own.completed.count) batches"
            }
            throw LabelingError.wrongUse(
                (changed.isEmpty
                    ? "" : "changed since they were labelled: \(listed(changed)). ")
                    + "\(progress.missingBatchCount) of \(batches.count) batches are in none of the "
                    + "journals; give all of them, or finish the shards:\n  "
                    + names.joined(separator: "\n  "))
        }
        return try OutputFiles(request: request, run: record, onEvent: onEvent)
            .write(file, plan, progress, start: start)
    }

    /// Batches hold the same boxes only where the same images can be used.
    private func requireUsableImages(_ plan: BoxPlan) throws {
        let now = plan.usableImages
        for journal in journals {
            guard let before = journal.usableImages, before.count == now.count else { continue }
            let names = now.indices.filter { now[$0] != before[$0] }.map {
                file.images[$0].printableName + (now[$0] ? " only here" : " only there")
            }
            guard names.isEmpty else {
                throw LabelingError.wrongUse(
                    "\(request.imagesDirectory): other images can be used than where "
                        + "\(journal.path) comes from: \(listed(names)); give the folder with the "
                        + "same images, or label that part again")
            }
        }
    }
}

extension LabelRequest {
    /// What writing needs of the run that wrote a journal.
    fileprivate init(
        _ fingerprint: RunFingerprint, path: String, imagesDirectory: String,
        file: AnnotationFile, outputPath: String, writesScores: Bool, overlaysDirectory: String?
    ) throws {
        func value(_ name: String) throws -> String {
            guard let value = fingerprint[name] else {
                throw LabelingError.journalUnreadable(
                    path: path, reason: "it does not say the \(name)")
            }
            return value
        }
        func number(_ name: String) throws -> Int {
            guard let number = Int(try value(name)), number > 0 else {
                throw LabelingError.journalUnreadable(path: path, reason: "its \(name) cannot be")
            }
            return number
        }
        let hash = String(FNV1a.hash(file), radix: 16)
        guard try value("boxes file") == hash else {
            throw LabelingError.wrongUse(
                "\(path) is of another boxes file than \(file.path), or it has changed since")
        }
        self.init(
            imagesDirectory: imagesDirectory, outputPath: outputPath, checkpointPath: "",
            cropSize: try number("crop size"), thresholds: [],
            batchSize: try number("batch size"), device: .cpu, arithmetic: .float32)
        if let text = fingerprint["adaptive crop"] {
            guard let adaptive = AdaptiveCrop(text) else {
                throw LabelingError.journalUnreadable(
                    path: path, reason: "its adaptive crop cannot be")
            }
            adaptiveCrop = adaptive
        }
        style = try OutputStyle(rawValue: value("output style")) ?? .lossless
        measuresIoU = try value("load_mask") == "true"
        self.writesScores = try writesScores && value("features") == "true"
        if let json = fingerprint["scores"] {
            guard let fit = ConfidenceModel(json: json) else {
                throw LabelingError.journalUnreadable(path: path, reason: "its scores cannot be")
            }
            confidence = fit
        }
        decoding = DecodeOptions(
            maxPixels: try number("max pixels"), applyEXIF: try value("EXIF") == "true",
            scales16Bit: fingerprint["16-bit grey"] == "scaled")
        self.overlaysDirectory = overlaysDirectory
    }
}
