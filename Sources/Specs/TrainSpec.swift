/// Training. All of it is read and checked; `mal evaluate` and `mal inference` use the thresholds,
/// the test margin and `use_amp`.
package struct TrainSpec: Sendable, Equatable {
    package enum IntervalUnit: String, Sendable, CaseIterable {
        case epoch, step
    }

    package enum Optimizer: String, Sendable, CaseIterable {
        case adamw
    }

    /// What sums of gradients over several processes are made in.
    package enum GradientTransport: String, Sendable, CaseIterable {
        case fp32, bf16
    }

    /// What sums over several processes' GPUs go through.
    package enum Collectives: String, Sendable, CaseIterable {
        case auto, gloo, nccl
    }

    /// Whose masks in the annotation file are learned from.
    package enum MaskSupervision: String, Sendable, CaseIterable {
        case none, reviewed, all
    }

    /// What computes the mean field on a GPU.
    package enum MeanFieldKernelChoice: String, Sendable, CaseIterable {
        case auto, libtorch, nvrtc
    }

    /// `train.cudnn.*`.
    package struct CuDNN: Sendable, Equatable {
        package let benchmark: Bool
        package let deterministic: Bool

        init(_ reader: SpecReader) {
            benchmark = reader.flag("benchmark", default: false, "Let cuDNN try its algorithms.")
            deterministic = reader.flag(
                "deterministic", default: true, "Keep cuDNN to repeatable algorithms.")
        }
    }

    package let gpus: GPUSpec
    /// Negative: not repeatable.
    package let seed: Int
    package let cuDNN: CuDNN
    package let epochCount: Int
    package let checkpointInterval: Int
    package let checkpointIntervalUnit: IntervalUnit
    /// In epochs.
    package let validationInterval: Int
    package let resumePath: String?
    package let resultsDir: String?
    /// Objects in a batch, on each device.
    package let batchSize: Int
    package let gradientAccumulationCount: Int
    /// What sums of gradients cross between processes in.
    package let gradientTransport: GradientTransport
    package let collectives: Collectives
    /// Whether gradients cross while the backward pass still runs.
    package let overlapsGradients: Bool
    package let useAMP: Bool
    let originOfAMP: SpecOrigin
    package let precision: PrecisionChoice.Training
    package let pretrainedModelPath: String?
    package let optimizer: Optimizer
    package let optimizerMomentum: Double
    /// For one object; `scaledLearningRate` is what the optimizer gets.
    package let learningRate: Double
    /// Without effect, as in TAO: `minLearningRateRate` decides.
    package let minLearningRate: Double
    package let minLearningRateRate: Double
    package let waveCount: Double
    package let weightDecay: Double
    package let optimizerEpsilon: Double
    package let optimizerBetas: [Double]
    package let warmupEpochCount: Int
    /// Instead of `warmupEpochCount`.
    package let warmupStepCount: Int?
    /// Lowest and highest margin of a training crop, in half sides.
    package let marginRate: [Double]
    /// Share of the training crops that have the margins of test crops.
    package let testCropShare: Double
    /// 0 is without composites.
    package let compositeWeight: Double
    /// Steps of the run before composites.
    package let compositeStartStep: Int
    package let maskSupervision: MaskSupervision
    package let maskLossWeight: Double
    /// Only the first counts.
    package let testMarginRates: [Double]
    /// As given: one threshold, or one each for small, medium and large.
    package let maskThresholds: [Double]
    package let milLossWeight: Double
    package let crfLossWeight: Double
    package let crfZeta: Double
    package let crfKernelSize: Int
    package let crfIterationCount: Int
    package let crfLossWarmupSteps: Int
    package let milLossWarmupSteps: Int
    package let crfSizeRatio: Int
    package let crfHighThreshold: Double
    package let crfLowThreshold: Double
    /// Ends the run early; the schedule is that of all epochs.
    package let maxStepCount: Int?
    /// Begin with equal heads instead of TAO's independent ones (SPEC §7).
    package let initializesTeacherFromStudent: Bool
    /// Multiplies the last layer of a fresh RoI head.
    package let keyInitScale: Double
    /// Steps within which the guess from the features gives way; 0 is without one.
    package let featurePriorStepCount: Int
    /// The trained network whose masks the CRF loss's target begins from; nil is without one.
    package let guideCheckpoint: String?
    /// The teacher follows the student's buffers too, not its parameters alone.
    package let averagesBuffers: Bool
    package let checkpointsActivations: Bool
    /// 0: what suits the device.
    package let microBatchSize: Int
    package let meanFieldKernel: MeanFieldKernelChoice
    /// 0: off.
    package let gradientClipNorm: Double
    package let exemptsNormsAndBiases: Bool
    /// The backbone's learning rate in that of the heads; 0 freezes it.
    package let backboneLearningRateScale: Double
    /// The learning rate of a block in that of the next one.
    package let layerLearningRateDecay: Double
    /// 0: all.
    package let keptCheckpointCount: Int
    /// Write `mal_model_latest.pth` too.
    package let writesTAOCheckpoints: Bool

    init(_ reader: SpecReader) {
        let all = Set(Spec.Command.allCases)
        gpus = GPUSpec(reader)
        seed = reader.int(
            "seed", default: 1234, in: -1...4_294_967_295,
            "Start of all random numbers; -1 for a new one each run.")
        cuDNN = reader.section(
            "cudnn", usedBy: [], "cuDNN. Both follow from libtorch's defaults.", CuDNN.init)
        epochCount = reader.int(
            "num_epochs", default: 10, in: 1...1_000_000, "Passes over the training boxes.")
        checkpointInterval = reader.int(
            "checkpoint_interval", default: 1, in: 1...1_000_000_000,
            "Epochs or steps from checkpoint to checkpoint.")
        checkpointIntervalUnit = reader.choice(
            "checkpoint_interval_unit", default: .epoch, "What checkpoint_interval counts.")
        validationInterval = reader.int(
            "validation_interval", default: 1, in: 1...1_000_000,
            "Epochs from validation to validation.")
        resumePath = reader.path(
            "resume_training_checkpoint_path", default: .null, "Checkpoint to continue from.")
        resultsDir = reader.path(
            "results_dir", default: .null, "Folder of the run instead of results_dir/train.")
        batchSize = reader.int(
            "batch_size", default: 3, in: 1...65536,
            "Objects in a batch, on each device; also for validation while training.")
        gradientAccumulationCount = reader.int(
            "accum_grad_batches", default: 1, in: 1...65536, "Batches whose gradients are summed.")
        gradientTransport = reader.choice(
            "gradient_transport", default: .fp32, ours: true,
            "Arithmetic of the sums of gradients over several processes. bf16 halves the bytes.")
        collectives = reader.choice(
            "collectives", default: .auto, ours: true,
            "What sums over several processes go through: gloo (the hosts' memory, also for GPUs) or "
                + "nccl (from GPU to GPU). auto takes nccl where every process has a GPU of its own."
        )
        overlapsGradients = reader.flag(
            "gradient_overlap", default: false, ours: true,
            "Sum gradients over several processes while the backward pass still runs.")
        useAMP = reader.flag(
            "use_amp", default: true, usedBy: all,
            "What precision: auto means on a GPU when this is in the spec: true fp16 as in TAO, false "
                + "fp32.")
        originOfAMP = reader.origin("use_amp")
        precision = reader.choice("precision", default: .auto, ours: true, precisionSummary)
        pretrainedModelPath = reader.path(
            "pretrained_model_path", default: .null, "Weights to start from.")
        optimizer = reader.choice("optim_type", default: .adamw, "The optimizer.")
        optimizerMomentum = reader.number(
            "optim_momentum", default: 0.9, in: 0.0...1, usedBy: [],
            "Momentum of other optimizers than AdamW.")
        learningRate = reader.number(
            "lr", default: 1e-6, in: 0.0...1000,
            "Learning rate for one object: multiplied by num_gpus and batch_size.")
        minLearningRate = reader.number(
            "min_lr", default: 0, in: 0.0...1000, usedBy: [],
            "Replaced by min_lr_rate times the scaled learning rate, as in TAO.")
        minLearningRateRate = reader.number(
            "min_lr_rate", default: 0.2, in: 0.0...1,
            "Lowest learning rate, as a share of the scaled one.")
        waveCount = reader.number(
            "num_wave", default: 1, in: 0.0...10000, "Half waves of the cosine schedule.")
        weightDecay = reader.number("wd", default: 0.0005, in: 0.0...100, "Weight decay.")
        optimizerEpsilon = reader.number(
            "optim_eps", default: 1e-8, in: .above(0, through: 1), "Epsilon of AdamW.")
        optimizerBetas = reader.numbers(
            "optim_betas", default: [0.9, 0.9], in: 0.0..<1, counts: [2], "Betas of AdamW.")
        warmupEpochCount = reader.int(
            "warmup_epochs", default: 1, in: 0...1_000_000,
            "Epochs in which the learning rate rises from 0.")
        warmupStepCount = reader.optionalInt(
            "warmup_steps", in: 0...1_000_000_000, ours: true,
            "Steps in which the learning rate rises from 0, instead of warmup_epochs.")
        marginRate = reader.numbers(
            "margin_rate", default: [0, 1.2], in: 0.0...100, counts: [2],
            "Lowest and highest random margin around a box, in half sides.")
        testCropShare = reader.number(
            "test_crop_share", default: 0, in: 0.0...1, ours: true,
            "Share of the training crops that have the margins of test crops, from which the network "
                + "learns where the box ends. 0 is TAO's.")
        compositeWeight = reader.number(
            "composite_weight", default: 0, in: 0.0...1e6, ours: true,
            "Weight of the loss on composites: crops into which an object that the teacher is sure of is "
                + "pasted, so that its mask, and what it hides, are known. 0, as TAO, is without.")
        compositeStartStep = reader.int(
            "composite_start_step", default: 500, in: 0...1_000_000_000, ours: true,
            "Step at which the weight of composites starts to rise, for as many steps again.")
        maskSupervision = reader.choice(
            "mask_supervision", default: .none, ours: true,
            "Masks in the annotation file that are learned from as true, beside the boxes: those that a "
                + "reviewer accepted (review.state, as mal review writes it), or all. none, as TAO, "
                + "looks at no mask.")
        maskLossWeight = reader.number(
            "loss_mask_weight", default: 1, in: 0.0...1e6, ours: true,
            "Weight of the loss on the masks of mask_supervision.")
        testMarginRates = reader.numbers(
            "test_margin_rate", default: [0.6, 0.6], in: 0.0...100, counts: [1, 2], usedBy: all,
            "Margin around a box when not training; the first counts, and half of it is added.")
        maskThresholds = reader.numbers(
            "mask_thres", default: [0.1], in: 0.0...1, counts: [1, 3], usedBy: all,
            "Probability above which a pixel is mask: for all, or for small, medium, large. "
                + "`label`, `inference` and `evaluate` take the model file's own (its `mask_thres`) "
                + "where this is not set.")
        milLossWeight = reader.number(
            "loss_mil_weight", default: 4, in: 0.0...1e6, "Weight of the MIL loss.")
        crfLossWeight = reader.number(
            "loss_crf_weight", default: 0.5, in: 0.0...1e6, "Weight of the CRF loss.")
        crfZeta = reader.number(
            "crf_zeta", default: 0.1, in: .above(0, through: 1e6),
            "Colour distance that the mean field takes for an edge.")
        crfKernelSize = reader.int(
            "crf_kernel_size", default: 3, in: 1...63, "Side of the mean field's window, odd.")
        crfIterationCount = reader.int(
            "crf_num_iter", default: 100, in: 1...100_000, "Iterations of the mean field.")
        crfLossWarmupSteps = reader.int(
            "loss_crf_step", default: 4000, in: 1...1_000_000_000,
            "Steps in which the CRF loss gains its weight, first epoch only.")
        milLossWarmupSteps = reader.int(
            "loss_mil_step", default: 1000, in: 1...1_000_000_000,
            "Steps in which the MIL loss gains its weight, first epoch only.")
        crfSizeRatio = reader.int(
            "crf_size_ratio", default: 1, in: 1...16, "Mean-field side in mask sides.")
        crfHighThreshold = reader.number(
            "crf_value_high_thres", default: 0.9, in: 0.0...1, "Highest mean-field probability.")
        crfLowThreshold = reader.number(
            "crf_value_low_thres", default: 0.1, in: 0.0...1, "Lowest mean-field probability.")
        maxStepCount = reader.optionalInt(
            "max_steps", in: 1...1_000_000_000_000, ours: true,
            "Stop after this many steps even if epochs are left; the schedule stays that of "
                + "num_epochs.")
        initializesTeacherFromStudent = reader.flag(
            "init_teacher_from_student", default: false, ours: true,
            "Begin with the student's heads in the teacher. TAO draws them independently.")
        keyInitScale = reader.number(
            "init_key_scale", default: 1, in: .above(0, through: 1), ours: true,
            "Multiplies the last layer of a fresh RoI head. A small number, such as 0.05, starts from "
                + "probabilities near one half, without which a high learning rate soon ends in "
                + "masks that fill their boxes. TAO's is 1.")
        featurePriorStepCount = reader.int(
            "feature_prior_steps", default: 0, in: 0...1_000_000_000, ours: true,
            "Begin the mean field from a guess by the similarity of the backbone's features, which "
                + "gives way to the networks within this many steps; for self-supervised backbones "
                + "such as DINOv2. 0, as TAO, begins from the networks.")
        guideCheckpoint = reader.path(
            "guide_checkpoint", default: .null, ours: true,
            "A trained model of any architecture, or the name of one that comes with mal. Its masks "
                + "take the place of the networks' own where the mean field begins, in the whole "
                + "run, so that a small network learns from a large one.")
        averagesBuffers = reader.flag(
            "ema_buffers", default: false, ours: true,
            "The teacher also takes the student's buffers (batch-norm statistics). TAO leaves "
                + "them.")
        checkpointsActivations = reader.flag(
            "activation_checkpoint", default: false, ours: true,
            "Compute each block again in the backward pass: less memory, more time, same result.")
        microBatchSize = reader.int(
            "micro_batch_size", default: 0, in: 0...65536, ours: true,
            "Objects of a batch whose activations are held at the same time: less memory, same "
                + "gradients. 0: some on the CPU, all on a GPU. Not with a FAN, whose batch norm needs "
                + "all.")
        meanFieldKernel = reader.choice(
            "mean_field_kernel", default: .auto, ours: true,
            "On a GPU: libtorch's operators, or nvrtc: one kernel for all updates, compiled at the start. "
                + "auto takes nvrtc where it can. On a CPU mal has its own code.")
        gradientClipNorm = reader.number(
            "clip_grad_norm", default: 0, in: 0.0...1e9, ours: true,
            "Scale gradients down to this norm; 0 does not.")
        exemptsNormsAndBiases = reader.flag(
            "wd_skip_norms_and_biases", default: false, ours: true,
            "No weight decay on norms, biases and tokens. TAO decays all.")
        backboneLearningRateScale = reader.number(
            "backbone_lr_scale", default: 1, in: 0.0...1000, ours: true,
            "Learning rate of the backbone, as a share of the heads'; 0 keeps it as it is.")
        layerLearningRateDecay = reader.number(
            "layer_lr_decay", default: 1, in: .above(0, through: 1), ours: true,
            "Learning rate of each block, as a share of the next one's.")
        keptCheckpointCount = reader.int(
            "keep_checkpoints", default: 0, in: 0...1_000_000, ours: true,
            "Checkpoints to keep besides the best one: the newest so many; 0 keeps all, as TAO.")
        writesTAOCheckpoints = reader.flag(
            "tao_checkpoints", default: false, ours: true,
            "With each checkpoint also write mal_model_latest.pth into the run's folder, which TAO "
                + "evaluates, labels with and starts from.")
        reader.check(
            marginRate[0] <= marginRate[1], "margin_rate", "must rise", found: "\(marginRate)")
        reader.check(
            crfKernelSize % 2 == 1, "crf_kernel_size", "must be odd", found: "\(crfKernelSize)")
        reader.check(
            crfHighThreshold > crfLowThreshold, "crf_value_high_thres",
            "must be more than train.crf_value_low_thres", found: "\(crfHighThreshold)",
            others: ["train.crf_value_low_thres"])
    }
}

let precisionSummary =
    "Arithmetic. auto: fp32 on the CPU; on a GPU bf16, or by train.use_amp if the spec has that key."

let inferencePrecisionSummary =
    precisionSummary + " int8: on a CPU, linear layers in 8 bits; faster, and less exact."

extension TrainSpec {
    /// The learning rate of the optimizer: `lr` times devices times batch size (SPEC §7).
    package var scaledLearningRate: Double { scaledLearningRate(devices: gpus.count) }

    /// The same for the number of devices that there are.
    package func scaledLearningRate(devices: Int) -> Double {
        learningRate * Double(devices) * Double(batchSize)
    }

    /// The learning rate that the schedule ends at.
    package var scaledMinLearningRate: Double { scaledLearningRate * minLearningRateRate }

    /// The margin of crops when not training.
    package var testMarginRate: Double { testMarginRates[0] }

    /// Thresholds of small, medium and large objects.
    package var maskThresholdBySize: (small: Double, medium: Double, large: Double) {
        maskThresholds.count == 3
            ? (maskThresholds[0], maskThresholds[1], maskThresholds[2])
            : (maskThresholds[0], maskThresholds[0], maskThresholds[0])
    }
}
