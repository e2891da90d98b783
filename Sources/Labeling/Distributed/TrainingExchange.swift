package import Torch

/// What joins the training steps of several processes: sums of gradients and losses, and with
/// `strategy: zero1` the parameters that each process moved for all.
///
/// Losses and gradients are shares of all processes' objects, so that their sums are those of one
/// process with the whole batch. After a failure nothing more is exchanged and ``check()`` throws:
/// the step in between runs to its end with numbers that nobody keeps.
package final class TrainingExchange {
    /// Objects of the coming step over all processes.
    package var objectCount = 0
    private let ranks: Ranks
    private let parameters: [(name: String, tensor: Tensor)]
    private let buckets: FlatBuckets
    private let statistics: [Tensor]
    private let transport: DType
    /// Of each parameter with `strategy: zero1`; empty when every process keeps all.
    private let owners: [Int]
    /// Parameters of the running step that have a gradient somewhere.
    private var moved: [Bool] = []
    private var failure: (any Error)?

    /// - Parameters:
    ///   - parameters: all of the student's, in the same order on every process.
    ///   - statistics: batch norm's running ones, of which all processes keep rank 0's after each
    ///     step.
    ///   - transport: float32, or bfloat16 for half the bytes and less exact sums.
    package init(
        _ ranks: Ranks, _ parameters: [(name: String, tensor: Tensor)], statistics: [Tensor] = [],
        transport: DType = .float32, shardsOptimizer: Bool = false
    ) {
        self.ranks = ranks
        self.parameters = parameters
        self.statistics = statistics
        self.transport = transport
        buckets = FlatBuckets(parameters.map(\.tensor))
        owners = shardsOptimizer ? Self.owners(parameters.map(\.tensor.count), ranks.count) : []
    }

    /// The largest first, each to the process that has the least so far.
    static func owners(_ sizes: [Int], _ processCount: Int) -> [Int] {
        var loads = [Int](repeating: 0, count: processCount)
        var owners = [Int](repeating: 0, count: sizes.count)
        for place in sizes.indices.sorted(by: { (sizes[$1], $0) < (sizes[$0], $1) }) {
            let owner = loads.indices.min { (loads[$0], $0) < (loads[$1], $1) } ?? 0
            owners[place] = owner
            loads[owner] += sizes[place]
        }
        return owners
    }

    /// The parameters whose optimizer state this process keeps; nil for all.
    package var ownPlaces: Set<Int>? {
        owners.isEmpty ? nil : Set(owners.indices.filter { owners[$0] == ranks.rank })
    }

    /// Throws what went wrong since the last time.
    package func check() throws {
        if let failure { throw failure }
    }

    // MARK: In a step

    /// Makes gradients and losses the sums over all processes. A parameter has a gradient afterwards
    /// when it had one anywhere. Running statistics become rank 0's.
    package func reduce(mil: inout Double, crf: inout Double) {
        attempt {
            let found = parameters.map(\.tensor.gradient)
            let sums = try ranks.sums([mil, crf] + found.map { $0 == nil ? 0 : 1 })
            (mil, crf) = (sums[0], sums[1])
            moved = sums.dropFirst(2).map { $0 > 0 }
            var pending: [(places: [Int], vector: Tensor, work: PendingCollective)] = []
            for range in buckets.ranges {
                let places = range.filter { moved[$0] }
                guard !places.isEmpty else { continue }
                let vector = FlatBuckets.packed(
                    places.map { found[$0] ?? .zeros(parameters[$0].tensor.shape) }, as: transport)
                pending.append((places, vector, try ranks.startSum(vector)))
            }
            for (places, vector, work) in pending {
                try ranks.finish(work)
                let tensors = places.map { parameters[$0].tensor }
                withoutGradients {
                    let views = FlatBuckets.views(
                        of: vector, shapes: tensors.map(\.shape), device: tensors[0].device)
                    for (tensor, view) in zip(tensors, views) { tensor.gradient = view }
                }
            }
            try Self.shareFromFirst(statistics, ranks)
        }
    }

    /// After the optimizer's step: brings what other processes moved here.
    package func shareParameters() {
        guard !owners.isEmpty else { return }
        attempt {
            for (owner, places) in placesByOwner(where: { moved[$0] }) {
                let tensors = places.map { parameters[$0].tensor }
                try broadcast(tensors, from: owner)
            }
        }
    }

    private func attempt(_ body: () throws -> Void) {
        // Placeholders have nothing to send; the process ends with its own error, and the others hear.
        guard failure == nil, !isMemoryLost else { return }
        do { try body() } catch { failure = error }
    }

    private func placesByOwner(where isWanted: (Int) -> Bool) -> [(owner: Int, places: [Int])] {
        buckets.ranges.flatMap { range in
            (0..<ranks.count).compactMap { owner in
                let places = range.filter { owners[$0] == owner && isWanted($0) }
                return places.isEmpty ? nil : (owner, places)
            }
        }
    }

    private func broadcast(_ tensors: [Tensor], from root: Int) throws {
        let vector = FlatBuckets.packed(tensors, as: .float32)
        try ranks.broadcast(vector, from: root)
        guard root != ranks.rank, let device = tensors.first?.device else { return }
        withoutGradients {
            let views = FlatBuckets.views(of: vector, shapes: tensors.map(\.shape), device: device)
            for (tensor, view) in zip(tensors, views) { tensor.copy(from: view) }
        }
    }

    // MARK: Between steps

    /// Gives every process the tensors of rank 0, which are of the same shapes everywhere.
    package static func shareFromFirst(_ tensors: [Tensor], _ ranks: Ranks) throws {
        for range in FlatBuckets(tensors).ranges {
            let part = Array(tensors[range])
            let vector = FlatBuckets.packed(part, as: .float32)
            try ranks.broadcast(vector, from: 0)
            guard !ranks.isFirst, let device = part.first?.device else { continue }
            withoutGradients {
                let views = FlatBuckets.views(of: vector, shapes: part.map(\.shape), device: device)
                for (tensor, view) in zip(part, views) { tensor.copy(from: view) }
            }
        }
    }

    /// Gives every process the optimizer state that rank 0 read from a checkpoint.
    package func shareState(of optimizer: AdamW) throws {
        let known = try presence(optimizer)
        for (place, isKnown) in known.enumerated() where isKnown {
            let parts = optimizer.state(at: place, makesFresh: true)
            try Self.shareFromFirst(parts, ranks)
            if let ownPlaces, !ownPlaces.contains(place) { optimizer.dropState(at: place) }
        }
    }

    /// The whole optimizer state for a checkpoint, on rank 0; elsewhere what is there.
    package func wholeState(
        of optimizer: AdamW
    ) throws -> [(name: String, tensor: Tensor)] {
        guard !owners.isEmpty else { return optimizer.exportState() }
        let known = try presence(optimizer)
        var parts: [[(name: String, tensor: Tensor)]] = []
        for (place, isKnown) in known.enumerated() where isKnown {
            let own = optimizer.state(at: place, makesFresh: false)
            let (name, parameter) = parameters[place]
            let vector =
                own.isEmpty
                ? Tensor.zeros([2 * parameter.count + 1]) : FlatBuckets.packed(own, as: .float32)
            try ranks.broadcast(vector, from: owners[place])
            guard ranks.isFirst else { continue }
            let shapes = [parameter.shape, parameter.shape, []]
            parts.append(
                zip(
                    AdamW.stateNames(of: name),
                    FlatBuckets.views(of: vector, shapes: shapes, device: .cpu)
                ).map { ($0, $1) })
        }
        return parts.flatMap { $0 }
    }

    /// Which parameters have state on any process.
    private func presence(_ optimizer: AdamW) throws -> [Bool] {
        try ranks.sums(
            parameters.indices.map {
                optimizer.state(at: $0, makesFresh: false).isEmpty ? 0 : 1
            }
        ).map { $0 > 0 }
    }
}
