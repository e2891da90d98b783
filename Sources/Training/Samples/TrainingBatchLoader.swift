import Annotations
import Imaging
import Torch

/// Makes batches ahead of the training step, epoch after epoch. Which samples a batch has and their
/// random numbers follow from seed and position alone: the batches are the same for any number of
/// tasks and wherever the run was continued.
///
/// What is held at a time is bounded: the crops of a few batches, and one decoded image per task.
package struct TrainingBatchLoader {
    private typealias SampleTask = Task<Result<TrainingSample, TrainingSampleFault>, Never>

    private struct Scheduled {
        let position: TrainingPosition
        let samplesInEpoch: Int
        let samples: [(annotation: Int, task: SampleTask)]
    }

    private let set: TrainingSet
    private let settings: TrainingSampleSettings
    private let batchSize: Int
    private let seed: UInt64
    private let end: TrainingPosition
    private let start: TrainingPosition
    /// Where batch 0 of the first epoch begins.
    private let firstOrigin: Int
    private let rank: Int
    private let rankCount: Int
    private let lookahead: Int
    private var sampler: EpochSampler
    private var upcoming: TrainingPosition
    private var scheduled: [Scheduled] = []
    /// The newest task of each lane; a task starts when the one before it in its lane is done.
    private var lanes: [SampleTask?]
    private var nextLane = 0
    /// Images above `largeImage` pixels share one lane, so that one is decoded at a time.
    private var largeImageLane: SampleTask?

    private static let largeImage = 16_000_000

    /// - Parameters:
    ///   - batchSize: of all processes together.
    ///   - start: the first batch; one behind its epoch's last means the next epoch.
    ///   - firstSample: where in its epoch that batch begins; nil where batches of this size do.
    ///   - epochCount: the batches end with epoch `epochCount` − 1.
    ///   - taskCount: samples made at a time; 0 counts as 1.
    ///   - rank: which of `rankCount` equal parts of each batch to make.
    package init(
        set: TrainingSet, settings: TrainingSampleSettings, batchSize: Int, seed: UInt64,
        start: TrainingPosition = TrainingPosition(), firstSample: Int? = nil, epochCount: Int,
        taskCount: Int, rank: Int = 0, rankCount: Int = 1
    ) {
        precondition(
            batchSize > 0 && start.epoch >= 0 && start.batch >= 0,
            "batches of \(batchSize) from \(start)")
        self.set = set
        self.settings = settings
        self.batchSize = batchSize
        self.seed = seed
        end = TrainingPosition(epoch: set.count == 0 ? 0 : epochCount)
        upcoming = start
        self.start = start
        firstOrigin = firstSample.map { $0 - start.batch * batchSize } ?? 0
        self.rank = rank
        self.rankCount = rankCount
        sampler = EpochSampler(seed: seed, epoch: start.epoch, count: set.count)
        lanes = [SampleTask?](repeating: nil, count: min(max(taskCount, 1), 256))
        lookahead = 2 + lanes.count / batchSize
        skipFinishedEpoch()
    }

    /// The next batch in order, also if all its samples failed; nil after the last.
    package mutating func next(
        isolation: isolated (any Actor)? = #isolation
    ) async -> TrainingBatch? {
        schedule()
        guard !scheduled.isEmpty else { return nil }
        let batch = scheduled.removeFirst()
        var samples: [(annotation: Int, sample: Result<TrainingSample, TrainingSampleFault>)] = []
        for (annotation, task) in batch.samples {
            samples.append((annotation, await task.value))
        }
        schedule()
        return TrainingBatch(
            position: batch.position,
            samplesInEpoch: batch.samplesInEpoch, set: set, cropSize: settings.cropSize,
            samples: samples)
    }

    /// Stops work that nobody will ask for; the loader gives no more batches.
    package mutating func cancel() {
        for batch in scheduled {
            for (_, task) in batch.samples { task.cancel() }
        }
        scheduled = []
        upcoming = end
    }

    private mutating func skipFinishedEpoch() {
        let origin = upcoming.epoch == start.epoch ? firstOrigin : 0
        guard origin + upcoming.batch * batchSize >= set.count else { return }
        upcoming = TrainingPosition(epoch: upcoming.epoch + 1)
    }

    private mutating func schedule() {
        while scheduled.count < lookahead, upcoming < end {
            if sampler.epoch != upcoming.epoch {
                sampler = EpochSampler(seed: seed, epoch: upcoming.epoch, count: set.count)
            }
            let positions = sampler.positions(
                ofBatch: upcoming.batch, batchSize: batchSize,
                origin: upcoming.epoch == start.epoch ? firstOrigin : 0)
            let samples = EpochSampler.share(
                of: positions, rank: rank, rankCount: rankCount
            ).map { position in
                let annotation = set.annotations[sampler.order[position]]
                return (annotation, sampleTask(annotation: annotation, position: position))
            }
            scheduled.append(
                Scheduled(
                    position: upcoming, samplesInEpoch: positions.upperBound, samples: samples))
            upcoming.batch += 1
            skipFinishedEpoch()
        }
    }

    private mutating func sampleTask(annotation: Int, position: Int) -> SampleTask {
        let image = set.file.annotations[annotation].imageIndex
        let pixelCount = image.flatMap { set.size(ofImage: $0)?.pixelCount } ?? 0
        let isLarge = pixelCount > Self.largeImage
        let before = isLarge ? largeImageLane : lanes[nextLane]
        let generator = TrainingRandom.sample(
            seed: seed, epoch: upcoming.epoch, position: position)
        let task = SampleTask.detached { [set, settings] in
            _ = await before?.value
            guard !Task.isCancelled else {
                return .failure(TrainingSampleFault(reason: "the run was stopped"))
            }
            var generator = generator
            let draw = TrainingDraw(settings, using: &generator)
            return Result { () throws(TrainingSampleFault) in
                try set.sample(annotation: annotation, draw: draw, settings: settings)
            }
        }
        if isLarge {
            largeImageLane = task
        } else {
            lanes[nextLane] = task
            nextLane = (nextLane + 1) % lanes.count
        }
        return task
    }
}

extension TrainingSet {
    /// Decodes what the sample needs of the image, and makes it.
    func sample(
        annotation index: Int, draw: TrainingDraw, settings: TrainingSampleSettings
    ) throws(TrainingSampleFault) -> TrainingSample {
        let annotation = file.annotations[index]
        guard let image = annotation.imageIndex else {
            throw TrainingSampleFault(reason: DropReason.unknownImage.description)
        }
        do {
            let path = try self.path(ofImage: image)
            let decoded = try ImageCodec.decode(
                path: path, covering: [draw.window(of: annotation.box)],
                options: settings.decoding)
            if let fault = sizeFault(of: decoded.imageSize, image: image, path: path) {
                throw TrainingSampleFault(reason: fault)
            }
            return try TrainingSample(
                box: annotation.box, truth: truth(of: annotation), image: decoded, draw: draw,
                cropSize: settings.cropSize)
        } catch let fault as TrainingSampleFault {
            throw fault
        } catch {
            throw TrainingSampleFault(reason: "\(error)")
        }
    }
}
