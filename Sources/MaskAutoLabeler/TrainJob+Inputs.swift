import Annotations
import Formats
import Imaging
import Inference
import Specs
import Training

// What a run reads besides the boxes it trains on.
extension TrainJob {
    static func guide(_ spec: Spec, onEvent: RunEventHandler) throws -> LabelingModel? {
        guard let checkpoint = spec.train.guideCheckpoint else { return nil }
        guard spec.train.featurePriorStepCount == 0 else {
            throw LabelingError.wrongUse(
                "train.guide_checkpoint and train.feature_prior_steps "
                    + "\(spec.train.featurePriorStepCount) are two beginnings of one target; leave one out"
            )
        }
        let model = try LabelingModel(
            checkpoint: checkpoint, spec: Spec.standard.model,
            onEvent: { event in
                if case .note(let text) = event { onEvent(.note("guide, " + text)) }
            })
        try model.check(cropSize: spec.dataset.cropSize, of: spec.dataset)
        return model
    }

    /// Says how many masks are learned from; asking for masks where there are none is an error.
    static func requireMasks(_ spec: Spec, _ set: TrainingSet, onEvent: RunEventHandler) throws {
        let supervision = spec.train.maskSupervision
        guard supervision != .none else { return }
        let count = set.maskedAnnotations.count
        guard count > 0 else {
            throw LabelingError.wrongUse(
                "\(set.file.path): train.mask_supervision is \(supervision.rawValue), but none of the "
                    + "\(set.count) boxes to train on has "
                    + (supervision == .reviewed
                        ? "a mask and review.state \"accepted\"" : "a mask"))
        }
        onEvent(
            .note(
                "masks: \(count) of \(set.count) boxes are learned from with their mask "
                    + "(train.mask_supervision \(supervision.rawValue))"))
    }

    /// Nil without a validation set or without its masks.
    static func validation(
        _ spec: Spec, _ runtime: Runtime, onEvent: RunEventHandler
    ) throws -> TrainingValidation? {
        guard let path = spec.dataset.validationAnnotationPath else {
            onEvent(.note("no validation: dataset.val_ann_path is null"))
            return nil
        }
        guard spec.dataset.loadsMasks else {
            onEvent(.note("no validation: dataset.load_mask is false"))
            return nil
        }
        let imagesDirectory = spec.dataset.validationImageDir ?? ""
        let file: AnnotationFile
        do {
            try checkFolder(imagesDirectory, "dataset.val_img_dir")
            file = try readAnnotations(
                AnnotationSource(
                    path: path, imagesDirectory: imagesDirectory,
                    appliesEXIF: spec.dataset.appliesEXIF),
                onEvent: onEvent)
        } catch {
            throw LabelingError.wrongUse(
                "\(error)\n(validation; dataset.val_ann_path=null trains without it)")
        }
        try requireSegmentations(file, selection: .tao(.validation), key: "validation")
        let masks = file.checkSegmentations()
        guard masks.errorCount == 0 else { throw AnnotationError.invalid(masks) }
        guard file.annotations.contains(where: { TAOFilter.validation.keeps($0, in: file) }) else {
            throw LabelingError.wrongUse(
                "\(path): no box to validate on; TAO's filter keeps boxes inside their image with "
                    + "sides above 2 pixels. dataset.val_ann_path=null trains without validation")
        }
        let directory = spec.resultsDirectory(for: .train) + "/validation"
        return TrainingValidation(
            request: Evaluator.Request(
                file: file, imagesDirectory: imagesDirectory, resultsDirectory: directory,
                settings: CropSettings(
                    cropSize: spec.dataset.cropSize, marginRate: spec.train.testMarginRate,
                    batchSize: spec.train.batchSize,
                    decoding: spec.dataset.decoding),
                thresholds: spec.train.thresholds),
            source: spec.evaluate.usesMixedModel
                ? .mixed : spec.evaluate.usesTeacher ? .teacher : .student,
            usesFlip: spec.evaluate.usesFlip, arithmetic: runtime.arithmetic,
            device: runtime.device, readsLate: runtime.readsLate)
    }
}
