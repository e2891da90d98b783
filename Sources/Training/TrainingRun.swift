import Annotations
package import Distributed
import Imaging
package import Inference
package import MaskModel
package import Specs
package import Torch

/// What a training run is made of and does not change: its spec, data, device and length.
package struct TrainingRun {
    package let spec: Spec
    package let set: TrainingSet
    package let configuration: MaskNetworkConfiguration
    package let device: Device
    package let seed: UInt64
    package let validation: TrainingValidation?
    /// Of the network, for the files that `mal label` takes.
    package let metadata: [String: String]
    /// Nil for one process.
    package let ranks: Ranks?
    /// Processes that a batch is divided among.
    package let rankCount: Int
    /// Where this part of the run began: steps of what came before may have had other sizes.
    private let origin: (step: Int, epoch: Int, samples: Int)

    package init(
        spec: Spec, set: TrainingSet, configuration: MaskNetworkConfiguration, device: Device,
        seed: UInt64,
        validation: TrainingValidation?, metadata: [String: String], ranks: Ranks? = nil,
        rankCount: Int = 1, state: TrainingState = TrainingState()
    ) {
        self.spec = spec
        self.set = set
        self.configuration = configuration
        self.device = device
        self.seed = seed
        self.validation = validation
        self.metadata = metadata
        self.ranks = ranks
        self.rankCount = rankCount
        let visited = spec.train.batchSize * spec.train.gradientAccumulationCount * rankCount
        let (samples, overflow) = visited.multipliedReportingOverflow(by: state.stepInEpoch)
        origin = (
            state.step, state.epoch,
            min(set.count, state.samplesInEpoch ?? (overflow ? set.count : samples))
        )
    }

    /// Objects of a batch over all processes.
    package var batchSize: Int { spec.train.batchSize * rankCount }

    package var batchesPerStep: Int { spec.train.gradientAccumulationCount }

    package var stepsPerEpoch: Int {
        stepCount(ofSamples: set.count)
    }

    /// What the learning rate's curve calls an epoch. Where the spec names the devices (`train.num_gpus`) it is
    /// TAO's: the batches of one device divided by the number of devices, rounded down (SPEC §2.4), which can be
    /// fewer than the steps of an epoch. Else any number of processes has the curve of one.
    var stepsPerScheduleEpoch: Int {
        let devices = spec.train.gpus.count * spec.train.gpus.nodeCount
        guard batchesPerStep == 1, devices > 1, devices == rankCount else { return stepsPerEpoch }
        return max(
            1, EpochSampler.batchCount(of: set.count, batchSize: spec.train.batchSize) / devices)
    }

    private func stepCount(ofSamples count: Int) -> Int {
        let batches = EpochSampler.batchCount(of: count, batchSize: batchSize)
        return (batches + batchesPerStep - 1) / batchesPerStep
    }

    /// `num_epochs` or `max_steps`, what ends first.
    package var stepCount: Int {
        let before = origin.step + stepCount(ofSamples: set.count - origin.samples)
        let epochs = max(0, spec.train.epochCount - origin.epoch - 1)
        let (later, overflow) = stepsPerEpoch.multipliedReportingOverflow(by: epochs)
        let all =
            origin.epoch >= spec.train.epochCount
            ? origin.step
            : overflow ? Int.max : before + later
        return min(all, spec.train.maxStepCount ?? Int.max)
    }

    /// The epochs that the run begins: `num_epochs`, or those before `max_steps`.
    var begunEpochCount: Int {
        let later = stepCount - origin.step - stepCount(ofSamples: set.count - origin.samples)
        let epochs = later > 0 ? (later - 1) / max(1, stepsPerEpoch) + 1 : 0
        return min(spec.train.epochCount, origin.epoch + 1 + epochs)
    }

    /// The step of its epoch that this part of the run begins with, in steps of its own size.
    package var firstStepInEpoch: Int { stepCount(ofSamples: origin.samples) }

    /// Batches from where this part of the run begins.
    package func loader() -> TrainingBatchLoader {
        TrainingBatchLoader(
            set: set, settings: TrainingSampleSettings(spec), batchSize: batchSize,
            seed: seed,
            start: TrainingPosition(
                epoch: origin.epoch, batch: firstStepInEpoch * batchesPerStep),
            firstSample: origin.samples, epochCount: spec.train.epochCount,
            taskCount: spec.dataset.workerCountPerGPU, rank: ranks?.rank ?? 0,
            rankCount: rankCount)
    }

    /// At the end of every `validation_interval`-th epoch and of the run.
    func isValidationDue(_ state: TrainingState) -> Bool {
        guard validation != nil, state.step > 0 else { return false }
        return state.step >= stepCount
            || state.stepInEpoch == 0 && state.epoch % spec.train.validationInterval == 0
    }

    func isCheckpointDue(_ state: TrainingState) -> Bool {
        if state.step >= stepCount { return true }
        switch spec.train.checkpointIntervalUnit {
        case .step: return state.step % spec.train.checkpointInterval == 0
        case .epoch:
            return state.stepInEpoch == 0 && state.epoch % spec.train.checkpointInterval == 0
        }
    }

    /// Whether the losses of a step are past their warm-up, so that they can be compared.
    func hasFullLossWeight(epoch: Int, stepInEpoch: Int) -> Bool {
        epoch > 0 || stepInEpoch > max(spec.train.milLossWarmupSteps, spec.train.crfLossWarmupSteps)
    }

    /// Objects whose activations are held at the same time; nil is a batch.
    package var objectsAtOnce: Int? {
        spec.train.microBatchSize > 0
            ? spec.train.microBatchSize
            : TrainingStepSettings.objectsAtOnce(
                on: device, cropSize: spec.dataset.cropSize, configuration)
    }

    package var stepSettings: TrainingStepSettings {
        let train = spec.train
        var settings = TrainingStepSettings(
            schedule: LearningRateSchedule(
                peak: train.scaledLearningRate(devices: rankCount),
                minimum: train.scaledLearningRate(devices: rankCount) * train.minLearningRateRate,
                warmupEpochCount: train.warmupStepCount.map {
                    Double($0) / Double(stepsPerScheduleEpoch)
                } ?? Double(train.warmupEpochCount),
                epochCount: Double(train.epochCount), waveCount: train.waveCount),
            stepsPerEpoch: stepsPerEpoch)
        settings.stepsPerScheduleEpoch = stepsPerScheduleEpoch
        settings.teacherMomentum = spec.model.teacherMomentum
        settings.averagesBuffers = train.averagesBuffers
        settings.milWeight = train.milLossWeight
        settings.crfWeight = train.crfLossWeight
        settings.maskWeight = train.maskLossWeight
        settings.milWarmupSteps = train.milLossWarmupSteps
        settings.crfWarmupSteps = train.crfLossWarmupSteps
        settings.meanField = MeanField(
            kernelSize: train.crfKernelSize, zeta: train.crfZeta,
            iterationCount: train.crfIterationCount,
            bounds: train.crfLowThreshold...train.crfHighThreshold)
        if train.featurePriorStepCount > 0 {
            settings.prior = TargetPrior(endStep: train.featurePriorStepCount)
        }
        if train.compositeWeight > 0 {
            settings.composites = CompositePlan(
                weight: train.compositeWeight, startStep: train.compositeStartStep)
        }
        settings.crfSizeRatio = train.crfSizeRatio
        settings.gradientNormLimit = train.gradientClipNorm > 0 ? train.gradientClipNorm : nil
        // Drop path leaves out other branches on each process.
        settings.seed = seed &+ UInt64(ranks?.rank ?? 0) &* 0x9e37_79b9_7f4a_7c15
        settings.objectsAtOnce = objectsAtOnce
        return settings
    }
}

