package import Annotations
import Files
import Foundation
package import Imaging
import Inference
package import MaskModel
package import Specs

/// The boxes to learn from: what the filter of SPEC §2.1 leaves of an annotation file, in file
/// order, and the masks among them that are learned from too (`train.mask_supervision`).
package struct TrainingSet: Sendable {
    /// Why an annotation is not trained on; the first that applies counts.
    package enum DropReason: Int, Sendable, CaseIterable, CustomStringConvertible {
        case unknownImage
        /// Not among those that the run was given.
        case heldOut
        /// The annotation file does not give the image's size and its header cannot be read.
        case unusableImage
        case reachesOutsideImage
        case sideTooShort
        case areaTooSmall
        case areaTooLarge

        package var description: String {
            switch self {
            case .unknownImage: "no image with this image_id"
            case .heldOut: "held out"
            case .unusableImage: "the image cannot be used"
            case .reachesOutsideImage: "the box reaches over the image's edge"
            case .sideTooShort: "a side of the box is 2 pixels or less"
            case .areaTooSmall: "the area is dataset.min_obj_size or less"
            case .areaTooLarge: "the area is dataset.max_obj_size or more"
            }
        }
    }

    package let file: AnnotationFile
    package let imagesDirectory: String
    package let filter: TAOFilter
    package let decoding: DecodeOptions
    /// Positions in `file.annotations` of the samples, in file order.
    package private(set) var annotations: [Int] = []
    /// How many annotations each reason keeps out; only reasons that occur.
    package private(set) var dropCounts: [DropReason: Int] = [:]
    /// Samples of each size bucket; nil: areas on a border, which are in no bucket (SPEC §5).
    package private(set) var bucketCounts: [SizeBucket?: Int] = [:]
    /// Samples of each category, by place in `file.categories`.
    package private(set) var categoryCounts: [Int]
    /// Samples whose category the file does not list.
    package private(set) var uncategorizedCount = 0
    /// Images with boxes that cannot be used, by place in `file.images`.
    package private(set) var unusableImages: [(image: Int, reason: String)] = []
    /// Those of `annotations` whose mask is learned from too.
    package private(set) var maskedAnnotations: Set<Int> = []
    private var imageSizes: [Int: Size] = [:]
    private let given: Set<Int>?

    /// Only images whose size the file does not give are opened.
    ///
    /// - Parameters:
    ///   - given: positions of the annotations that may be learned from; nil for all.
    ///   - masks: which masks are learned from; these are all decoded once.
    /// - Throws: ``LabelingError/fileSystem(path:action:errno:)`` if the images folder is not there,
    ///   ``AnnotationError/invalid(_:)`` for masks that are wrong or not of their image's size.
    package init(
        file: AnnotationFile, imagesDirectory: String, filter: TAOFilter, decoding: DecodeOptions,
        given: Set<Int>? = nil, masks: TrainSpec.MaskSupervision = .none
    ) throws {
        var isDirectory: ObjCBool = false
        let exists = FileManager.default.fileExists(
            atPath: imagesDirectory, isDirectory: &isDirectory)
        guard exists, isDirectory.boolValue else {
            throw FileError.fileSystem(
                path: imagesDirectory, action: "read the training images",
                errno: exists ? ENOTDIR : ENOENT)
        }
        self.file = file
        self.imagesDirectory = imagesDirectory
        self.filter = filter
        self.decoding = decoding
        self.given = given
        categoryCounts = [Int](repeating: 0, count: file.categories.count)
        addSamples()
        try addMasks(masks)
    }

    /// N, the samples of an epoch.
    package var count: Int { annotations.count }
    package var droppedCount: Int { dropCounts.values.reduce(0, +) }
    /// Images that have samples.
    package var imageCount: Int {
        Set(annotations.compactMap { file.annotations[$0].imageIndex }).count
    }

    /// Steps of an epoch; the last batch may be smaller.
    package func batchCount(batchSize: Int) -> Int {
        EpochSampler.batchCount(of: count, batchSize: batchSize)
    }

    /// Opens the header of every image that has samples; nothing is decoded.
    ///
    /// - Returns: the images that training will have to leave out, in file order.
    package func brokenImages() -> [(image: Int, reason: String)] {
        let used = Set(annotations.compactMap { file.annotations[$0].imageIndex }).sorted()
        return used.compactMap { image in
            do {
                let path = try self.path(ofImage: image)
                let header = try ImageCodec.header(path: path)
                let size = decoding.applyEXIF ? header.orientedSize : header.size
                guard let pixels = size.pixelCount, pixels <= decoding.maxPixels else {
                    throw ImageError.tooLarge(file: path, size: size, maxPixels: decoding.maxPixels)
                }
                return sizeFault(of: size, image: image, path: path).map { (image, $0) }
            } catch {
                return (image, "\(error)")
            }
        }
    }

    /// A hash of the sizes and the first bytes of all image files that have samples: other photographs under the
    /// same names have another. Reading every byte would take minutes.
    package func imageHash() -> UInt64 {
        let used = Set(annotations.compactMap { file.annotations[$0].imageIndex }).sorted()
        var hasher = FNV1a()
        for image in used {
            guard let path = try? path(ofImage: image) else { continue }
            let byteCount = ImageIdentity(stampOf: path).byteCount
            withUnsafeBytes(of: byteCount.littleEndian) { hasher.combine($0) }
            guard byteCount > 0, let file = FileHandle(forReadingAtPath: path),
                let start = try? file.read(upToCount: Self.hashedCount)
            else { continue }
            start.withUnsafeBytes { hasher.combine($0) }
        }
        return hasher.value
    }

    private static let hashedCount = 4096

    /// The size by which the filter judged the boxes of an image.
    package func size(ofImage image: Int) -> Size? { file.images[image].size ?? imageSizes[image] }

    /// - Throws: ``AnnotationError/unsafeFileName(_:reason:)``.
    package func path(ofImage image: Int) throws -> String {
        imagesDirectory + "/" + (try file.images[image].relativePath())
    }

    /// What is wrong with an image that turns out to have `size`.
    func sizeFault(of size: Size, image: Int, path: String) -> String? {
        guard let expected = self.size(ofImage: image), expected != size else { return nil }
        return "\(path): the image is \(size) pixels, the annotation file says \(expected)"
    }

    private mutating func addSamples() {
        var unusable: [Int: String] = [:]
        for annotation in file.annotations {
            if let reason = dropReason(of: annotation, unusable: &unusable) {
                dropCounts[reason, default: 0] += 1
                continue
            }
            annotations.append(annotation.index)
            let bucket = SizeBucket(area: float32Area(of: annotation.box), border: .neither)
            bucketCounts[bucket, default: 0] += 1
            if let category = annotation.categoryIndex {
                categoryCounts[category] += 1
            } else {
                uncategorizedCount += 1
            }
        }
        unusableImages = unusable.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    private mutating func addMasks(_ masks: TrainSpec.MaskSupervision) throws {
        guard masks != .none else { return }
        var problems = ProblemList(file: file.path)
        for index in annotations {
            let annotation = file.annotations[index]
            guard masks == .all || file.reviewState(of: annotation) == "accepted" else { continue }
            do {
                if try mask(of: annotation) != nil { maskedAnnotations.insert(index) }
            } catch {
                guard case AnnotationError.problem(let problem) = error else { throw error }
                problems.add(
                    .error, at: problem.file, problem.subject, field: problem.field,
                    expected: problem.expected, found: problem.found)
            }
        }
        guard problems.errorCount == 0 else { throw AnnotationError.invalid(problems) }
    }

    /// Nil without a pixel.
    private func mask(of annotation: AnnotationRecord) throws -> RLE? {
        guard let size = annotation.imageIndex.flatMap({ size(ofImage: $0) }),
            let mask = try file.truth(of: annotation, imageSize: size), mask.area > 0
        else { return nil }
        return mask
    }

    /// The mask that an annotation is learned from; nil where the box alone is.
    func truth(of annotation: AnnotationRecord) throws -> Mask? {
        guard maskedAnnotations.contains(annotation.index) else { return nil }
        return try mask(of: annotation)?.mask(maxPixels: decoding.maxPixels)
    }

    private mutating func dropReason(
        of annotation: AnnotationRecord, unusable: inout [Int: String]
    ) -> DropReason? {
        guard let image = annotation.imageIndex else { return .unknownImage }
        guard given?.contains(annotation.index) ?? true else { return .heldOut }
        guard unusable[image] == nil else { return .unusableImage }
        let size: Size
        do {
            size = try usableSize(ofImage: image)
        } catch {
            unusable[image] = "\(error)"
            return .unusableImage
        }
        if filter.keeps(annotation, imageSize: size) { return nil }
        let area = annotation.width * annotation.height
        guard
            annotation.x >= 0, annotation.y >= 0,
            annotation.x + annotation.width <= Double(size.width),
            annotation.y + annotation.height <= Double(size.height)
        else { return .reachesOutsideImage }
        guard annotation.width > 2, annotation.height > 2 else { return .sideTooShort }
        return area > filter.minArea ? .areaTooLarge : .areaTooSmall
    }

    private mutating func usableSize(ofImage image: Int) throws -> Size {
        let path = try self.path(ofImage: image)
        if let size = size(ofImage: image) { return size }
        let header = try ImageCodec.header(path: path)
        let size = decoding.applyEXIF ? header.orientedSize : header.size
        imageSizes[image] = size
        return size
    }
}
