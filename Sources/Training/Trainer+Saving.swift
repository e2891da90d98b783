import Files
import Inference
import MaskModel
import Specs
import Torch

// Between steps: validation and checkpoints.
extension Trainer {
    /// Validates and saves when it is time to.
    func finishStep(
        isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool
    ) async throws {
        var isBest = false
        var isValidated = false
        if run.isValidationDue(state) || run.isCheckpointDue(state) { try readLateResult() }
        if run.isValidationDue(state), state.validatedStep != state.step {
            do {
                isBest = try await validate(shouldStop: shouldStop)
                isValidated = true
            } catch LabelingError.interrupted {
                try stop()
            }
        }
        if run.isCheckpointDue(state) || isBest, savedStep != state.step {
            try save()
        } else if isValidated, savedStep == state.step {
            try saveState()
        }
    }

    /// After a validation of a network that was saved before it: a run that was stopped inside it.
    private func saveState() throws {
        guard isNewestHere else { return try save() }
        guard logs != nil else { return }
        try TrainingCheckpoint.update(state, in: newest)
        try linkBest()
    }

    private func linkBest() throws {
        guard let best = state.best, best.step == state.step else { return }
        try directory.link("model_best", to: newest.fileName)
    }

    /// - Returns: whether the network is better than at every validation before.
    private func validate(
        isolation: isolated (any Actor)? = #isolation, shouldStop: () -> Bool
    ) async throws -> Bool {
        guard let validation = run.validation else { return false }
        if logs != nil { try makeDirectory(validation.request.resultsDirectory) }
        let onEvent = onEvent
        let results = try await validation.evaluator(of: step.pair, run.ranks) {
            onEvent(.run($0))
        }.run(shouldStop: shouldStop)
        let scores = ValidationScores(
            step: state.step, epoch: state.stepInEpoch == 0 ? state.epoch - 1 : state.epoch,
            scores: results.kpi.map {
                .init(name: $0.name, value: $0.value.isFinite ? $0.value : nil)
            })
        try logs?.metrics.write(scores)
        try logs?.board.write(scores)
        try logs?.status.write(
            .running, "Validation metrics generated.",
            kpi: (state.meanLoss.map { [("train_loss", $0)] } ?? []) + results.kpi)
        if let logs, let tensors = try await validation.pictureTensors(device: run.device) {
            let picture = try withRecoverableMemory {
                pictureGrid(tensors, maps: step.maps(of: tensors))
            }
            try logs.board.write(picture, tag: "val/masks", step: state.step)
        }
        onEvent(.validation(scores))
        state.validatedStep = state.step
        guard let score = scores.meanIoU, score > state.best?.value ?? -1 else { return false }
        state.best = .init(step: state.step, metric: "mIoU", value: score)
        return true
    }

    private func save() throws {
        // A checkpoint that an interrupt asks for leaves the mean as it would have been without.
        if run.isCheckpointDue(state) {
            if run.validation == nil, let loss = state.meanLoss,
                loss < state.best?.value ?? .infinity
            {
                state.best = .init(step: state.step, metric: "loss", value: loss)
            }
            state.lossSum = 0
            state.lossCount = 0
        }
        state.lossScale = step.scaler.scale
        state.goodStepCount = step.scaler.goodStepCount
        let epoch = state.stepInEpoch == 0 ? max(state.epoch - 1, 0) : state.epoch
        let optimizer = try withRecoverableMemory {
            try step.exchange?.wholeState(of: step.optimizer) ?? step.optimizer.exportState()
        }
        savedStep = state.step
        isNewestHere = true
        guard logs != nil else { return }
        newest = try directory.save(epoch: epoch, step: state.step) { folder in
            try withRecoverableMemory {
                try TrainingCheckpoint.write(
                    to: folder, state: state, spec: run.spec, metadata: run.metadata,
                    student: step.pair.studentTensors, teacher: step.pair.teacherTensors,
                    optimizer: optimizer)
            }
        }
        if run.spec.train.writesTAOCheckpoints {
            let backbone = run.configuration.backbone
            try withRecoverableMemory {
                try TAOCheckpoint.write(
                    step.pair.exportParameters().map {
                        StoredTensor(name: $0.name, $0.tensor.detached())
                    }, layout: backbone.layout, width: backbone.width, epoch: epoch,
                    step: state.step, to: directory.path + "/mal_model_latest.pth")
            }
        }
        try linkBest()
        directory.prune(keeping: run.spec.train.keptCheckpointCount, best: state.best?.step)
        onEvent(.checkpoint(path: newest, step: state.step))
    }

    func stop() throws -> Never {
        try readLateResult()
        if savedStep != state.step { try save() }
        throw LabelingError.trainingStopped(
            step: state.step, stepCount: run.stepCount, checkpoint: newest)
    }

    /// What to do after an error.
    func explain() {
        let checkpoints = directory.checkpoints
        let advice =
            checkpoints.last.map {
                "what was saved is whole: the same command continues from \($0.path)"
            } ?? "nothing was saved yet: the same command starts again"
        onEvent(.run(.warning(advice)))
    }
}
