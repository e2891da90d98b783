import Annotations
import Distributed
import Files
import Foundation
import Imaging
package import Inference
import MaskModel
import Specs
import Torch

/// The training loop: schedule, step, validate, save.
///
/// A step's weights follow from the spec, the seed and the steps before it, whether or not the run
/// was broken off and resumed in between (bit for bit on the CPU).
package final class Trainer {
    let run: TrainingRun
    let step: TrainingStep
    let directory: RunDirectory
    /// Nil on all processes of a run but the first.
    let logs: TrainingLogs?
    let onEvent: TrainEventHandler
    package internal(set) var state: TrainingState

    private var clock = StepClock()
    /// The step whose numbers have not been read yet (`late_results`).
    private var unread: (work: StepWork, pending: PendingStep)?
    var newest: String
    /// Whether `newest` lies in this run's folder.
    var isNewestHere: Bool
    var savedStep: Int
    private var skippedInARow = 0
    private var brokenReasons: [String] = []
    private var epochStart = ContinuousClock.now
    /// Of the epochs that ended in this process.
    private var epochSeconds: [Double] = []

    /// - Parameters:
    ///   - newest: the checkpoint that `state` comes from, if any.
    package init(
        _ run: TrainingRun, step: TrainingStep, state: TrainingState, newest: String?,
        isNewestHere: Bool = true, directory: RunDirectory, onEvent: @escaping TrainEventHandler
    ) throws {
        self.run = run
        self.step = step
        self.state = state
        self.directory = directory
        self.onEvent = onEvent
        self.newest = newest ?? ""
        self.isNewestHere = isNewestHere
        savedStep = newest == nil ? -1 : state.step
        logs =
            run.ranks?.isFirst ?? true
            ? try TrainingLogs(directory: directory.path, state: state) { onEvent(.run($0)) } : nil
    }

    /// - Parameter shouldStop: asked after every step; true saves and throws.
    /// - Throws: `LabelingError.trainingStopped` when `shouldStop` ended it.
    package func run(
        isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool
    ) async throws -> TrainingSummary {
        let start = ContinuousClock.now
        let wasDone = state.step >= run.stepCount
        try logs?.status.write(.started, "Starting MAL training.")
        if wasDone {
            onEvent(.run(.note("the run is finished: all \(run.stepCount) steps are done")))
        }
        do {
            try await train(shouldStop: shouldStop)
            try logs?.status.write(.success, "Training finished successfully.")
            if let profile = step.profile { onEvent(.run(.note(profile.text))) }
        } catch {
            try? logs?.status.write(.failure, "\(error)")
            if case LabelingError.trainingStopped = error { throw error }
            explain()
            throw error
        }
        return TrainingSummary(
            directory: directory.path, stepCount: state.step,
            seconds: (ContinuousClock.now - start) / .seconds(1), checkpoint: newest,
            best: state.best.flatMap { best in
                directory.checkpoints.first { $0.step == best.step }
                    .map { ($0.path, best.metric, best.value) }
            }, brokenCount: state.broken.count, wasDone: wasDone)
    }

    private func train(
        isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool
    ) async throws {
        var loader = run.loader()
        defer { loader.cancel() }
        // A run that was stopped between an epoch's last step and its validation.
        if state.step > 0 { try await finishStep(shouldStop: shouldStop) }
        epochStart = .now
        while state.step < run.stepCount {
            clock.start()
            let start = ContinuousClock.now
            let batches = await nextBatches(&loader)
            step.profile?.add(.data, ContinuousClock.now - start)
            guard !batches.isEmpty else { break }
            let objectCount = try objectCount(of: batches)
            try advance(batches, objectCount: objectCount)
            try await finishStep(shouldStop: shouldStop)
            if state.stepInEpoch == 0 { try reportEpoch() }
            if try run.ranks?.any(shouldStop()) ?? shouldStop() { try stop() }
        }
        try readLateResult()
    }

    /// The batches of one step, whose gradients are summed.
    private func nextBatches(
        isolation: isolated (any Actor)? = #isolation, _ loader: inout TrainingBatchLoader
    ) async -> [TrainingBatch] {
        var batches: [TrainingBatch] = []
        while batches.count < run.batchesPerStep, let batch = await loader.next() {
            batches.append(batch)
            if batch.endsEpoch { break }
        }
        return batches
    }

    /// The objects of a step's batches on all processes. Notes those that could not be read.
    private func objectCount(of batches: [TrainingBatch]) throws -> Int {
        let count = batches.reduce(0) { $0 + $1.count }
        let failures = batches.flatMap(\.failures).map { ($0.annotation, $0.reason) }
        guard let ranks = run.ranks else {
            try note(failures)
            return count
        }
        let (total, failed) = try ranks.sums(count, failures.count)
        try note(failed > 0 ? ranks.gathered(failures, of: run.set.file.annotations.count) : [])
        guard total >= count else {
            throw LabelingError.rankLost(
                "the processes counted \(total) boxes, at least \(count) were expected")
        }
        step.exchange?.objectCount = total
        return total
    }

    /// A step as messages and logs know it.
    private struct StepWork {
        /// Counted over the run, from 1.
        let step: Int
        let epoch: Int
        /// Steps done in the epoch after it.
        let stepInEpoch: Int
        let batches: [TrainingBatch]
        /// Of all processes.
        let objectCount: Int
    }

    /// One step of the method; none when no process could read an image of the batch.
    private func advance(_ batches: [TrainingBatch], objectCount: Int) throws {
        step.optimizer.learningRate = step.settings.schedule.rate(
            ofStep: state.stepInEpoch, epoch: state.epoch,
            stepsPerEpoch: step.settings.stepsPerEpoch,
            scheduleSteps: step.settings.stepsPerScheduleEpoch)
        func makeTensors() -> [TrainingTensors] {
            batches.filter { $0.count > 0 }.map {
                TrainingTensors($0, device: run.device)
            }
        }
        let (epoch, number) = (state.epoch, state.stepInEpoch)
        let endsEpoch = batches.last?.endsEpoch ?? false
        let work = StepWork(
            step: state.step + 1, epoch: epoch, stepInEpoch: endsEpoch ? 0 : number + 1,
            batches: batches, objectCount: objectCount)
        if objectCount > 0 {
            do {
                let tensors = try withRecoverableMemory {
                    step.profile.measure(.copies, makeTensors)
                }
                if readsLate {
                    let pending = try withRecoverableMemory {
                        step.start(tensors, epoch: epoch, step: number)
                    }
                    try readLateResult()
                    unread = (work, pending)
                } else {
                    let result = try withRecoverableMemory {
                        step.run(tensors, epoch: epoch, step: number)
                    }
                    try step.exchange?.check()
                    try settle(work, result)
                }
            } catch TorchError.outOfMemory(let reason) {
                throw LabelingError.trainingOutOfMemory(
                    batchSize: run.spec.train.batchSize, cropSize: run.spec.dataset.cropSize,
                    reason: reason)
            }
        }
        state.step += 1
        state.stepInEpoch = work.stepInEpoch
        state.samplesInEpoch = endsEpoch ? 0 : batches.last?.samplesInEpoch
        if endsEpoch { state.epoch += 1 }
    }

    /// The scale of float16's next step follows from this one; several processes wait for each other's
    /// gradients in every step.
    private var readsLate: Bool {
        run.spec.readsResultsLate(onGPU: run.device != .cpu)
            && step.settings.options.arithmetic != .float16 && run.ranks == nil
    }

    /// Reads the step that was started last, and waits for it. What is written afterwards has it in.
    func readLateResult() throws {
        guard let (work, pending) = unread else { return }
        unread = nil
        try settle(work, withRecoverableMemory(pending.result))
    }

    /// Checks and reports what a step did.
    private func settle(_ work: StepWork, _ result: StepResult) throws {
        try requireFinite(result, work)
        try report(result, work)
    }

    /// In float16 a step may overflow now and then; more than 40 in a row end the run.
    private func requireFinite(_ result: StepResult, _ work: StepWork) throws {
        let isScaled = step.settings.options.arithmetic == .float16
        skippedInARow = result.isSkipped ? skippedInARow + 1 : 0
        guard !result.isFinite, !isScaled || skippedInARow > 40 else { return }
        let number = work.step
        let annotationIDs = work.batches.flatMap(\.annotationIDs)
        let ids = annotationIDs.map { "\($0)" }
        let terms =
            "loss_mil \(result.lossMIL), loss_crf \(result.lossCRF), "
            + (result.lossComposite == 0 ? "" : "loss_composite \(result.lossComposite), ")
            + (result.lossMask == 0 ? "" : "loss_mask \(result.lossMask), ")
            + "gradient norm "
            + "\(result.gradientNorm)"
        let record = directory.path + "/nonfinite_step_\(number).json"
        guard logs != nil else {
            throw LabelingError.lossNotFinite(
                step: number, terms: terms, annotationIDs: ids, record: record)
        }
        try writeWholeFile(
            """
            {"step": \(number), "epoch": \(work.epoch), "learning_rate": \
            \(jsonNumber(result.learningRate)), "terms": \(jsonText(terms)), "annotation_ids": \
            [\(annotationIDs.map(jsonID).joined(separator: ", "))]}

            """, to: record)
        throw LabelingError.lossNotFinite(
            step: number, terms: terms, annotationIDs: ids, record: record)
    }

    /// Counts and names broken images; too many of them end the run.
    private func note(_ failures: [(annotation: Int, reason: String)]) throws {
        for failure in failures where state.broken.insert(failure.annotation).inserted {
            let id = run.set.file.annotations[failure.annotation].id
            let reason = "annotation \(id): \(failure.reason)"
            brokenReasons.append(reason)
            onEvent(.run(.warning("left out: \(reason)")))
        }
        guard state.broken.count * 100 > run.set.count, !failures.isEmpty else { return }
        throw LabelingError.tooManyBrokenImages(
            broken: state.broken.count, total: run.set.count, reasons: brokenReasons)
    }

    private func report(_ result: StepResult, _ work: StepWork) throws {
        if run.hasFullLossWeight(epoch: work.epoch, stepInEpoch: work.stepInEpoch) {
            state.lossSum += result.loss
            state.lossCount += 1
        }
        let progress = clock.progress(
            TrainingProgress(
                step: work.step, stepCount: run.stepCount, epoch: work.epoch,
                epochCount: run.begunEpochCount, loss: result.loss, lossMIL: result.lossMIL,
                lossCRF: result.lossCRF, lossComposite: result.lossComposite,
                lossMask: result.lossMask, learningRate: result.learningRate,
                isSkipped: result.isSkipped, boxCount: work.objectCount,
                seconds: 0, secondsPerStep: 0, boxesPerSecond: 0, secondsLeft: 0,
                memory: residentMemory()))
        try logs?.metrics.write(progress)
        try logs?.board.write(progress)
        onEvent(.step(progress))
    }

    /// TAO's line an epoch, its validation included.
    private func reportEpoch() throws {
        epochSeconds.append((ContinuousClock.now - epochStart) / .seconds(1))
        epochStart = .now
        try logs?.status.write(
            epoch: state.epoch - 1, of: run.spec.train.epochCount,
            meanSeconds: epochSeconds.reduce(0, +) / Double(epochSeconds.count))
    }
}

/// The files that a run writes besides its checkpoints.
struct TrainingLogs {
    let status: StatusLog
    let metrics: MetricsLog
    let board: TrainingBoard

    init(
        directory: String, state: TrainingState, onEvent: RunEventHandler
    ) throws {
        status = StatusLog(directory: directory)
        metrics = try MetricsLog(
            directory: directory, resumingAt: state.step,
            isValidated: state.validatedStep == state.step, onEvent: onEvent)
        board = try TrainingBoard(directory: directory, resumingAt: state.step)
    }
}
