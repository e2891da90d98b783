/// What PyTorch, ultralytics, Lightning and TAO call the things that have other names here.
package enum SpecSynonyms {
    /// Words, and the keys that they may mean.
    package static let table: [(words: [String], keys: [String])] = [
        (["learning_rate", "lr0", "base_lr", "init_lr"], ["train.lr"]),
        (["min_learning_rate", "lrf"], ["train.min_lr_rate"]),
        (["epochs", "max_epochs", "num_epoch", "n_epochs", "total_epochs"], ["train.num_epochs"]),
        (["iterations", "max_iter", "num_steps", "steps"], ["train.max_steps"]),
        (
            ["batch", "bs", "batchsize", "batch_size", "batch_size_per_gpu", "samples_per_gpu"],
            ["train.batch_size", "evaluate.batch_size", "inference.batch_size"]
        ),
        (
            [
                "imgsz", "img_size", "image_size", "input_size", "input_width", "input_height",
                "resolution",
            ],
            ["dataset.crop_size"]
        ),
        (["device", "accelerator"], ["device"]),
        (
            ["devices", "gpu", "ngpus", "n_gpus", "num_devices", "nproc_per_node"],
            ["train.num_gpus", "evaluate.num_gpus", "inference.num_gpus"]
        ),
        (["gpu_id", "gpu_index"], ["train.gpu_ids", "evaluate.gpu_ids", "inference.gpu_ids"]),
        (["nodes", "nnodes"], ["train.num_nodes", "evaluate.num_nodes", "inference.num_nodes"]),
        (
            ["workers", "num_workers", "n_workers", "workers_per_gpu", "dataloader_num_workers"],
            ["dataset.num_workers_per_gpu"]
        ),
        (
            ["weights", "ckpt", "ckpt_path", "model_path", "load_from", "resume_from_checkpoint"],
            ["train.pretrained_model_path", "evaluate.checkpoint", "inference.checkpoint"]
        ),
        (
            ["pretrained", "pretrained_weights", "pretrained_backbone_path"],
            ["train.pretrained_model_path"]
        ),
        (["resume", "resume_from"], ["train.resume_training_checkpoint_path"]),
        (
            [
                "output", "output_dir", "out", "out_dir", "save_dir", "project", "log_dir",
                "work_dir",
            ],
            ["results_dir"]
        ),
        (["output_file", "out_file", "save_path"], ["inference.label_dump_path"]),
        (["weight_decay", "decay"], ["train.wd"]),
        (["betas"], ["train.optim_betas"]),
        (["eps", "epsilon"], ["train.optim_eps"]),
        (["momentum"], ["train.optim_momentum"]),
        (["optimizer", "optim"], ["train.optim_type"]),
        (["warmup", "lr_warmup_epochs"], ["train.warmup_epochs"]),
        (["amp", "fp16", "half", "mixed_precision"], ["train.use_amp"]),
        (["dtype"], ["train.precision", "evaluate.precision", "inference.precision"]),
        (
            ["conf", "threshold", "thresh", "mask_threshold", "score_threshold"],
            ["train.mask_thres"]
        ),
        (["padding", "margin", "box_margin"], ["train.test_margin_rate"]),
        (
            ["save_period", "save_interval", "save_every", "checkpoint_every_n_epochs"],
            ["train.checkpoint_interval"]
        ),
        (
            ["eval_interval", "val_every", "check_val_every_n_epoch", "validation_freq"],
            ["train.validation_interval"]
        ),
        (
            ["accumulate", "grad_accum", "gradient_accumulation_steps", "accumulate_grad_batches"],
            ["train.accum_grad_batches"]
        ),
        (
            ["grad_clip", "clip_grad", "gradient_clip_val", "max_grad_norm", "max_norm"],
            ["train.clip_grad_norm"]
        ),
        (["gradient_checkpointing"], ["train.activation_checkpoint"]),
        (["random_seed", "manual_seed"], ["train.seed"]),
        (["backbone", "architecture", "model_type"], ["model.arch"]),
        (["ema", "ema_decay", "ema_momentum"], ["model.teacher_momentum"]),
        (["drop_path", "drop_path_rate"], ["model.vit_dpr"]),
        (["freeze", "freeze_at"], ["model.frozen_stages"]),
        (
            ["annotations", "annotation_file", "ann_file", "boxes", "data"],
            ["dataset.train_ann_path", "dataset.val_ann_path", "inference.ann_path"]
        ),
        (
            ["images", "image_dir", "img_prefix", "image_folder", "source"],
            ["dataset.train_img_dir", "dataset.val_img_dir", "inference.img_dir"]
        ),
        (["augment", "tta", "flip"], ["evaluate.use_flip_test"]),
    ]

    private static let keys = Dictionary(
        uniqueKeysWithValues: table.flatMap { entry in entry.words.map { ($0, entry.keys) } })

    /// The key that an unknown one means: of its own section if there is one, else of the command's.
    static func key(meantBy key: String, command: Spec.Command) -> String? {
        guard key.utf8.count <= 100 else { return nil }
        let parts = key.lowercased().split(separator: ".")
        guard let word = parts.last?.split(separator: "-").joined(separator: "_"),
            let keys = keys[word]
        else { return nil }
        let own = parts.count > 1 ? [String(parts[0]) + "."] : []
        let prefixes =
            own + [command.rawValue + "."] + (command == .evaluate ? ["dataset.val_"] : [])
        return prefixes.lazy.compactMap { prefix in keys.first { $0.hasPrefix(prefix) } }.first
            ?? keys.first
    }
}
