import Torch

/// Runs `body` as one of the processes that the environment tells of; alone when it tells of none.
///
/// All processes end together: well, or each with the reason of the first that failed.
///
/// - Parameter onLoss: called on another thread before this process is ended because another is lost.
func withRanks<Result>(
    _ environment: RankEnvironment?, timeout: Duration,
    onLoss: @escaping @Sendable (String) -> Void = { _ in },
    isolation: isolated (any Actor)? = #isolation,
    _ body: (Ranks?) async throws -> Result
) async throws -> Result {
    guard let environment, environment.worldSize > 1 else { return try await body(nil) }
    let ranks = try Ranks(environment, timeout: timeout, onLoss: onLoss)
    do {
        let result = try await body(ranks)
        try ranks.finish()
        return result
    } catch {
        switch error {
        case LabelingError.trainingStopped, LabelingError.interrupted: try ranks.finish()
        default: ranks.fail(error)
        }
        throw error
    }
}

/// Runs `body` as one of several processes that work apart: the others take over what one of them
/// leaves undone.
func withMeeting<Result>(
    _ environment: RankEnvironment, timeout: Duration,
    onDeath: @escaping @Sendable (String) -> Void,
    isolation: isolated (any Actor)? = #isolation,
    _ body: (RankMeeting) async throws -> Result
) async throws -> Result {
    let meeting = try RankMeeting(environment, timeout: timeout, .apart(onDeath: onDeath))
    do {
        let result = try await body(meeting)
        try meeting.finish()
        return result
    } catch LabelingError.interrupted(let done, let total) {
        try? meeting.finish()
        throw LabelingError.interrupted(done: done, total: total)
    } catch TorchError.communication(let reason) {
        throw meeting.blamed(for: reason)
    } catch {
        if environment.rank == 0 {
            meeting.fail(error)
        } else {
            try? RankMeeting.note(lost: environment.rank, in: meeting.store, meeting.keys)
            try? meeting.finish()
        }
        throw error
    }
}

/// Throws when a process has other inputs than rank 0: a key of the spec, a file's content.
func requireEqualInputs(_ inputs: [String: String], _ ranks: Ranks) throws {
    let all = try ranks.gather(inputs)
    for (rank, other) in all.enumerated() where other != all[0] {
        let names = Set(all[0].keys).union(other.keys).filter { all[0][$0] != other[$0] }.sorted()
        throw LabelingError.wrongUse(
            "rank \(rank) was started with other inputs than rank 0: "
                + names.map {
                    printable(
                        "\($0) (\(all[0][$0] ?? "absent") at rank 0, \(other[$0] ?? "absent"))",
                        limit: 400)
                }.joined(separator: "; "))
    }
}

extension Ranks {
    /// The broken images that any process met.
    ///
    /// - Parameter count: of annotations that there are.
    package func gathered(
        _ failures: [(annotation: Int, reason: String)], of count: Int
    ) throws -> [(annotation: Int, reason: String)] {
        let places = try gather(failures.map(\.annotation)).flatMap { $0 }
        let reasons = try gather(failures.map(\.reason)).flatMap { $0 }
        guard places.allSatisfy((0..<count).contains) else {
            throw refused("annotations that the data does not have")
        }
        return zip(places, reasons).map {
            (annotation: $0, reason: printable($1, limit: 400))
        }
    }
}
