import Inference
import MaskModel
import Specs

/// The spec of a training run that goes on with a model on other boxes. docs/adapt.md has the measurements
/// behind its numbers.
struct AdaptationRecipe {
    let overrides: [String]
    let stepCount: Int

    private static let batchSize = 8

    /// - Parameters:
    ///   - areas: of the boxes to learn from.
    ///   - given: `key=value` on top.
    init(
        _ info: CheckpointInfo, areas: [Float], amount: AdaptationAmount, given: [String]
    ) {
        let boxCount = areas.count
        stepCount = amount.stepCount(forBoxes: boxCount)
        let median = areas.isEmpty ? 0 : areas.sorted()[boxCount / 2]
        let own = [
            "model.teacher_momentum=0.98", "model.freeze_tokens=true",
            "dataset.val_ann_path=null",
            "dataset.min_obj_size=\(Int(min(median / 4, 500)))",
            "train.seed=1", "train.batch_size=\(Self.batchSize)",
            // The teacher is a moving average, so the rate need not fall, and a run may end anywhere.
            "train.num_epochs=1000000", "train.max_steps=\(stepCount)", "train.min_lr_rate=1",
            "train.lr=5e-6", "train.warmup_epochs=0", "train.warmup_steps=10",
            "train.optim_betas=[0.9,0.999]", "train.init_teacher_from_student=true",
            "train.test_crop_share=0.5", "train.composite_weight=1",
            "train.composite_start_step=10", "train.loss_mil_weight=1", "train.loss_mil_step=10",
            "train.loss_crf_weight=2", "train.loss_crf_step=10", "train.crf_zeta=0.2",
            "train.crf_num_iter=20", "train.checkpoint_interval=20",
            "train.checkpoint_interval_unit=step", "train.keep_checkpoints=1",
        ]
        overrides = info.modelOverrides + own + given
    }
}
