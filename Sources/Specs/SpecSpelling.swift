/// Key names of TAO 4 and 5, of the launcher, and of the wrapper that `tao dataset auto-label
/// generate` puts around a MAL spec (everything below `mal:`).
enum SpecSpelling {
    private static let tasks = ["train", "evaluate", "inference"]

    /// Old name, what it is read as, where it comes from: for `current` and for docs/spec.md.
    static let table: [(old: String, new: String, origin: String)] = [
        ("gpus", "num_gpus (a number) or gpu_ids (a list) of every task", "TAO 4"),
        ("train.gpus, evaluate.gpus, inference.gpus", "the same of that task", "TAO 4"),
        ("num_gpus, gpu_ids, num_nodes", "the same key of every task", "TAO 4 and 5"),
        ("checkpoint", "evaluate.checkpoint and inference.checkpoint", "TAO 4 and 5"),
        ("train.save_every_k_epoch", "train.checkpoint_interval", "TAO 5"),
        ("train.val_interval", "train.validation_interval", "TAO 5"),
        ("mal.KEY", "KEY", "TAO auto-label"),
        ("batch_size, beside mal:", "inference.batch_size", "TAO auto-label"),
        ("num_workers, beside mal:", "dataset.num_workers_per_gpu", "TAO auto-label"),
    ]

    /// The keys that `key` is read as, or `nil` when it is no old spelling.
    static func current(_ key: String, value: SpecNode, wrapped: Bool) -> [String]? {
        switch key {
        case "gpus": tasks.flatMap { gpuKeys($0, value) }
        case "train.gpus", "evaluate.gpus", "inference.gpus":
            gpuKeys(String(key.dropLast(5)), value)
        case "num_gpus", "gpu_ids", "num_nodes": tasks.map { "\($0).\(key)" }
        case "checkpoint": ["evaluate.checkpoint", "inference.checkpoint"]
        case "train.save_every_k_epoch": ["train.checkpoint_interval"]
        case "train.val_interval": ["train.validation_interval"]
        case "batch_size" where wrapped: ["inference.batch_size"]
        case "num_workers" where wrapped: ["dataset.num_workers_per_gpu"]
        default: nil
        }
    }

    /// Whether `key` is one of an auto-label spec's own.
    static func isValid(_ key: String, wrapped: Bool) -> Bool {
        wrapped
            && ["num_gpus", "gpu_ids", "num_nodes", "checkpoint", "batch_size", "num_workers"]
                .contains(key)
    }

    /// TAO 4's `gpus` is a number of GPUs or a list of their ids.
    private static func gpuKeys(_ task: String, _ value: SpecNode) -> [String] {
        if case .list = value.content {
            ["\(task).gpu_ids", "\(task).num_gpus"]
        } else {
            ["\(task).num_gpus"]
        }
    }

    /// `value` as `key` takes it: a list of ids also tells their number.
    static func converted(_ value: SpecNode, for key: String) -> SpecNode {
        guard case .list(let elements) = value.content, key.hasSuffix(".num_gpus") else {
            return value
        }
        let count = max(1, elements.count)
        return SpecNode(.integer(count), text: "\(count)", line: value.line)
    }

    /// The other labeler's settings in an auto-label spec.
    static func isIgnored(_ key: String, wrapped: Bool) -> Bool {
        key == "grounding_dino" && wrapped
    }
}
