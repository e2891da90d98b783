import Imaging

/// A place in a training run: the next batch to train on.
package struct TrainingPosition: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// From 0.
    package var epoch: Int
    /// Batch of the epoch, from 0.
    package var batch: Int

    package init(epoch: Int = 0, batch: Int = 0) {
        self.epoch = epoch
        self.batch = batch
    }

    package static func < (left: Self, right: Self) -> Bool {
        (left.epoch, left.batch) < (right.epoch, right.batch)
    }

    package var description: String { "epoch \(epoch), batch \(batch)" }
}

/// The order in which one epoch visits the samples: each once, shuffled. It follows from seed and
/// epoch alone, so a run is continued at any place without the numbers drawn before.
package struct EpochSampler: Sendable, Equatable {
    package let epoch: Int
    /// A permutation of 0..<count.
    package let order: [Int]

    package init(seed: UInt64, epoch: Int, count: Int) {
        self.epoch = epoch
        var order = Array(0..<count)
        var generator = TrainingRandom.order(seed: seed, epoch: epoch)
        for last in stride(from: count - 1, to: 0, by: -1) {
            order.swapAt(last, generator.index(below: last + 1))
        }
        self.order = order
    }

    /// How many batches `count` samples make; the last may be smaller.
    package static func batchCount(of count: Int, batchSize: Int) -> Int {
        (count + batchSize - 1) / batchSize
    }

    /// Positions in the epoch of batch `index`. Batches begin at `origin` + a multiple of their size;
    /// `origin` is not 0 after a run went on with another batch size.
    package func positions(ofBatch index: Int, batchSize: Int, origin: Int = 0) -> Range<Int> {
        let start = min(max(origin + index * batchSize, 0), order.count)
        return start..<min(start + batchSize, order.count)
    }

    /// The part of a batch's positions that is `rank`'s of `rankCount`: equal parts of a whole batch,
    /// parts that differ by one of an epoch's last.
    package static func share(
        of positions: Range<Int>, rank: Int, rankCount: Int
    ) -> Range<Int> {
        let start = positions.lowerBound
        return start + positions.count * rank / rankCount..<start + positions.count * (rank + 1)
            / rankCount
    }
}
