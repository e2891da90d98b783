import Foundation
import Torch

/// Hands out batches to processes that label apart: a few at a time, to whoever comes next, so that
/// one slow machine does not hold the rest. What a process that died had is given to another.
package final class LeaseBoard {
    private let meeting: RankMeeting
    private let leases: [[Int]]
    private var isExhausted = false
    /// Batches of this process's leases that are not recorded yet, by lease.
    private var open: [Int: Set<Int>] = [:]
    private var leaseOfBatch: [Int: Int] = [:]
    /// How often a lease changed hands, as far as is known.
    private var turns: [Int: Int] = [:]
    /// Why ``take()`` gave nothing.
    private var failure: (any Error)?

    /// - Parameter batches: without a result, the same on all processes.
    package init(_ meeting: RankMeeting, batches: [Int]) {
        self.meeting = meeting
        // Small enough that all end at about the same time, large enough to decode each image once.
        // However many there are, the store holds a bounded number of leases.
        let size = max(
            1, min(16, batches.count / (8 * meeting.environment.worldSize)), batches.count >> 16)
        leases = stride(from: 0, to: batches.count, by: size).map {
            Array(batches[$0..<min($0 + size, batches.count)])
        }
    }

    private var keys: RankKeys { meeting.keys }
    private var rank: Int { meeting.environment.rank }

    /// The batches of a fresh lease; empty when there is none left.
    package func take() -> [Int] {
        guard !isExhausted, failure == nil else { return [] }
        do {
            let lease = try meeting.store.add(keys.nextLease, 1) &- 1
            guard leases.indices.contains(lease) else {
                isExhausted = true
                return []
            }
            return try begin(lease, turn: 0)
        } catch {
            failure = error
            return []
        }
    }

    private func begin(_ lease: Int, turn: Int) throws -> [Int] {
        try meeting.store.set(keys.owner(lease, turn), Array("\(rank)".utf8))
        turns[lease] = turn
        open[lease] = Set(leases[lease])
        for batch in leases[lease] { leaseOfBatch[batch] = lease }
        return leases[lease]
    }

    /// Throws what went wrong in ``take()``.
    package func check() throws {
        if let failure { throw failure }
    }

    /// A batch of this process is in its journal, with `boxCount` boxes.
    ///
    /// - Returns: how many boxes all processes have recorded since they met.
    package func record(batch: Int, boxCount: Int) throws -> Int {
        if let lease = leaseOfBatch[batch] {
            open[lease]?.remove(batch)
            if open[lease]?.isEmpty == true {
                open[lease] = nil
                // Two may have done it, when one was taken for dead.
                if try meeting.store.add(keys.done(lease), 1) == 1 {
                    try meeting.store.add(keys.doneCount, 1)
                }
            }
        }
        return try meeting.store.add(keys.boxCount, boxCount)
    }

    /// Waits until everything is recorded, or until a process died with a lease that becomes this
    /// one's.
    ///
    /// - Returns: batches to do; empty at the end.
    package func takeOver(shouldStop: () -> Bool) throws -> [Int] {
        while !shouldStop(), try meeting.store.add(keys.doneCount, 0) < leases.count {
            // As long as all live there is nothing to ask for, lease by lease.
            if try meeting.store.add(keys.losses, 0) > 0 {
                let dead = try deadRanks()
                let waiting = try leases.indices.filter {
                    try !meeting.store.contains(keys.done($0))
                }
                if waiting.isEmpty { return [] }
                for lease in waiting {
                    if let batches = try claim(lease, dead) { return batches }
                }
            }
            Thread.sleep(forTimeInterval: 0.1)
        }
        return []
    }

    private func deadRanks() throws -> Set<Int> {
        Set(
            try (0..<meeting.environment.worldSize).filter {
                try meeting.store.contains(keys.dead($0))
            })
    }

    private func claim(_ lease: Int, _ dead: Set<Int>) throws -> [Int]? {
        let turn = turns[lease, default: 0]
        // Without a name on it, its owner died in between, or is about to write it: at worst the work
        // is done twice, with equal results.
        if try meeting.store.contains(keys.owner(lease, turn)) {
            let text = try meeting.store.value(keys.owner(lease, turn), timeout: meeting.timeout)
            guard let owner = Int(String(decoding: text, as: UTF8.self)), dead.contains(owner)
            else {
                return nil
            }
        }
        turns[lease] = turn + 1
        guard try meeting.store.add(keys.claims(lease, turn + 1), 1) == 1 else { return nil }
        return try begin(lease, turn: turn + 1)
    }

    /// Gives this process's leases back.
    package func leave() { try? RankMeeting.note(lost: rank, in: meeting.store, keys) }
}
