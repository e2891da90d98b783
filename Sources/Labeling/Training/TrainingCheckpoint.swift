import Foundation
package import Torch

/// A checkpoint folder: everything that going on exactly needs.
package struct TrainingCheckpoint {
    package let path: String
    package let state: TrainingState
    /// The spec that the run had when it was saved.
    package let spec: Spec
    package let student: [String: StoredTensor]
    package let teacher: [String: StoredTensor]
    package let optimizer: [String: StoredTensor]

    /// - Throws: `LabelingError.wrongUse` for what is no checkpoint of `mal train`,
    ///   `CheckpointError` for a damaged file in it.
    package init(path: String) throws {
        self.path = path
        let statePath = path + "/state.json"
        guard let data = FileManager.default.contents(atPath: statePath) else {
            throw LabelingError.wrongUse(
                "\(path): not a checkpoint of mal train (no state.json in it). Weights of another "
                    + "program go to train.pretrained_model_path")
        }
        guard let state = try? JSONDecoder().decode(TrainingState.self, from: data) else {
            throw Self.damaged(path, "\(statePath): it does not decode")
        }
        guard state.format == 1 else {
            throw LabelingError.wrongUse(
                "\(statePath): of format \(state.format) by mal \(state.version); this is mal "
                    + "\(Product.version), which reads format 1")
        }
        let counts = [
            state.step, state.stepInEpoch, state.samplesInEpoch ?? 0, state.sampleCount,
            state.validatedStep, state.lossCount, state.goodStepCount,
        ]
        guard (0...1_000_000).contains(state.epoch),
            counts.allSatisfy((0..<1 << 50).contains), (state.broken.min() ?? 0) >= 0,
            state.lossScale > 0, state.lossScale.isFinite
        else {
            throw Self.damaged(
                path, "\(statePath): step \(state.step), epoch \(state.epoch) cannot be")
        }
        self.state = state
        do {
            spec =
                try Spec.read(path: path + "/spec.yaml", command: .train, environment: [:]).spec
            student = try Self.tensors(path + "/student.safetensors")
            teacher = try Self.tensors(path + "/teacher.safetensors")
            optimizer = try Self.tensors(path + "/optimizer.safetensors")
            try student.values.requireFinite(file: path + "/student.safetensors")
            try teacher.values.requireFinite(file: path + "/teacher.safetensors")
        } catch {
            throw Self.damaged(path, "\(error)")
        }
    }

    private static func damaged(_ path: String, _ reason: String) -> LabelingError {
        .wrongUse(
            "\(path): a damaged checkpoint: \(reason). Remove that folder and repeat the command to "
                + "go on from the checkpoint before it")
    }

    private static func tensors(_ path: String) throws(CheckpointError) -> [String: StoredTensor] {
        Dictionary(
            try Safetensors(path: path).tensors.map { ($0.name, $0) },
            uniquingKeysWith: { first, _ in first })
    }

    /// Writes the files of a checkpoint into an empty folder.
    /// - Parameter metadata: of the network, for `mal label`.
    package static func write(
        to folder: String, state: TrainingState, spec: Spec, metadata: [String: String],
        student: [(name: String, tensor: Tensor)], teacher: [(name: String, tensor: Tensor)],
        optimizer: [(name: String, tensor: Tensor)]
    ) throws {
        func write(
            _ tensors: [(name: String, tensor: Tensor)], _ file: String,
            _ metadata: [String: String]
        ) throws(CheckpointError) {
            try Safetensors.write(
                tensors.map { StoredTensor(name: $0.name, $0.tensor.detached()) },
                metadata: metadata, to: folder + "/" + file)
        }
        try write(student, "student.safetensors", metadata)
        try write(teacher, "teacher.safetensors", metadata)
        try write(optimizer, "optimizer.safetensors", [:])
        try writeWholeFile(
            SpecText.yaml(of: spec, for: .train), to: folder + "/spec.yaml")
        try writeWholeFile(try state.json(), to: folder + "/state.json")
    }
}

extension Spec {
    /// Keys that can change between the parts of a run without changing its weights.
    private static let freeKeys: Set<String> = [
        "results_dir", "train.results_dir", "train.resume_training_checkpoint_path",
        "train.max_steps", "train.keep_checkpoints", "train.checkpoint_interval",
        "train.checkpoint_interval_unit", "train.validation_interval",
        "dataset.num_workers_per_gpu", "dataset.val_ann_path", "dataset.val_img_dir",
        "dataset.load_mask", "evaluate.use_mixed_model_test", "evaluate.use_teacher_test",
        "evaluate.use_flip_test", "train.test_margin_rate", "train.mask_thres",
        "train.activation_checkpoint", "late_results", "train.num_gpus", "train.gpu_ids",
        "train.num_nodes", "strategy", "rank_timeout",
    ]

    /// `train.lr (was 1e-06, is 2e-06)` for every key that changes the course of training.
    package func trainingDifferences(from old: Spec) -> [String] {
        let used = Set(Spec.keys.filter { $0.usedBy.contains(.train) }.map(\.name))
            .subtracting(Self.freeKeys)
        let before = Dictionary(
            old.values.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
        return values.compactMap { entry in
            guard used.contains(entry.key), let was = before[entry.key], was != entry.value else {
                return nil
            }
            return "\(entry.key) (was \(was), is \(entry.value))"
        }
    }
}
