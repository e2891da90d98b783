import Files
import Foundation
import Glibc
import Specs
import Torch

/// Where the processes of a run meet: the store they share, and the watch over each other.
package final class RankMeeting {
    /// What the death of a process means.
    enum Purpose {
        /// Nobody can go on: the process ends with a message that names who is lost.
        case together(onLoss: @Sendable (String) -> Void)
        /// The others take over its work; only without rank 0, which keeps the store, it is the end.
        case apart(onDeath: @Sendable (String) -> Void)
    }

    package let environment: RankEnvironment
    package let store: SharedStore
    let watch: PeerWatch
    package let keys: RankKeys
    package let timeout: Duration

    /// Machines are not all ready at the same time.
    private static let shortestWait = Duration.seconds(300)
    /// For what belongs to the beginning.
    package var longWait: Duration { max(timeout, Self.shortestWait) }

    /// Meets the others.
    init(_ environment: RankEnvironment, timeout: Duration, _ purpose: Purpose) throws {
        self.environment = environment
        self.timeout = timeout
        keys = RankKeys(environment)
        let rank = environment.rank
        let wait = max(timeout, Self.shortestWait)
        do {
            try Libtorch.checkDistributed()
            store = try Self.meet(environment, keys, wait)
        } catch TorchError.stranger(let reason) {
            throw LabelingError.rankLost("rank \(rank): \(firstLine(reason))")
        } catch TorchError.communication(let reason), TorchError.notYet(let reason) {
            throw LabelingError.rankLost(
                "rank \(rank) of \(environment.worldSize) did not meet the others at "
                    + "\(environment.masterAddress):\(environment.masterPort) within "
                    + "\(Int(wait / .seconds(1))) s: \(firstLine(reason))")
        }
        watch = PeerWatch(environment, timeout: timeout, purpose)
        watch.start()
    }

    /// Connects and waits for all. When ranks are started over, rank 0 may not serve yet, or still end
    /// what they are started over from, with its old store: then again, until it has begun anew.
    private static func meet(
        _ environment: RankEnvironment, _ keys: RankKeys, _ wait: Duration
    ) throws -> SharedStore {
        let role: SharedStore.Role =
            environment.rank > 0
            ? .joins
            : environment.launcherKeepsStore
                ? .signs : .serves(locally: environment.isOnOneMachine)
        let end = ContinuousClock.now + wait
        let own = Array(UUID().uuidString.utf8)
        var isTold = false
        while true {
            do {
                let store = try Self.store(environment, role, until: end, isTold: &isTold)
                try enter(store, keys, environment.rank, own)
                try waitForAll(store, keys, environment, until: end)
                return store
            } catch TorchError.communication(let reason) {
                guard environment.rank > 0, ContinuousClock.now + .seconds(1) < end else {
                    throw TorchError.communication(reason)
                }
            } catch TorchError.notYet(let reason) {
                guard ContinuousClock.now + .seconds(1) < end else {
                    throw TorchError.notYet(reason)
                }
                tell(reason, environment, &isTold)
            }
            Thread.sleep(forTimeInterval: 0.2)
        }
    }

    /// A connection, as soon as the store is there.
    static func store(
        _ environment: RankEnvironment, _ role: SharedStore.Role,
        until end: ContinuousClock.Instant
    ) throws(TorchError) -> SharedStore {
        var isTold = true
        return try store(environment, role, until: end, isTold: &isTold)
    }

    /// - Parameter isTold: whether the program knows why there is none yet.
    private static func store(
        _ environment: RankEnvironment, _ role: SharedStore.Role,
        until end: ContinuousClock.Instant, isTold: inout Bool
    ) throws(TorchError) -> SharedStore {
        while true {
            do throws(TorchError) {
                return try SharedStore(
                    host: environment.masterAddress, port: environment.masterPort, role: role,
                    secret: environment.secret, timeout: max(.milliseconds(1), end - .now))
            } catch .notYet(let reason) {
                guard ContinuousClock.now < end else { throw .notYet(reason) }
                tell(reason, environment, &isTold)
            }
            Thread.sleep(forTimeInterval: 0.1)
        }
    }

    private static func tell(
        _ reason: String, _ environment: RankEnvironment, _ isTold: inout Bool
    ) {
        guard !isTold else { return }
        isTold = true
        environment.onEvent(
            .waits("rank \(environment.rank) has not met the others yet and waits: \(reason)"))
    }

    /// Throws where another process has been this rank.
    private static func enter(
        _ store: SharedStore, _ keys: RankKeys, _ rank: Int, _ own: [UInt8]
    ) throws {
        if try store.add(keys.entries(rank), 1) > 1 {
            guard try store.contains(keys.here(rank)),
                try store.value(keys.here(rank), timeout: .seconds(5)) == own
            else { throw TorchError.notYet("another process is or was rank \(rank)") }
            return
        }
        try store.set(keys.here(rank), own)
        try store.add(keys.arrivals, 1)
    }

    /// Names who is missing.
    private static func waitForAll(
        _ store: SharedStore, _ keys: RankKeys, _ environment: RankEnvironment,
        until end: ContinuousClock.Instant
    ) throws {
        // One question each, however many there are.
        while try store.add(keys.arrivals, 0) < environment.worldSize {
            guard ContinuousClock.now < end else {
                let missing = try (0..<environment.worldSize).filter {
                    try !store.contains(keys.here($0))
                }
                let names = missing.prefix(20).map(String.init).joined(separator: ", ")
                throw TorchError.communication("missing: rank \(names)")
            }
            Thread.sleep(forTimeInterval: 0.02)
        }
    }

    /// Waits for what a process sets. False when it was lost before.
    package func isThere(_ key: String, of rank: Int) throws -> Bool {
        let end = ContinuousClock.now + longWait
        while true {
            let isLost = try store.contains(keys.dead(rank))
            if try store.contains(key) { return true }
            if isLost { return false }
            guard ContinuousClock.now < end else {
                throw LabelingError.rankLost(
                    "rank \(rank) did not begin within \(Int(longWait / .seconds(1))) s")
            }
            Thread.sleep(forTimeInterval: 0.02)
        }
    }

    /// Who is gone, after a collective failed: who ended by itself said so, who died counts no
    /// further.
    func blamed(for reason: String) -> LabelingError {
        let rank = environment.rank
        func beats() throws -> [Int] {
            try (0..<environment.worldSize).map { try store.add(keys.beat($0), 0) }
        }
        let text: String
        do {
            let before = try beats()
            Thread.sleep(forTimeInterval: 4 * pause)
            let dead = zip(before, try beats()).enumerated()
                .filter { $0.offset != rank && $0.element.0 == $0.element.1 }
                .map { "\($0.offset)" }
            if try store.contains(keys.loss) {
                let said = String(
                    decoding: try store.value(keys.loss, timeout: timeout), as: UTF8.self)
                text = printable(said, limit: 400)
            } else if dead.isEmpty {
                text = watch.loss ?? "rank \(rank) lost another (\(firstLine(reason)))"
            } else {
                text = "rank \(dead.joined(separator: ", ")) died or was cut off"
            }
        } catch {
            text =
                watch.loss
                ?? "rank \(rank) lost rank 0 at \(environment.masterAddress):"
                + "\(environment.masterPort): \(firstLine("\(error)"))"
        }
        watch.end()
        try? store.set(keys.loss, Array(text.utf8))
        return .rankLost(text)
    }

    /// Tells the others that a process does no more of what they do apart.
    static func note(lost rank: Int, in store: SharedStore, _ keys: RankKeys) throws {
        try store.set(keys.dead(rank), [])
        try store.add(keys.losses, 1)
    }

    /// Tells the others why this process ends.
    package func fail(_ error: any Error) {
        if case LabelingError.rankLost = error { return }
        watch.end()
        guard (try? store.contains(keys.loss)) == false else { return }
        let text = "rank \(environment.rank) ended with an error: \(error)"
        try? store.set(keys.loss, Array(text.utf8))
        // Rank 0 takes the store with it: let the others read it first.
        if environment.rank == 0 { Thread.sleep(forTimeInterval: 4 * pause) }
    }

    /// The end of a run that went well; rank 0 outlives the last words of the others.
    package func finish() throws {
        guard environment.rank == 0 else {
            // All is done; under watch, because a store that is cut off does not answer.
            _ = try? store.add(keys.left, 1)
            watch.end()
            return
        }
        watch.end()
        let living = try (1..<environment.worldSize).filter { try !store.contains(keys.dead($0)) }
        let end = ContinuousClock.now + .seconds(5)
        while try store.add(keys.left, 0) < living.count, ContinuousClock.now < end {
            Thread.sleep(forTimeInterval: 0.01)
        }
    }

    private var pause: Double { PeerWatch.interval(timeout) / .seconds(1) }
}

