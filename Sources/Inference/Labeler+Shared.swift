package import Annotations
package import Distributed
import Files
import Foundation
import Specs
import Torch

/// A part of a labelling run that needs nothing of the others.
public struct LabelShard: Sendable, Equatable, CustomStringConvertible {
    /// From 1.
    public let number: Int
    public let count: Int

    /// `2/8`.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let number = Int(parts[0]), let count = Int(parts[1]),
            (1...1_000_000).contains(count), (1...count).contains(number)
        else { return nil }
        self.number = number
        self.count = count
    }

    public var description: String { "\(number)/\(count)" }
}

extension Labeler {
    /// Labels every `count`-th batch, into a journal that stays for `mal merge`.
    ///
    /// - Returns: the journal's path, and how many boxes are in it.
    package func run(
        _ shard: LabelShard, file: AnnotationFile,
        isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool
    ) async throws -> (journal: String, boxCount: Int) {
        let plan = plan(of: file)
        let path = JournalKind.shard.path(
            "\(shard.number)-of-\(shard.count)", forOutput: request.outputPath)
        let journal = try openJournal(path, file)
        try note(plan, of: file, in: journal, tells: true)
        let batches = BatchPlan(plan, request.cropSettings)
        let own = (0..<batches.count).filter { $0 % shard.count == shard.number - 1 }
        let total = batches.boxCount(ofBatches: own)
        let progress = progress([journal], plan, batches, file)
        tell(progress, file)
        var finished = batches.boxCount(ofBatches: progress.completed.intersection(own))
        tellContinuing(finished, of: total)
        let others = Set(0..<batches.count).subtracting(own)
        let completed = try await label(
            file, plan, into: journal, skipping: others.union(progress.completed),
            shouldStop: shouldStop
        ) { _, count in
            finished += count
            onEvent(.progress(stage: "labelling", done: finished, total: total, unit: "boxes"))
        }
        guard completed else { throw LabelingError.interrupted(done: finished, total: total) }
        if let place = try journal.recheck().first {
            throw LabelingError.journalDamaged(path: path, offset: place)
        }
        return (path, total)
    }

    /// Labels together with other processes, who take batches in turn; rank 0 then writes the files.
    ///
    /// - Returns: nil on all processes but rank 0.
    package func run(
        _ meeting: RankMeeting, file: AnnotationFile,
        isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool
    ) async throws -> LabelSummary? {
        let start = ContinuousClock.now
        let rank = meeting.environment.rank
        let plan = plan(of: file)
        let journal = try openJournal(
            JournalKind.rank.path("\(rank)", forOutput: request.outputPath), file,
            mode: rank == 0 || request.journalMode != .resume ? request.journalMode : .automatic)
        try note(plan, of: file, in: journal, tells: rank == 0)
        let batches = BatchPlan(plan, request.cropSettings)
        let before = try agree(meeting, journal, plan, batches, file)
        let board = LeaseBoard(
            meeting, batches: (0..<batches.count).filter { !before.contains($0) })
        let total = plan.boxes.count
        let finishedBefore = batches.boxCount(ofBatches: before)
        tellContinuing(finishedBefore, of: total)
        var finished = finishedBefore
        var taken = board.take()
        try board.check()
        // Who finds every batch taken waits for the others too.
        if taken.isEmpty { taken = try board.takeOver(shouldStop: shouldStop) }
        while !taken.isEmpty {
            var first = taken
            let completed = try await label(
                file, plan, into: journal,
                more: {
                    defer { first = [] }
                    return first.isEmpty ? board.take() : first
                }, shouldStop: shouldStop
            ) { batch, count in
                let recorded = try board.record(batch: batch, boxCount: count)
                finished = finishedBefore + min(max(recorded, 0), total)
                onEvent(
                    .progress(
                        stage: "labelling", done: min(finished, total), total: total, unit: "boxes")
                )
            }
            try board.check()
            taken = completed ? try board.takeOver(shouldStop: shouldStop) : []
        }
        guard !shouldStop() else {
            board.leave()
            throw LabelingError.interrupted(done: min(finished, total), total: total)
        }
        guard rank == 0 else { return nil }
        defer {
            for other in 1..<meeting.environment.worldSize {
                LabelJournal.removeUnbegun(
                    JournalKind.rank.path("\(other)", forOutput: request.outputPath))
            }
        }
        guard !request.isDone else {
            journal.remove()
            return LabelSummary()
        }
        tellDamage(at: try journal.recheck(), in: journal)
        let all = self.progress(
            [journal] + (try others(than: journal, file)), plan, batches, file)
        tell(all, file)
        try requireComplete(all, batchCount: batches.count)
        var summary = try finish(file, plan, all, start: start)
        summary.newlyLabelledCount = total - finishedBefore
        return summary
    }

