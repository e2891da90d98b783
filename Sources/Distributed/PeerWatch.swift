import Files
import Foundation
import Glibc
import Specs
import Synchronization
import Torch

/// Finds out when another process of the run died, hangs or is cut off, whatever this process is
/// waiting for at that moment.
///
/// Every process counts up a number of its own in the store, on a thread of its own. Rank 0 looks at
/// all numbers; the others at that of rank 0, and at what was reported as lost. A thread beside it
/// looks at the clock, because a store that is cut off does not even answer with an error.
final class PeerWatch: Sendable {
    private struct State {
        var lastAnswer = ContinuousClock.now
        var beats: [Int: (count: Int, since: ContinuousClock.Instant)] = [:]
        var dead: Set<Int> = []
        var loss: String?
        var isOver = false
    }

    private let environment: RankEnvironment
    private let keys: RankKeys
    private let timeout: Duration
    private let onLoss: @Sendable (String) -> Void
    /// Nil when the death of one is the end of all.
    private let onDeath: (@Sendable (String) -> Void)?
    private let state = Mutex(State())

    init(_ environment: RankEnvironment, timeout: Duration, _ purpose: RankMeeting.Purpose) {
        self.environment = environment
        self.timeout = timeout
        keys = RankKeys(environment)
        switch purpose {
        case .together(let onLoss): (self.onLoss, onDeath) = (onLoss, nil)
        case .apart(let onDeath): (onLoss, self.onDeath) = ({ _ in }, onDeath)
        }
    }

    func start() {
        Thread.detachNewThread { self.beat() }
        Thread.detachNewThread { self.judge() }
    }

    /// Stops watching; what happens to others from here on is no loss.
    func end() { state.withLock { $0.isOver = true } }

    /// What ended the run, in words.
    var loss: String? { state.withLock { $0.loss } }

    /// How often a process shows that it lives.
    static func interval(_ timeout: Duration) -> Duration {
        max(.milliseconds(50), min(.seconds(1), timeout / 20))
    }

    private var isOver: Bool { state.withLock { $0.isOver } }
    private var pause: Double { Self.interval(timeout) / .seconds(1) }

    private func beat() {
        do {
            let store = try RankMeeting.store(environment, .joins, until: .now + timeout)
            while !isOver {
                try store.add(keys.beat(environment.rank), 1)
                if try store.contains(keys.loss) {
                    let text = try store.value(keys.loss, timeout: timeout)
                    return lose(printable(String(decoding: text, as: UTF8.self), limit: 400))
                }
                for rank in environment.rank == 0 ? 1..<environment.worldSize : 0..<1 {
                    look(at: rank, count: try store.add(keys.beat(rank), 0))
                }
                state.withLock { $0.lastAnswer = .now }
                let silent = silentRanks()
                if !silent.isEmpty {
                    guard let onDeath, !silent.contains(0) else {
                        try store.set(keys.loss, Array(silenceText(silent).utf8))
                        return lose(silenceText(silent))
                    }
                    for rank in silent { try RankMeeting.note(lost: rank, in: store, keys) }
                    onDeath(silenceText(silent))
                }
                Thread.sleep(forTimeInterval: pause)
            }
        } catch {
            // The end of rank 0 takes the store with it. Whether that was the run's end is known soon.
            Thread.sleep(forTimeInterval: 2 * pause)
            lose(storeGone + ": \(firstLine("\(error)"))")
        }
    }

    private func look(at rank: Int, count: Int) {
        state.withLock { state in
            if state.beats[rank]?.count != count { state.beats[rank] = (count, .now) }
        }
    }

    /// Ranks that fell silent and were not reported yet.
    private func silentRanks() -> [Int] {
        state.withLock { state in
            let now = ContinuousClock.now
            let silent = state.beats.filter {
                now - $0.value.since > timeout && !state.dead.contains($0.key)
            }.keys.sorted()
            state.dead.formUnion(silent)
            return silent
        }
    }

    private func silenceText(_ ranks: [Int]) -> String {
        let names = ranks.map(String.init).joined(separator: ", ")
        return "\(ranks.count == 1 ? "rank" : "ranks") \(names) gave no sign of life for "
            + "\(Int(timeout / .seconds(1))) s: dead, hanging or cut off from the network"
    }

    private var storeGone: String {
        "rank \(environment.rank) lost "
            + (environment.launcherKeepsStore ? "the launcher's store" : "rank 0")
            + " at \(environment.masterAddress):\(environment.masterPort)"
    }

    private func lose(_ text: String) {
        state.withLock { state in
            if state.loss == nil { state.loss = text }
        }
    }

    private func judge() {
        var lostSince: ContinuousClock.Instant?
        while !isOver {
            Thread.sleep(forTimeInterval: pause)
            if let launcher = environment.launcher, getppid() != launcher {
                lose("the launcher of rank \(environment.rank) is gone")
            }
            let now = ContinuousClock.now
            if now - state.withLock({ $0.lastAnswer }) > timeout {
                lose(
                    storeGone + ": no answer for \(Int(timeout / .seconds(1))) s; it hangs, or the "
                        + "network between is cut")
            }
            guard let loss else { continue }
            // Whoever waits in a collective may learn it there too, and then ends in order.
            let since = lostSince ?? now
            lostSince = since
            guard now - since > min(.seconds(2), timeout / 4) else { continue }
            guard !isOver else { return }
            onLoss(loss)
            environment.onEvent(.lost(.rankLost(loss)))
            return
        }
    }
}
