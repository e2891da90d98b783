package import Distributed
import MaskModel
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
    /// Whether sums shall begin within the backward pass; see ``start(from:)``.
    package let overlaps: Bool
    private let parameters: [(name: String, tensor: Tensor)]
    /// Places of parameters that cross together, in the order in which a backward pass comes to them.
    private let buckets: [[Int]]
    /// The lowest block of each bucket: −1 for what is below all, above all for norm and heads.
    private let lowestBlocks: [Int]
    private let statistics: [Tensor]
    private let transport: DType
    /// Of each parameter with `strategy: zero1`; empty when every process keeps all.
    private let owners: [Int]
    /// What buckets cross in, kept from step to step: vectors made anew each time break the heap into pieces that
    /// fit nothing later.
    private var vectors: [(whole: Tensor, parts: [Tensor])] = []
    /// The sums of the running step that have begun, in the order of the buckets.
    private var pending: [(vector: Tensor, work: PendingCollective)] = []
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
        transport: DType = .float32, shardsOptimizer: Bool = false, overlaps: Bool = false
    ) {
        self.ranks = ranks
        self.parameters = parameters
        self.statistics = statistics
        self.transport = transport
        self.overlaps = overlaps
        let blocks = parameters.map { Self.block(ofParameter: $0.name) }
        let order = parameters.indices.sorted { (blocks[$1], $0) < (blocks[$0], $1) }
        buckets = FlatBuckets(order.map { parameters[$0].tensor }).ranges.map { Array(order[$0]) }
        lowestBlocks = buckets.map { $0.map { blocks[$0] }.min() ?? .max }
        owners = shardsOptimizer ? Self.owners(parameters.map(\.tensor.count), ranks.count) : []
    }

    private static func block(ofParameter name: String) -> Int {
        guard name.hasPrefix("backbone.") else { return .max }
        return switch BackbonePart(parameter: String(name.dropFirst("backbone.".count))) {
        case .tokens, .patchEmbedding: -1
        case .block(let index): index
        case .norm: .max
        }
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

    /// Begins to sum the gradients of the blocks from `block` on, of the final norm and of the heads,
    /// which the backward pass of the step's last batch has finished.
    package func start(from block: Int) {
        attempt { try startAll(from: block) }
    }

    private func startAll(from block: Int) throws {
        while pending.count < buckets.count, lowestBlocks[pending.count] >= block {
            try startNext()
        }
    }

    /// Every process starts the same buckets in the same order, whatever gradients it has: which ones
    /// it has crosses with them.
    private func startNext() throws {
        let places = buckets[pending.count]
        let tensors = places.map { parameters[$0].tensor }
        let found = tensors.map(\.gradient)
        let flags = Tensor(
            found.map { $0 == nil ? 0 : 1 }, [found.count], device: tensors[0].device)
        let vector = packed(tensors, found, flags)
        pending.append((vector, try ranks.startSum(vector)))
    }

    /// The vector of the bucket that comes next.
    private func packed(_ tensors: [Tensor], _ gradients: [Tensor?], _ flags: Tensor) -> Tensor {
        // From another device one large copy is faster than many small ones.
        guard tensors[0].device == ranks.vectorDevice else {
            let values = zip(tensors, gradients).map {
                $1 ?? .zeros($0.shape, device: $0.device)
            }
            return FlatBuckets.packed(
                values + [flags], as: transport, on: ranks.vectorDevice)
        }
        return withoutGradients {
            if vectors.count == pending.count {
                let shapes = tensors.map(\.shape) + [flags.shape]
                let count = shapes.reduce(0) { $0 + $1.reduce(1, *) }
                let whole = Tensor.zeros([count], transport, device: ranks.vectorDevice)
                vectors.append((whole, FlatBuckets.parts(of: whole, shapes: shapes)))
            }
            let (whole, parts) = vectors[pending.count]
            for (part, values) in zip(parts, gradients + [flags]) {
                if let values { part.copy(from: values) } else { part.zero() }
            }
            return whole
        }
    }

    /// Makes gradients the sums over all processes, and gives those of the losses. A parameter has a gradient
    /// afterwards when it had one anywhere. Running statistics become rank 0's.
    package func reduced(_ losses: [Double]) -> [Double] {
        var sums = losses
        attempt {
            try startAll(from: .min)
            moved = [Bool](repeating: false, count: parameters.count)
            for (places, (vector, work)) in zip(buckets, pending) {
                try ranks.finish(work)
                take(vector, places)
            }
            pending = []
            sums = try ranks.sums(losses)
            try Self.shareFromFirst(statistics, ranks)
        }
        return sums
    }

    /// Replaces gradients by what came of all processes.
    private func take(_ vector: Tensor, _ places: [Int]) {
        let tensors = places.map { parameters[$0].tensor }
        withoutGradients {
            let count = vector.count
            let flags = vector.narrowed(0, count - places.count..<count).floats()
            let views = FlatBuckets.views(
                of: vector, shapes: tensors.map(\.shape), device: tensors[0].device)
            for (index, flag) in flags.enumerated() where flag > 0 {
                tensors[index].gradient = views[index]
                moved[places[index]] = true
            }
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
        buckets.flatMap { bucket in
            (0..<ranks.count).compactMap { owner in
                let places = bucket.filter { owners[$0] == owner && isWanted($0) }
                return places.isEmpty ? nil : (owner, places)
            }
        }
    }

    private func broadcast(_ tensors: [Tensor], from root: Int) throws {
        let vector = FlatBuckets.packed(tensors, as: .float32, on: ranks.vectorDevice)
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
            let vector = FlatBuckets.packed(part, as: .float32, on: ranks.vectorDevice)
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
                ? Tensor.zeros([2 * parameter.count + 1], device: ranks.vectorDevice)
                : FlatBuckets.packed(own, as: .float32, on: ranks.vectorDevice)
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
