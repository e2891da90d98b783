/// Lets requests in one after the other, as many as their images have room for, and refuses those that would wait
/// behind too many others.
actor RequestQueue {
    private struct Waiting {
        let id: Int
        let pixels: Int
        let enter: CheckedContinuation<Void, any Error>
    }

    private let maxWaiting: Int
    private var freePixels: Int
    private var freePlaces: Int
    private var waiting: [Waiting] = []
    private var nextID = 0

    /// - Parameters:
    ///   - pixels: of all images that are decoded at the same time.
    ///   - places: the most requests that are worked on at the same time.
    init(maxWaiting: Int, pixels: Int, places: Int = 16) {
        self.maxWaiting = maxWaiting
        freePixels = pixels
        freePlaces = places
    }

    var waitingCount: Int { waiting.count }

    /// Runs `body` when there is room for an image of `pixels`, which must not be more than there are at all.
    ///
    /// - Throws: ``Refusal`` with 429 when the queue is full; `CancellationError`.
    nonisolated func withRoom<Result: Sendable>(
        for pixels: Int, _ body: @Sendable () async throws -> Result
    ) async throws -> Result {
        try await enter(pixels)
        do {
            let result = try await body()
            await leave(pixels)
            return result
        } catch {
            await leave(pixels)
            throw error
        }
    }

    private func enter(_ pixels: Int) async throws {
        if waiting.isEmpty, freePlaces > 0, freePixels >= pixels {
            freePlaces -= 1
            freePixels -= pixels
            return
        }
        guard waiting.count < maxWaiting else {
            throw Refusal.busy("\(waiting.count) requests wait already")
        }
        let id = nextID
        nextID += 1
        try await withTaskCancellationHandler {
            try Task.checkCancellation()
            try await withCheckedThrowingContinuation {
                waiting.append(Waiting(id: id, pixels: pixels, enter: $0))
            }
        } onCancel: {
            Task { await cancel(id) }
        }
    }

    private func leave(_ pixels: Int) {
        freePlaces += 1
        freePixels += pixels
        letIn()
    }

    private func letIn() {
        while let first = waiting.first, freePlaces > 0, freePixels >= first.pixels {
            waiting.removeFirst()
            freePlaces -= 1
            freePixels -= first.pixels
            first.enter.resume()
        }
    }

    private func cancel(_ id: Int) {
        guard let place = waiting.firstIndex(where: { $0.id == id }) else { return }
        waiting.remove(at: place).enter.resume(throwing: CancellationError())
        letIn()
    }
}
