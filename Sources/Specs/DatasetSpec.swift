/// Images, annotations and crops.
package struct DatasetSpec: Sendable, Equatable {
    package enum Format: String, Sendable, CaseIterable {
        case coco
    }

    package let type: Format
    package let trainAnnotationPath: String?
    package let trainImageDir: String?
    package let validationAnnotationPath: String?
    package let validationImageDir: String?
    /// Box area in px², exclusive. Training only.
    package let minObjectSize: Double
    /// Box area in px², exclusive. Training only.
    package let maxObjectSize: Double
    package let workerCountPerGPU: Int
    package let loadsMasks: Bool
    /// Side of a crop in pixels.
    package let cropSize: Int
    private let originOfCropSize: SpecOrigin
    package let usesAdaptiveCrops: Bool
    package let appliesEXIF: Bool
    package let scales16Bit: Bool
    package let maxPixelCount: Int

    init(_ reader: SpecReader) {
        type = reader.choice("type", default: .coco, "Format of the annotations.")
        trainAnnotationPath = reader.path(
            "train_ann_path", default: .text("/data/raw-data/annotations/instances_train2017.json"),
            mandatoryFor: [.train], usedBy: [.train], "COCO file with the boxes to learn from.")
        trainImageDir = reader.path(
            "train_img_dir", default: .text("/data/raw-data/train2017/"),
            mandatoryFor: [.train], usedBy: [.train], "Folder of the training images.")
        validationAnnotationPath = reader.path(
            "val_ann_path", default: .text("/data/raw-data/annotations/instances_val2017.json"),
            mandatoryFor: [.evaluate], usedBy: [.train, .evaluate],
            "COCO file to evaluate on, also while training.")
        validationImageDir = reader.path(
            "val_img_dir", default: .text("/data/raw-data/val2017/"),
            mandatoryFor: [.evaluate], usedBy: [.train, .evaluate],
            "Folder of the images to evaluate on.")
        minObjectSize = reader.number(
            "min_obj_size", default: 2048, in: 0.0..., usedBy: [.train],
            "Training leaves out boxes with this area (px²) or less.")
        maxObjectSize = reader.number(
            "max_obj_size", default: 1e10, in: 0.0..., usedBy: [.train],
            "Training leaves out boxes with this area (px²) or more.")
        workerCountPerGPU = reader.int(
            "num_workers_per_gpu", default: 2, in: 0...1024,
            "Threads that read and crop images, for each device.")
        loadsMasks = reader.flag(
            "load_mask", default: true, usedBy: [.train, .evaluate],
            "Evaluation reads the true masks and measures IoU.")
        cropSize = reader.int(
            "crop_size", default: 512, in: 16...8192,
            "Side of a crop in pixels, a multiple of the patch size. TAO asks for 256 or more. "
                + "`label`, `inference` and `evaluate` take the model file's own (its `crop_size`) "
                + "where this is not set.")
        originOfCropSize = reader.origin("crop_size")
        usesAdaptiveCrops = reader.flag(
            "adaptive_crop", default: false, ours: true, usedBy: [.evaluate, .inference],
            "Small boxes in crops of half and three quarters of crop_size: faster, less exact masks."
        )
        appliesEXIF = reader.flag(
            "apply_exif", default: false, ours: true,
            "Turn images as their EXIF orientation says. TAO does not.")
        scales16Bit = reader.flag(
            "scale_16bit", default: false, ours: true,
            "Map the range of grey images with 16 bits to 0-255. TAO makes values above 255 white.")
        maxPixelCount = reader.int(
            "max_pixels", default: 200_000_000, in: 1...4_000_000_000, ours: true,
            "Images with more pixels are refused before they are decoded.")
        reader.check(
            maxObjectSize > minObjectSize, "max_obj_size", "must be more than dataset.min_obj_size",
            found: "\(maxObjectSize)", others: ["dataset.min_obj_size"])
    }
}

extension DatasetSpec {
    /// What is wrong with the crop size, as a fault of the option or override that set it; nil when a
    /// file did.
    package func cropSizeError(_ rule: String) -> SpecError? {
        guard let place = originOfCropSize.place, place.isOfCommandLine else { return nil }
        return SpecError(
            place: place.description,
            place.message("dataset.crop_size", "must be \(rule)", found: "\(cropSize)"),
            isOfCommandLine: true)
    }
}