func firstLine(_ text: String) -> Substring { text.prefix { $0 != "\n" } }

/// The names of what the ranks of a run keep in the store.
package struct RankKeys: Sendable {
    let prefix: String

    init(_ environment: RankEnvironment) {
        prefix = "mal/\(environment.attempt)/"
    }

    func entries(_ rank: Int) -> String { prefix + "entries/\(rank)" }
    func here(_ rank: Int) -> String { prefix + "here/\(rank)" }
    func beat(_ rank: Int) -> String { prefix + "beat/\(rank)" }
    var arrivals: String { prefix + "arrivals" }
    /// How many are dead, or more: another process may note it too.
    var losses: String { prefix + "losses" }
    func dead(_ rank: Int) -> String { prefix + "dead/\(rank)" }
    var loss: String { prefix + "loss" }
    var left: String { prefix + "left" }
    /// What a process begins to label with.
    package func part(_ rank: Int) -> String { prefix + "part/\(rank)" }
    /// What all begin with, as rank 0 put it together.
    package var allParts: String { prefix + "part/all" }
    /// Batches that a process takes for itself.
    var nextLease: String { prefix + "lease/next" }
    func owner(_ lease: Int, _ turn: Int) -> String { prefix + "lease/\(lease)/owner/\(turn)" }
    func claims(_ lease: Int, _ turn: Int) -> String { prefix + "lease/\(lease)/claims/\(turn)" }
    func done(_ lease: Int) -> String { prefix + "lease/\(lease)/done" }
    var doneCount: String { prefix + "lease/done" }
    var boxCount: String { prefix + "boxes" }
}
