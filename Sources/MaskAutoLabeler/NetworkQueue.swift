import Inference
import Specs
import Torch

/// Owns a network, and joins what several callers want of it into batches.
actor NetworkQueue {
    private struct Request {
        let id: Int
        let batch: CropBatch
        let answer: CheckedContinuation<NetworkOutput, any Error>
    }

    private let predictor: MaskPredictor
    private let batchSize: Int
    private let threads: Int?
    private var waiting: [Request] = []
    private var nextID = 0
    private var isWorking = false

    init(_ network: LabelNetwork, threads: Int?) throws {
        predictor = try network.predictor(threads: threads)
        batchSize = network.batchSize
        self.threads = threads
    }

    /// See ``MaskPredictor/output(of:measuresContrast:)``.
    func output(of batch: CropBatch) async throws -> NetworkOutput {
        let id = nextID
        nextID += 1
        return try await withTaskCancellationHandler {
            try Task.checkCancellation()
            return try await withCheckedThrowingContinuation { answer in
                waiting.append(Request(id: id, batch: batch, answer: answer))
                guard !isWorking else { return }
                isWorking = true
                Task { await work() }
            }
        } onCancel: {
            Task { await cancel(id) }
        }
    }

    /// Takes out what nobody waits for any more; what the network has begun is finished.
    private func cancel(_ id: Int) {
        guard let place = waiting.firstIndex(where: { $0.id == id }) else { return }
        waiting.remove(at: place).answer.resume(throwing: CancellationError())
    }

    private func work() async {
        while !waiting.isEmpty {
            // Lets callers that have come meanwhile in, so that their boxes share the batch.
            await Task.yield()
            let requests = next()
            guard !requests.isEmpty else { continue }
            do {
                let joined = CropBatch(joining: requests.map(\.batch))
                let output = try Libtorch.withThreads(threads) {
                    try predictor.output(of: joined, measuresContrast: true)
                }
                var start = 0
                for request in requests {
                    let end = start + request.batch.items.count
                    request.answer.resume(
                        returning: output.crops(start..<end, of: joined.items.count))
                    start = end
                }
            } catch {
                for request in requests { request.answer.resume(throwing: error) }
            }
        }
        isWorking = false
    }

    /// The first request, and those after it that fit into its batch.
    private func next() -> [Request] {
        guard let first = waiting.first else { return [] }
        var count = 0
        var taken: [Request] = []
        waiting.removeAll { request in
            guard request.batch.cropSize == first.batch.cropSize,
                taken.isEmpty || count + request.batch.items.count <= batchSize
            else { return false }
            count += request.batch.items.count
            taken.append(request)
            return true
        }
        return taken
    }
}

/// Lets so many callers in at a time, in the order in which they come.
actor Gate {
    private var free: Int
    private var waiting: [(id: Int, enter: CheckedContinuation<Void, any Error>)] = []
    private var nextID = 0

    init(places: Int) { free = places }

    nonisolated func withPlace<Result: Sendable>(
        _ body: @Sendable () async throws -> Result
    ) async throws -> Result {
        try await enter()
        do {
            let result = try await body()
            await leave()
            return result
        } catch {
            await leave()
            throw error
        }
    }

    private func enter() async throws {
        let id = nextID
        nextID += 1
        try await withTaskCancellationHandler {
            try Task.checkCancellation()
            guard free == 0 else {
                free -= 1
                return
            }
            try await withCheckedThrowingContinuation { waiting.append((id, $0)) }
        } onCancel: {
            Task { await cancel(id) }
        }
    }

    private func leave() {
        guard waiting.isEmpty else { return waiting.removeFirst().enter.resume() }
        free += 1
    }

    private func cancel(_ id: Int) {
        guard let place = waiting.firstIndex(where: { $0.id == id }) else { return }
        waiting.remove(at: place).enter.resume(throwing: CancellationError())
    }
}
