import Files
import Foundation
import Glibc
package import Specs
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

    /// The files beside `state.json`, which has their checksums.
    private static let files = [
        "student.safetensors", "teacher.safetensors", "optimizer.safetensors", "spec.yaml",
    ]

    /// - Parameter before: the checkpoint to offer instead of a damaged one.
    /// - Throws: `LabelingError.wrongUse` for what is no checkpoint of `mal train`, and for one of which
    ///   a byte is not as it was written.
    package init(path: String, before: String? = nil) throws {
        self.path = path
        do {
            state = try Self.state(of: path)
            try Self.check(Self.files, of: state, in: path)
            spec =
                try Spec.read(path: path + "/spec.yaml", command: .train, environment: [:]).spec
            student = try Self.tensors(path + "/student.safetensors")
            teacher = try Self.tensors(path + "/teacher.safetensors")
            optimizer = try Self.tensors(path + "/optimizer.safetensors")
            try student.values.requireFinite(file: path + "/student.safetensors")
            try teacher.values.requireFinite(file: path + "/teacher.safetensors")
        } catch let error as Unreadable {
            throw LabelingError.wrongUse(error.reason)
        } catch {
            throw LabelingError.wrongUse(
                "\(path): a damaged checkpoint: \(error). Remove that folder and repeat the command "
                    + (before.map { "to go on from the checkpoint before it, \($0)" }
                        ?? "to start anew: there is no checkpoint before it"))
        }
    }

    /// Not damaged, but nothing that can be gone on from.
    private struct Unreadable: Error {
        let reason: String
    }

    private struct Damage: Error, CustomStringConvertible {
        let description: String
    }

    /// `state.json`, checked by its own checksum.
    package static func state(of folder: String) throws -> TrainingState {
        let path = folder + "/state.json"
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Unreadable(
                reason: "\(folder): not a checkpoint of mal train (no state.json in it). Weights "
                    + "of another program go to train.pretrained_model_path")
        }
        let state: TrainingState
        do {
            state = try JSONDecoder().decode(TrainingState.self, from: data)
        } catch {
            throw Damage(
                description: "\(path): "
                    + ((error as? DecodingError)?.place.map { "\($0) cannot be" }
                        ?? "it does not decode"))
        }
        guard (1...TrainingState.currentFormat).contains(state.format) else {
            throw Unreadable(
                reason: "\(path): of format \(state.format) by mal "
                    + "\(printable(state.version)); this is mal \(Product.version), which reads formats 1 to "
                    + "\(TrainingState.currentFormat)")
        }
        if let damage = state.damage(of: data) { throw Damage(description: "\(path): \(damage)") }
        if let impossible = state.impossible {
            throw Damage(description: "\(path): \(impossible) cannot be")
        }
        return state
    }

    /// Throws unless these files of a checkpoint are as they were written. Format 1 can't be checked.
    private static func check(
        _ files: [String], of state: TrainingState, in folder: String
    ) throws {
        guard state.format > 1 else { return }
        for file in files {
            let path = folder + "/" + file
            let found = ContentHash.text(try ContentHash.hash(file: path))
            guard found == state.checksums?[file] else {
                throw Damage(
                    description: "\(path): its checksum is \(found), not "
                        + (state.checksums?[file].map { printable($0) } ?? "there"))
            }
        }
    }

    /// Checks `file` if it belongs to a checkpoint of `mal train`.
    ///
    /// - Returns: the state of that checkpoint; nil for any other file.
    /// - Throws: `LabelingError.wrongUse` that names what is damaged.
    package static func stateAfterCheck(
        ofFile file: String, all: Bool = false
    ) throws -> TrainingState? {
        let folder = file.folderPath
        let name = file.fileName
        let others = [folder + "/state.json", folder + "/optimizer.safetensors"]
        guard files.contains(name), others.allSatisfy({ access($0, F_OK) == 0 }) else { return nil }
        do {
            let state = try state(of: folder)
            try check(all ? files : [name], of: state, in: folder)
            return state
        } catch let error as Unreadable {
            throw LabelingError.wrongUse(error.reason)
        } catch {
            throw LabelingError.wrongUse("\(folder): a damaged checkpoint: \(error)")
        }
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
        var state = state
        state.checksums = try checksums(of: folder)
        try writeWholeFile(try state.json(), to: folder + "/state.json")
    }

    /// Gives a checkpoint another state, of the same step.
    package static func update(_ state: TrainingState, in folder: String) throws {
        var state = state
        state.checksums = try Self.state(of: folder).checksums ?? checksums(of: folder)
        try writeWholeFile(try state.json(), to: folder + "/state.json")
    }

    private static func checksums(of folder: String) throws -> [String: String] {
        Dictionary(
            uniqueKeysWithValues: try files.map {
                ($0, ContentHash.text(try ContentHash.hash(file: folder + "/" + $0)))
            })
    }
}

extension TrainingState {
    /// The first number that no run can have come to, with its name.
    fileprivate var impossible: String? {
        let counts = [
            ("step", step), ("stepInEpoch", stepInEpoch), ("samplesInEpoch", samplesInEpoch ?? 0),
            ("sampleCount", sampleCount), ("validatedStep", validatedStep),
            ("lossCount", lossCount), ("goodStepCount", goodStepCount),
            ("best.step", best?.step ?? 0), ("broken", broken.min() ?? 0),
            ("broken", broken.max() ?? 0),
        ]
        if let (name, count) = counts.first(where: { !(0..<1 << 50).contains($0.1) }) {
            return "\(name) \(count)"
        }
        if !(0...1_000_000).contains(epoch) { return "epoch \(epoch)" }
        return lossScale > 0 && lossScale.isFinite ? nil : "lossScale \(lossScale)"
    }
}

extension DecodingError {
    /// The key whose value could not be read, from the top; nil where there is none.
    fileprivate var place: String? {
        let path: [any CodingKey] =
            switch self {
            case .dataCorrupted(let context), .typeMismatch(_, let context),
                .valueNotFound(_, let context):
                context.codingPath
            case .keyNotFound(let key, let context): context.codingPath + [key]
            @unknown default: []
            }
        return path.isEmpty ? nil : printable(path.map(\.stringValue).joined(separator: "."))
    }
}

extension Spec {
    /// Keys that can change between the parts of a run without changing its weights, but for the last
    /// bits where the number of processes is another, which `TrainingState.environment` tells.
    private static let freeKeys: Set<String> = [
        "results_dir", "train.results_dir", "train.resume_training_checkpoint_path",
        "train.max_steps", "train.keep_checkpoints", "train.checkpoint_interval",
        "train.checkpoint_interval_unit", "train.validation_interval",
        "dataset.num_workers_per_gpu", "dataset.val_ann_path", "dataset.val_img_dir",
        "dataset.load_mask", "evaluate.use_mixed_model_test", "evaluate.use_teacher_test",
        "evaluate.use_flip_test", "train.test_margin_rate", "train.mask_thres",
        "train.activation_checkpoint", "late_results", "train.num_gpus", "train.gpu_ids",
        "train.num_nodes", "strategy", "rank_timeout", "train.tao_checkpoints",
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
