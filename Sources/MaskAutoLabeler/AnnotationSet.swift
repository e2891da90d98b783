public import Annotations
import Files
public import Formats
public import Imaging
public import Inference
public import Specs

/// The images, categories and annotations of a data set, in memory.
///
/// It holds what all formats have in common. ``ConvertJob`` goes from file to file and keeps everything that both
/// formats have room for.
public struct AnnotationSet: Sendable, Equatable {
    /// An image of the data set, by name.
    public struct Photograph: Sendable, Equatable {
        public var id: RecordID
        /// Below the folder of images.
        public var fileName: String
        public var size: Size

        public init(id: RecordID, fileName: String, size: Size) {
            self.id = id
            self.fileName = fileName
            self.size = size
        }
    }

    public struct Category: Sendable, Equatable {
        public var id: RecordID
        public var name: String

        public init(id: RecordID, name: String) {
            self.id = id
            self.name = name
        }
    }

    /// An object in an image.
    public struct Object: Sendable, Equatable {
        public var id: RecordID
        /// Of its ``Photograph``.
        public var image: RecordID
        /// Of its ``Category``.
        public var category: RecordID
        /// In pixels of the image.
        public var box: Box
        /// Of the image's size.
        public var mask: RLE?
        /// 0 to 1.
        public var score: Double?
        public var isCrowd = false

        public init(
            id: RecordID, image: RecordID, category: RecordID, box: Box, mask: RLE? = nil,
            score: Double? = nil
        ) {
            self.id = id
            self.image = image
            self.category = category
            self.box = box
            self.mask = mask
            self.score = score
        }
    }

    public var images: [Photograph] = []
    public var categories: [Category] = []
    public var objects: [Object] = []

    public init() {}

    /// Reads annotations of any format; objects without an image or a category that the data set lists are left out.
    ///
    /// - Parameters:
    ///   - path: a file, or the folder of a format that has one.
    ///   - images: the folder of images, for sizes that the annotations do not give.
    ///   - onEvent: hears what is odd about the annotations.
    /// - Throws: `AnnotationError` and `FileError` that name the file, the record and the field.
    public static func read(
        _ path: String, images: String? = nil, appliesEXIF: Bool = false,
        options: InputOptions = InputOptions(), onEvent: RunEventHandler = { _ in }
    ) throws -> AnnotationSet {
        let file = try readAnnotations(
            options.source(path, imagesDirectory: images, appliesEXIF: appliesEXIF),
            onEvent: onEvent)
        let source = ExportSource(
            file, options: try ExportSettings().options(images: images, appliesEXIF: appliesEXIF))
        var set = AnnotationSet()
        set.images = try file.images.map {
            Photograph(id: $0.id, fileName: $0.fileName, size: try source.size(of: $0))
        }
        set.categories = file.categories.map { Category(id: $0.id, name: $0.name ?? "\($0.id)") }
        for record in file.annotations {
            guard let image = record.imageIndex, let category = record.categoryIndex else {
                continue
            }
            let instance = try source.instance(
                record, size: set.images[image].size, needsMasks: true)
            var object = Object(
                id: record.id, image: record.imageID, category: set.categories[category].id,
                box: record.box, mask: instance.mask, score: instance.score)
            object.isCrowd = record.isCrowd
            set.objects.append(object)
        }
        return set
    }

    /// Writes the set in any format that mal writes. What the format has no room for goes to `onEvent`.
    ///
    /// - Parameters:
    ///   - path: a file, or a folder where the format is one; what is there stays unless
    ///     ``ExportSettings/overwrites`` says otherwise.
    ///   - images: the folder of images, for formats that copy or link them.
    /// - Throws: `AnnotationError` that names the object and the field, for a box that can't be, for instance;
    ///   `FileError`.
    @discardableResult
    public func write(
        to path: String, format: AnnotationFormat = .coco, images: String? = nil,
        settings: ExportSettings = ExportSettings(), onEvent: @escaping RunEventHandler = { _ in },
        shouldStop: () -> Bool = { false }
    ) throws -> ConversionSummary {
        try ConvertJob(
            to: path, format: format.name, imagesDirectory: images, appliesEXIF: false,
            settings: settings, onEvent: onEvent
        ) {
            let name = "the annotation set"
            return try AnnotationFile(
                AnnotationReader(path: name, bytes: FileBytes(document, path: name)), path: name)
        }.run(shouldStop: shouldStop)
    }

    /// As COCO JSON.
    private var document: [UInt8] {
        var text = TextBuffer()
        func list<Record>(
            _ key: String, _ records: [Record], id: (Record) -> RecordID,
            _ rest: (Record) -> Void
        ) {
            text.append("\"\(key)\": [")
            for (place, record) in records.enumerated() {
                text.append(place == 0 ? "{\"id\": " : ",\n{\"id\": ")
                text.append(json: id(record))
                rest(record)
                text.append("}")
            }
            text.append("]")
        }
        text.append("{")
        list("images", images, id: \.id) {
            text.append(", \"file_name\": ")
            text.append(json: $0.fileName)
            text.append(", \"width\": \($0.size.width), \"height\": \($0.size.height)")
        }
        text.append(",\n")
        list("annotations", objects, id: \.id) { object in
            text.append(", \"image_id\": ")
            text.append(json: object.image)
            text.append(", \"category_id\": ")
            text.append(json: object.category)
            let box = [object.box.minX, object.box.minY, object.box.width, object.box.height]
            text.append(", \"bbox\": [" + box.map(jsonNumber).joined(separator: ", ") + "]")
            text.append(", \"iscrowd\": \(object.isCrowd ? 1 : 0)")
            if let mask = object.mask {
                text.append(", \"area\": \(mask.area), \"segmentation\": ")
                text.bytes += AnnotationResult(mask).segmentation(isSpaced: true)
            }
            if let score = object.score { text.append(", \"score\": " + jsonNumber(score)) }
        }
        text.append(",\n")
        list("categories", categories, id: \.id) {
            text.append(", \"name\": ")
            text.append(json: $0.name)
        }
        text.append("}\n")
        return text.bytes
    }
}