/// How a run is measured against true masks.
package struct TrainingValidation {
    package let request: Evaluator.Request
    package let source: MaskSource
    package let usesFlip: Bool
    /// float32, or what autocast computes in.
    package let arithmetic: DType
    package let device: Device
    package let readsLate: Bool

    package init(
        request: Evaluator.Request, source: MaskSource, usesFlip: Bool, arithmetic: DType,
        device: Device, readsLate: Bool
    ) {
        self.request = request
        self.source = source
        self.usesFlip = usesFlip
        self.arithmetic = arithmetic
        self.device = device
        self.readsLate = readsLate
    }

    func evaluator(
        of pair: StudentTeacher, _ ranks: Ranks?, onEvent: @escaping RunEventHandler
    ) -> Evaluator {
        let networks =
            switch source {
            case .student: [pair.student]
            case .teacher: [pair.teacher]
            case .mixed: [pair.student, pair.teacher]
            }
        return Evaluator(
            request: request,
            predictor: MaskPredictor(
                networks: networks, source: source, device: device, arithmetic: arithmetic,
                flipTest: usesFlip, repairsBucketBorders: false, readsLate: readsLate),
            ranks: ranks, onEvent: onEvent)
    }

    /// The first few crops of the validation set, always the same, for pictures.
    func pictureTensors(
        isolation: isolated (any Actor)? = #isolation, device: Device
    ) async throws -> TrainingTensors? {
        var settings = request.settings
        settings.batchSize = 4
        var plan = BoxPlan(
            file: request.file, imagesDirectory: request.imagesDirectory,
            selection: .tao(.validation), decoding: settings.decoding, onEvent: { _ in })
        plan.keepFirst(settings.batchSize)
        var loader = CropBatchLoader(plan: plan, settings: settings)
        guard let batch = await loader.next(), !batch.items.isEmpty else { return nil }
        return try withRecoverableMemory {
            TrainingTensors(
                image: batch.pixels, teacherImage: batch.pixels, mask: batch.boxMasks,
                areas: batch.items.map(\.planned.area), cropSize: settings.cropSize, device: device)
        }
    }
}
