import HTTPTypes
import Synchronization

/// Bounds the bytes that the bodies, image files and answers of all requests take together.
final class MemoryBudget: Sendable {
    private let size: Int
    private let taken = Mutex(0)

    init(_ size: Int) { self.size = size }

    func makeHold() -> Hold { Hold(self) }

    /// What one request takes. It is given back when nothing refers to this any more.
    final class Hold: Sendable {
        private let budget: MemoryBudget
        private let count = Mutex(0)

        fileprivate init(_ budget: MemoryBudget) { self.budget = budget }

        deinit {
            let count = count.withLock { $0 }
            budget.taken.withLock { $0 -= count }
        }

        /// - Throws: ``Refusal``: 429 when there is no room now, 413 when there never is.
        func add(_ bytes: Int) throws {
            let own = count.withLock { $0 }
            guard own + bytes <= budget.size else {
                throw Refusal(
                    .contentTooLarge,
                    "expected a request that takes at most \(budget.size) bytes with its image and its "
                        + "answer, found more")
            }
            try budget.taken.withLock {
                guard $0 + bytes <= budget.size else {
                    throw Refusal.busy("too many large requests at the same time")
                }
                $0 += bytes
            }
            count.withLock { $0 += bytes }
        }
    }
}
