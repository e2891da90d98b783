package import Annotations
import Files
package import Imaging
package import Specs

/// One box on its way to the network.
package struct PlannedBox: Sendable {
    /// Position in the plan.
    package fileprivate(set) var place = 0
    /// Position in the annotation file.
    package let annotation: Int
    /// Position in the file's images.
    package let image: Int
    /// In pixels of the image, as the network's crop takes it.
    package let box: Box
    /// (y1−y0)(x1−x0) in float32, the area that chooses the size bucket (SPEC §5).
    package let area: Float
}

extension PlannedBox {
    /// A box of an image in memory, clipped to it; nil for one that has no pixel of the image.
    package init?(_ box: Box, place: Int, imageSize: Size) {
        guard [box.minX, box.minY, box.maxX, box.maxY].allSatisfy(\.isFinite), box.width > 0,
            box.height > 0, let clipped = box.clipped(to: imageSize), clipped.area > 0
        else { return nil }
        self.init(
            place: place, annotation: place, image: 0, box: clipped, area: float32Area(of: clipped))
    }
}

/// Which boxes are labelled, in which order, and which are not and why. The order groups boxes by
/// image, so that an image is decoded once; it depends on the inputs alone, so that a resumed run
/// forms the same batches.
package struct BoxPlan: Sendable {
    package private(set) var boxes: [PlannedBox] = []
    /// Annotations without a mask in the output, in file order.
    package private(set) var unlabelled: [(annotation: Int, reason: String)] = []
    /// Boxes that reached over the image's edge and were clipped for labelling.
    package private(set) var clippedCount = 0
    /// Size of each image as decoded, by position; nil for images that are not needed or broken.
    package private(set) var imageSizes: [Size?]
    /// Absolute or relative path of each image, by position.
    package private(set) var imagePaths: [String?]

    /// Images with an EXIF orientation, and grey images with 16 bits.
    private var turnedCount = 0
    private var deepCount = 0

    /// Images that have boxes and cannot be used.
    package private(set) var brokenImages: [(image: Int, reason: String)] = []

    /// How boxes are chosen.
    package enum Selection: Equatable, Sendable {
        /// Every box that has pixels in its image, clipped to it.
        case all
        /// What the reference takes (SPEC §2.1); other boxes are left out.
        case tao(TAOFilter)

        /// Whether the box can be among the chosen ones, by the annotation file alone.
        package func mayUse(_ annotation: AnnotationRecord, of file: AnnotationFile) -> Bool {
            guard annotation.obstacle == nil else { return false }
            switch self {
            case .all: return true
            case .tao(let filter): return filter.keeps(annotation, in: file)
            }
        }
    }

    /// Reads the header of every image that has boxes; nothing is decoded.
    package init(
        file: AnnotationFile, imagesDirectory: String, selection: Selection,
        decoding: DecodeOptions, onEvent: RunEventHandler
    ) {
        imageSizes = [Size?](repeating: nil, count: file.images.count)
        imagePaths = [String?](repeating: nil, count: file.images.count)
        var reasons = [String?](repeating: nil, count: file.images.count)
        var byImage: [[PlannedBox]] = []
        var slots = [Int?](repeating: nil, count: file.images.count)
        let total = file.annotations.count
        for (index, annotation) in file.annotations.enumerated() {
            if index % 512 == 0 {
                onEvent(
                    .progress(
                        stage: "checking images", done: index, total: total, unit: "boxes"))
            }
            guard let image = annotation.imageIndex else {
                unlabelled.append((index, LabelObstacle.unknownImage.description))
                continue
            }
            if imageSizes[image] == nil, reasons[image] == nil {
                inspect(
                    file.images[image], at: image, directory: imagesDirectory, decoding: decoding,
                    reason: &reasons[image])
            }
            guard let size = imageSizes[image] else {
                unlabelled.append((index, reasons[image] ?? "image cannot be read"))
                continue
            }
            let box = annotation.box
            switch selection {
            case .all:
                guard box.width > 0, box.height > 0 else {
                    unlabelled.append((index, LabelObstacle.emptyBox.description))
                    continue
                }
                guard let clipped = box.clipped(to: size), clipped.area > 0 else {
                    unlabelled.append((index, LabelObstacle.boxOutsideImage.description))
                    continue
                }
                if clipped != box { clippedCount += 1 }
                append(clipped, annotation: index, image: image, to: &byImage, slots: &slots)
            case .tao(let filter):
                guard filter.keeps(annotation, imageSize: size) else { continue }
                append(box, annotation: index, image: image, to: &byImage, slots: &slots)
            }
        }
        onEvent(.progress(stage: "checking images", done: total, total: total, unit: "boxes"))
        if turnedCount > 0, !decoding.applyEXIF {
            onEvent(
                .note(
                    "note: \(turnedCount) images have an EXIF orientation, which is not applied, as in "
                        + "TAO; --apply-exif (dataset.apply_exif) turns them"))
        }
        if deepCount > 0, !decoding.scales16Bit {
            onEvent(
                .note(
                    "note: \(deepCount) images are grey with 16 bits: values above 255 are white, as in "
                        + "TAO; --scale-16bit (dataset.scale_16bit) maps their range"))
        }
        brokenImages = reasons.enumerated().compactMap { index, reason in
            reason.map { (index, $0) }
        }
        boxes = byImage.flatMap { $0 }
        for place in boxes.indices { boxes[place].place = place }
    }

    /// Whether each image, by position, has boxes and can be used.
    package var usableImages: [Bool] { imageSizes.map { $0 != nil } }

    /// Of which boxes there are and in which order.
    package var hash: UInt64 {
        var hash = FNV1a()
        for box in boxes {
            withUnsafeBytes(of: UInt64(box.annotation).littleEndian) { hash.combine($0) }
        }
        return hash.value
    }

    /// Leaves out all boxes but the first `count`.
    package mutating func keepFirst(_ count: Int) { boxes = Array(boxes.prefix(count)) }

    /// Leaves out all boxes but those of some annotations.
    package mutating func keepOnly(_ annotations: Set<Int>) {
        boxes.removeAll { !annotations.contains($0.annotation) }
    }

    private mutating func append(
        _ box: Box, annotation: Int, image: Int, to byImage: inout [[PlannedBox]],
        slots: inout [Int?]
    ) {
        let planned = PlannedBox(
            annotation: annotation, image: image, box: box, area: float32Area(of: box))
        if let slot = slots[image] {
            byImage[slot].append(planned)
        } else {
            slots[image] = byImage.count
            byImage.append([planned])
        }
    }

    private mutating func inspect(
        _ record: ImageRecord, at index: Int, directory: String, decoding: DecodeOptions,
        reason: inout String?
    ) {
        do {
            let path = directory + "/" + (try record.relativePath())
            let header = try ImageCodec.header(path: path)
            let size = decoding.applyEXIF ? header.orientedSize : header.size
            if header.orientation != 1 { turnedCount += 1 }
            if header.isDeepGrey { deepCount += 1 }
            guard let pixels = size.pixelCount, pixels <= decoding.maxPixels else {
                throw ImageError.tooLarge(file: path, size: size, maxPixels: decoding.maxPixels)
            }
            if let expected = record.size, expected != size {
                reason =
                    "\(path): the image is \(size) pixels, the annotation file says \(expected)"
                    + header.hint(for: expected, isApplied: decoding.applyEXIF)
                return
            }
            imageSizes[index] = size
            imagePaths[index] = path
        } catch {
            reason = printable("\(error)", limit: 300)
        }
    }
}

extension ImageHeader {
    /// What helps where the annotations have a size that the image has after its orientation, or
    /// before it.
    package func hint(for expected: Size, isApplied: Bool) -> String {
        guard expected == (isApplied ? size : orientedSize) else { return "" }
        return isApplied
            ? ", its size before its EXIF orientation is applied (without --apply-exif)"
            : ", its size after its EXIF orientation is applied (--apply-exif)"
    }
}

/// SPEC §5: the corners are rounded to float32 first.
package func float32Area(of box: Box) -> Float {
    (Float(box.maxY) - Float(box.minY)) * (Float(box.maxX) - Float(box.minX))
}
