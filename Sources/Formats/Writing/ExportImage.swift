package import Annotations
import Files
package import Imaging

/// One annotation as writers take it.
package struct ExportInstance {
    let record: AnnotationRecord
    /// Nil where the annotation has no mask.
    package let mask: RLE?
    /// The mask's polygons where the annotations have it in this form.
    let polygons: [[Double]]?
    package let score: Double?
    /// The number that the instance has in all frames of a video.
    let track: Int?
    /// The instance's place in the file's categories.
    var category: Int? { record.categoryIndex }
}

/// One image with its annotations, in file order.
struct ExportImage {
    let record: ImageRecord
    let size: Size
    /// The image's name without extension, another for each image, folders included.
    let stem: String
    var instances: [ExportInstance]
}

/// Names for files of images: their own, without the extension.
struct ImageStems {
    private var taken: Set<String> = []

    /// The stem, and whether it differs from the image's because that was taken.
    mutating func stem(for record: ImageRecord) throws -> (String, isChanged: Bool) {
        let path = try record.relativePath()
        // Without "." and empty components, which name the same file.
        let parts = path.split(separator: "/").filter { $0 != "." }
        let whole = parts.joined(separator: "/")
        let stem = Self.withoutExtension(whole)
        if taken.insert(stem).inserted { return (stem, false) }
        var name = whole
        var number = 2
        while !taken.insert(name).inserted {
            name = "\(whole)-\(number)"
            number += 1
        }
        return (name, true)
    }

    static func withoutExtension(_ path: String) -> String {
        guard let dot = path.lastIndex(of: "."), dot != path.startIndex,
            !path[dot...].contains("/"), path[path.index(before: dot)] != "/"
        else { return path }
        return String(path[..<dot])
    }
}

/// The annotations of a file image by image; only one image's masks are in memory at a time.
package struct ExportSource {
    let file: AnnotationFile
    let options: ExportOptions
    private let index: AnnotationIndex

    package init(_ file: AnnotationFile, options: ExportOptions) {
        self.file = file
        self.options = options
        index = AnnotationIndex(file)
    }

    /// - Parameters:
    ///   - traits: what the format has room for: without masks, they are not decoded.
    ///   - body: called for each image in file order, also for one without annotations.
    func forEachImage(
        _ traits: FormatTraits, keptKeys: Set<String>? = nil, report: inout ExportReport,
        _ body: (ExportImage, inout ExportReport) throws -> Void
    ) throws {
        var stems = ImageStems()
        report.annotationCount = file.annotations.count
        report.add(.withoutImage, file.annotations.count - index.count)
        for record in file.images {
            let size = try size(of: record)
            let (stem, isChanged) = try stems.stem(for: record)
            if isChanged { report.add(.renamedImages) }
            var image = ExportImage(record: record, size: size, stem: stem, instances: [])
            for place in index[image: record.index] {
                image.instances.append(
                    try instance(
                        file.annotations[place], size: size, needsMasks: traits.contains(.masks)))
            }
            if let keptKeys { countLostKeys(of: image, keptKeys, &report) }
            image.drop(traits, &report)
            try body(image, &report)
            report.imageCount += 1
        }
    }

    /// What every format has a place of its own for, or counts by itself.
    private static let commonKeys: Set<String> = [
        "id", "image_id", "category_id", "bbox", "area", "segmentation", "iscrowd", "score",
        "mask_score", "track_id",
    ]

    private func countLostKeys(
        of image: ExportImage, _ kept: Set<String>, _ report: inout ExportReport
    ) {
        file.bytes.withBytes { content in
            for instance in image.instances {
                var scanner = JSONScanner(content, instance.record.range)
                let text = scanner
                scanner.members { key, _ in
                    guard let name = text.text(key), !Self.commonKeys.contains(name),
                        !kept.contains(name)
                    else { return }
                    report.add(lostKey: name)
                }
            }
        }
    }

    package func instance(
        _ record: AnnotationRecord, size: Size, needsMasks: Bool
    ) throws -> ExportInstance {
        let numbers = file.numbers(["score", "mask_score", "track_id"], of: record)
        var polygons: [[Double]]?
        var mask: RLE?
        if needsMasks {
            mask = try file.truth(of: record, imageSize: size)
            if case .polygons(let given) = try file.segmentation(of: record) { polygons = given }
        }
        return ExportInstance(
            record: record, mask: mask, polygons: polygons, score: numbers[0] ?? numbers[1],
            track: numbers[2].flatMap(Int.init(exactly:)))
    }

    /// As the file says, else as the image's own header does.
    package func size(of record: ImageRecord) throws -> Size {
        if let size = record.size { return size }
        guard let directory = options.imagesDirectory else {
            throw AnnotationError.problem(
                Problem(
                    .error, file: file.path, .image(index: record.index, id: record.id),
                    field: "width, height",
                    expected: "the image's size (or the folder of images: --images)",
                    found: "nothing"))
        }
        do {
            let header = try ImageCodec.header(path: directory + "/" + record.relativePath())
            return options.appliesEXIF ? header.orientedSize : header.size
        } catch let error as ImageError {
            throw AnnotationError.problem(
                Problem(
                    .error, file: file.path, .image(index: record.index, id: record.id),
                    field: "width, height", expected: "an image that tells its size",
                    found: error.description))
        } catch {
            throw FileError.unreadable(path: file.path, reason: "\(error)")
        }
    }
}