    /// The batches that need no work: what rank 0 finds in its folder and what the others have. Rank 0
    /// puts that together, so that all know the same, also when a process is lost meanwhile. Throws
    /// when a process would label something else.
    private func agree(
        _ meeting: RankMeeting, _ own: LabelJournal, _ plan: BoxPlan, _ batches: BatchPlan,
        _ file: AnnotationFile
    ) throws -> Set<Int> {
        let (store, keys, rank) = (meeting.store, meeting.keys, meeting.environment.rank)
        // Each process numbers the batches by its own plan.
        var fingerprint = own.fingerprint
        fingerprint.add("boxes in usable images", String(plan.hash, radix: 16))
        let found = progress([own], plan, batches, file)
        func give(_ batches: Set<Int>, as key: String) throws {
            let part = Part(fingerprint: fingerprint.text, batches: batches.sorted())
            try store.set(key, Array(JSONEncoder().encode(part)))
        }
        func read(_ key: String, of other: Int) throws -> Set<Int> {
            let bytes = try store.value(key, timeout: meeting.longWait * 2)
            guard let part = try? JSONDecoder().decode(Part.self, from: Data(bytes)),
                part.batches.allSatisfy((0..<batches.count).contains)
            else {
                throw LabelingError.rankLost(
                    "rank \(rank) got from rank \(other) what is no list of this run's batches")
            }
            let differences = fingerprint.differences(from: RunFingerprint(text: part.fingerprint))
            guard differences.isEmpty else {
                throw LabelingError.wrongUse(
                    "rank \(other) would label something else than rank \(rank): "
                        + printable(differences.joined(separator: "; "), limit: 400))
            }
            return Set(part.batches)
        }
        guard rank == 0 else {
            try give(found.completed, as: keys.part(rank))
            return try read(keys.allParts, of: 0)
        }
        var done = found.completed
        if request.journalMode == .fresh {
            try removeOthers(than: own, meeting, file)
        } else {
            done = progress([own] + (try others(than: own, file)), plan, batches, file).completed
        }
        for other in 1..<meeting.environment.worldSize
        where try meeting.isThere(keys.part(other), of: other) {
            done.formUnion(try read(keys.part(other), of: other))
        }
        if request.isDone { done = Set(0..<batches.count) }
        try give(done, as: keys.allParts)
        return done
    }

    /// Starting afresh removes other journals in rank 0's folder, those of running processes aside.
    private func removeOthers(
        than own: LabelJournal, _ meeting: RankMeeting, _ file: AnnotationFile
    ) throws {
        let running = Set(
            (0..<meeting.environment.worldSize).map {
                JournalKind.rank.path("\($0)", forOutput: request.outputPath)
            })
        for journal in try openOthers(than: own, file) where !running.contains(journal.path) {
            journal.remove()
        }
    }

    private struct Part: Codable {
        let fingerprint: String
        let batches: [Int]
    }

    /// The other journals of this run that are in the folder.
    private func others(than own: LabelJournal, _ file: AnnotationFile) throws -> [LabelJournal] {
        try openOthers(than: own, file).filter { $0.fingerprint == own.fingerprint }
    }

    private func openOthers(
        than own: LabelJournal, _ file: AnnotationFile
    ) throws -> [LabelJournal] {
        try JournalKind.rank.paths(besides: request.outputPath).filter { $0 != own.path }
            .compactMap { path in
                do {
                    return try LabelJournal(
                        reading: path, annotationCount: file.annotations.count)
                } catch LabelingError.journalUnreadable {
                    // Of a process that is about to begin it.
                    return nil
                }
            }
    }

    private func requireComplete(_ progress: LabelProgress, batchCount: Int) throws {
        guard progress.isComplete else {
            throw LabelingError.wrongUse(
                "\(progress.missingBatchCount) of \(batchCount) batches are in journals that are not in "
                    + "this folder: copy \(request.outputPath).rank-*.journal of the other "
                    + "machines here and give `mal merge`, or repeat the command to label them here"
            )
        }
    }
}
