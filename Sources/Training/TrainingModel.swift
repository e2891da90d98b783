package import Inference
package import MaskModel
package import Specs
package import Torch

/// The networks that a spec asks for, and where their weights come from.
package struct TrainingModel {
    package let configuration: MaskNetworkConfiguration
    private let arch: String
    private let pretrained: MaskCheckpoint?
    private let spec: Spec

    /// - Throws: `CheckpointError`, `MaskModelError` for a file or numbers that make no network.
    package init(_ spec: Spec) throws {
        self.spec = spec
        let model = spec.model
        arch = model.arch
        pretrained = try spec.train.pretrainedModelPath.map {
            try MaskCheckpoint(path: try ModelFiles.path(for: $0))
        }
        // The family of a ViT follows from the weights that are to go into it.
        let info = pretrained?.info
        let layout =
            info?.hasBackbone == true
            ? try info?.backboneConfiguration(headCount: 1).layout ?? .patchConv : .patchConv
        configuration = MaskNetworkConfiguration(
            backbone: try BackboneConfiguration(
                arch: model.arch, layout: layout, embedDim: model.embedDim, depth: model.depth,
                headCount: model.headCount),
            maskHead: MaskHeadConfiguration(
                convolutionCount: model.maskHeadConvCount,
                hiddenChannels: model.maskHeadHiddenChannelCount,
                outputChannels: model.maskHeadOutChannelCount, scaleRatio: model.maskScaleRatio),
            adjustsScale: !model.skipsScaleAdjustment,
            scaleRatioBefore: Double(model.maskScaleRatioPre))
        try configuration.validate()
        do {
            try configuration.validate(cropSize: spec.dataset.cropSize)
        } catch {
            if case .invalidCropSize(_, let rule) = error,
                let ours = spec.dataset.cropSizeError(rule)
            {
                throw ours
            }
            throw error
        }
        try requireFamily()
        try requireWholeBatches()
    }

    private var isFAN: Bool { configuration.backbone.layout == .fan }

    /// Weights of another family share a few names, which is no use to anybody.
    private func requireFamily() throws(CheckpointError) {
        guard let pretrained, let found = pretrained.info.architecture else { return }
        let backbone = configuration.backbone
        guard (found.layout == .fan) != isFAN || found.stem.isEmpty != backbone.stem.isEmpty else {
            return
        }
        throw pretrained.failure(ParameterMismatch(), architecture: "model.arch \(arch)")
    }

    /// Batch norm in parts of a batch would be another method: other statistics, other gradients.
    private func requireWholeBatches() throws {
        let parts = spec.train.microBatchSize
        guard isFAN, parts > 0, parts < spec.train.batchSize else { return }
        throw LabelingError.wrongUse(
            "train.micro_batch_size must be 0 with model.arch \(arch), is \(parts): batch norm takes "
                + "its statistics from the whole batch, so parts of \(spec.train.batchSize) boxes "
                + "would give other gradients. train.activation_checkpoint=true saves memory too, "
                + "to the same result")
    }

    /// Settings that do nothing for this network.
    package var warnings: [String] {
        guard isFAN else {
            let unknown = freezing.unknownStages(depth: configuration.backbone.depth)
                .filter { $0 != -1 }
            guard !unknown.isEmpty else { return [] }
            return [
                "model.frozen_stages: there is no stage \(unknown); the network has 0 (the patch "
                    + "embedding) to \(configuration.backbone.depth)"
            ]
        }
        var warnings: [String] = []
        if spec.model.frozenStages.contains(where: { $0 != -1 }) {
            warnings.append(
                "model.frozen_stages \(spec.model.frozenStages) has no effect on a FAN, as in TAO: all "
                    + "of it is trained; train.backbone_lr_scale=0 keeps the whole backbone as it is"
            )
        }
        if spec.model.dropPathRate > 0 {
            warnings.append("model.vit_dpr has no effect on a FAN, as in TAO")
        }
        return warnings
    }

    package var freezing: Freezing {
        let stages = spec.model.frozenStages
        var freezing = Freezing.none
        if !isFAN {
            switch (spec.model.frozenStagesMeaning, stages.last) {
            case (.range, let last?):
                freezing = .range(first: stages.count > 1 ? stages[0] : 0, last: last)
            case (.ids, _), (.range, nil): freezing = .stages(stages)
            }
        }
        freezing.includesTokens = spec.model.freezesTokens
        freezing.includesBackbone = spec.train.backboneLearningRateScale == 0
        return freezing
    }

    /// A fresh pair with what `train.pretrained_model_path` has.
    package func freshPair(
        seed: UInt64, device: Device, onEvent: TrainEventHandler
    ) throws -> StudentTeacher {
        let pair = StudentTeacher(
            configuration, seed: seed,
            teacherIsCopy: spec.train.initializesTeacherFromStudent, device: device)
        pair.freezing = freezing
        // What is pretrained takes the place of this.
        pair.scaleKeys(by: spec.train.keyInitScale)
        guard let pretrained else {
            onEvent(.run(.note("weights: all fresh; train.pretrained_model_path is null")))
            return pair
        }
        let expected = Dictionary(
            uniqueKeysWithValues: pair.studentTensors.map { ($0.name, $0.tensor.shape) })
        let found = try pretrained.pretrainedParameters(
            expected: expected, architecture: "model.arch \(arch)")
        try pair.loadPretrained(found.parameters.mapValues { $0.tensor(device: device) })
        onEvent(.run(.note(summary(of: found, in: expected.count))))
        return pair
    }

    private func summary(of found: MaskCheckpoint.PartialParameters, in total: Int) -> String {
        func listed(_ names: [String]) -> String {
            // One line for all of a head's or a block's parameters.
            var groups: [String] = []
            for name in names {
                let parts = name.split(separator: ".")
                let group = parts.prefix(2).joined(separator: ".") + (parts.count > 2 ? ".*" : "")
                if groups.last != group, !groups.contains(group) { groups.append(group) }
            }
            return groups.prefix(8).joined(separator: ", ") + (groups.count > 8 ? ", …" : "")
        }
        var text =
            "weights: \(found.parameters.count) of \(total) parameters from "
            + "\(pretrained?.info.file ?? "")"
        if !found.missing.isEmpty {
            text += "; fresh: \(found.missing.count) (\(listed(found.missing.sorted())))"
        }
        if !found.unused.isEmpty {
            text += "; not used: \(found.unused.count) (\(listed(found.unused.sorted())))"
        }
        return text
    }

    /// The pair of a checkpoint of `mal train`.
    package func pair(
        of checkpoint: TrainingCheckpoint, device: Device
    ) throws -> StudentTeacher {
        var tensors: [String: Tensor] = [:]
        for (name, tensor) in checkpoint.student {
            tensors["student." + name] = tensor.tensor(device: device)
        }
        for (name, tensor) in checkpoint.teacher {
            tensors["teacher." + name] = tensor.tensor(device: device)
        }
        let pair: StudentTeacher
        do {
            pair = try StudentTeacher(configuration, parameters: tensors, device: device)
        } catch {
            throw LabelingError.wrongUse(
                "\(checkpoint.path): its weights do not fit the network of this spec "
                    + "(model.arch \(arch)); take the spec of the run, or a new results_dir with "
                    + "train.pretrained_model_path.\n\(error)")
        }
        pair.freezing = freezing
        return pair
    }

    package func optimizer(for pair: StudentTeacher) -> AdamW {
        let exempts = spec.train.exemptsNormsAndBiases
        let depth = configuration.backbone.depth
        return AdamW(
            pair.studentParameters, learningRate: spec.train.scaledLearningRate,
            .init(
                betas: spec.train.optimizerBetas, epsilon: spec.train.optimizerEpsilon,
                weightDecay: spec.train.weightDecay),
            isDecayed: { name, tensor in
                !exempts
                    || tensor.rank > 1 && name != "backbone.pos_embed"
                        && name != "backbone.cls_token"
            },
            rateScale: { [train = spec.train] name in
                name.dropping(prefix: "backbone.").map {
                    train.backboneLearningRateScale
                        * BackbonePart(parameter: $0).learningRateFactor(
                            decay: train.layerLearningRateDecay, depth: depth)
                } ?? 1
            })
    }

    /// What `mal label` wants to know about a file of this network.
    package var metadata: [String: String] {
        let texts =
            configuration.metadata + [
                (.arch, arch), (.cropSize, "\(spec.dataset.cropSize)"),
                (.version, Product.version),
            ]
        var metadata = Dictionary(
            texts.map { ($0.rawValue, $1) }, uniquingKeysWith: { first, _ in first })
        metadata["mask_thres"] = spec.train.maskThresholds.map { "\($0)" }.joined(separator: ",")
        return metadata
    }
}
