/// A whole spec: every key of TAO's MAL spec files, and a few of ours. Immutable; derived values
/// are computed properties.
package struct Spec: Sendable, Equatable {
    /// The command that a spec is read for. Labeling by any name is `inference`.
    package enum Command: String, Sendable, CaseIterable {
        case train, evaluate, inference
    }

    /// TAO's names for ways to train on several devices, and ours for what the sharded ones become.
    package enum Strategy: String, Sendable, CaseIterable {
        case auto, ddp, ddpSharded = "ddp_sharded", fsdp, zero1

        /// Whether the optimizer's state is divided among the processes.
        package var shardsOptimizer: Bool { self != .auto && self != .ddp }
    }

    /// When a step's or batch's results are read while the next one runs; `auto` is on a GPU.
    package enum LateResults: String, Sendable, CaseIterable {
        case auto, always = "true", never = "false"
    }

    package let modelName: String
    package let encryptionKey: String?
    /// Results of a command without a folder of its own go to a folder in here, named like the
    /// command.
    package let resultsDir: String
    package let strategy: Strategy
    /// Seconds.
    package let rankTimeout: Int
    package let device: DeviceChoice
    /// Whether a step's or batch's results are read while the next one runs.
    package let lateResults: LateResults
    /// Float32 products on a GPU may round their factors.
    package let allowsTF32: Bool
    package let wandb: WandBSpec
    package let dataset: DatasetSpec
    package let model: ModelSpec
    package let train: TrainSpec
    package let evaluate: EvaluateSpec
    package let inference: InferenceSpec
    /// Every key with its value, in the order of documentation.
    package let values: [SpecValue]
    private let given: GivenKeys

    init(_ reader: SpecReader) {
        let all = Set(Command.allCases)
        modelName = reader.text(
            "model_name", default: "mal", usedBy: [], "Name of the network.")
        encryptionKey = reader.optionalText(
            "encryption_key", usedBy: [],
            "Key of encrypted TAO checkpoints, which can't be read.")
        resultsDir = reader.text(
            "results_dir", default: "/results", usedBy: all,
            "Folder of results: a command without its own results_dir writes to "
                + "results_dir/<command>.")
        strategy = reader.choice(
            "strategy", default: .ddp, usedBy: [.train],
            "How to train on several devices. auto and ddp: every process keeps all. zero1: each "
                + "keeps a part of the optimizer's state; ddp_sharded and fsdp mean zero1.")
        rankTimeout = reader.int(
            "rank_timeout", default: 60, in: 1...86400, ours: true, usedBy: all,
            "Seconds after which a process of several that gives no sign of life ends the run.")
        device = reader.parsed(
            "device", default: "auto", DeviceChoice.values, ours: true, usedBy: all,
            "Where the network runs. auto: the first GPU of gpu_ids if there is one, else the CPU.",
            DeviceChoice.init)
        lateResults = reader.choice(
            "late_results", default: .auto, ours: true, usedBy: all,
            "Read the results of a step or batch while the next one runs, so that a GPU need not wait for "
                + "the host; same results. auto: on a GPU. A training step in fp16, or of several "
                + "processes, is read at once.")
        allowsTF32 = reader.flag(
            "allow_tf32", default: false, ours: true, usedBy: all,
            "With fp32 on a GPU: round the factors of products and convolutions to TF32, which is faster."
        )
        dataset = reader.section(
            "dataset", usedBy: all, "Images, annotations and crops.", DatasetSpec.init)
        model = reader.section("model", usedBy: all, "The network.", ModelSpec.init)
        train = reader.section("train", usedBy: [.train], "Training.", TrainSpec.init)
        evaluate = reader.section(
            "evaluate", usedBy: [.evaluate], "Masks against the truth.", EvaluateSpec.init)
        inference = reader.section(
            "inference", usedBy: [.inference], "Boxes to masks.", InferenceSpec.init)
        wandb = reader.section(
            "wandb", usedBy: [], "Weights & Biases. Nothing is sent anywhere.", WandBSpec.init)
        values = reader.values
        given = GivenKeys(names: reader.givenKeys)
    }

    /// Whether somebody set the key, in the file, by an override or an option.
    package func isSet(_ key: String) -> Bool { given.names.contains(key) }
}

/// Specs with the same values are equal, whoever set them.
private struct GivenKeys: Equatable, Sendable {
    let names: Set<String>

    static func == (_: GivenKeys, _: GivenKeys) -> Bool { true }
}

extension Spec {
    /// The folder that `command` writes to: its own `results_dir`, else one in the common folder.
    package func resultsDirectory(for command: Command) -> String {
        let own =
            switch command {
            case .train: train.resultsDir
            case .evaluate: evaluate.resultsDir
            case .inference: inference.resultsDir
            }
        return own ?? joined(resultsDir, command.rawValue)
    }

    /// Where the labels are written: `inference.label_dump_path` in the results folder, or by
    /// itself when it is absolute.
    package var labelPath: String {
        joined(resultsDirectory(for: .inference), inference.labelDumpPath)
    }

    /// Objects in a batch. Every command has its own number; validation while training uses that of
    /// training (SPEC §12, 35).
    package func batchSize(for command: Command) -> Int {
        switch command {
        case .train: train.batchSize
        case .evaluate: evaluate.batchSize
        case .inference: inference.batchSize
        }
    }

    /// The devices that the spec asks for, for one command.
    package func gpus(for command: Command) -> GPUSpec {
        switch command {
        case .train: train.gpus
        case .evaluate: evaluate.gpus
        case .inference: inference.gpus
        }
    }

    /// Whether a step's or batch's results are read while the next one runs.
    package func readsResultsLate(onGPU: Bool) -> Bool {
        switch lateResults {
        case .auto: onGPU
        case .always: true
        case .never: false
        }
    }

    /// The arithmetic of `command` on a kind of device. `auto` is fp32 on the CPU. On a GPU `train.use_amp`
    /// chooses TAO's fp16 or fp32 where it was set; else it is bf16, or fp16 on a GPU without units for that.
    ///
    /// - Parameter prefersBFloat16: false takes fp16 for bf16, as TAO would.
    package func arithmetic(
        for command: Command, onGPU: Bool, prefersBFloat16: Bool = true
    ) -> Arithmetic {
        let choice =
            switch command {
            case .train: PrecisionChoice(rawValue: train.precision.rawValue) ?? .auto
            case .evaluate: evaluate.precision
            case .inference: inference.precision
            }
        return switch choice {
        case .auto:
            !onGPU || !train.useAMP
                ? .fp32 : train.originOfAMP.isSet || !prefersBFloat16 ? .fp16 : .bf16
        case .fp32: .fp32
        case .bf16: .bf16
        case .fp16: .fp16
        case .int8: .int8
        }
    }
}

/// `path` inside `folder`; an absolute path stays as it is.
private func joined(_ folder: String, _ path: String) -> String {
    if path.hasPrefix("/") || folder.isEmpty { return path }
    return folder.hasSuffix("/") ? folder + path : folder + "/" + path
}
