import Annotations
import Files
import Foundation
import Imaging

/// YOLO's text files: a file an image, a line an object: class number, centre, width and height as
/// shares of the image's sides, perhaps a confidence; or class number and the corners of a polygon.
///
/// Labels and images lie in folders that differ in one component, `labels` and `images`, or beside
/// each other. Sizes come from the images' headers.
struct YOLOReader {
    private let source: AnnotationSource

    init(_ source: AnnotationSource) {
        self.source = source
    }

    private static let byteLimit = 64 << 20
    private static let notLabels: Set<String> = [
        "classes.txt", "train.txt", "val.txt", "valid.txt", "test.txt", "trainval.txt",
        "requirements.txt", "notes.txt", "predefined_classes.txt",
    ]

    /// Whether a text file of a data set can be a label file, by its name.
    static func isLabelFile(_ path: String) -> Bool {
        let name = path.split(separator: "/").last?.lowercased() ?? ""
        return !notLabels.contains(name) && !name.hasPrefix("readme")
    }

    func read(into records: inout ImportedRecords) throws {
        let layout = try Layout(source)
        let classes = try layout.classes()
        for name in classes?.names ?? [] { _ = records.category(name) }
        var listing: FolderListing?
        let files: [String]
        if let file = layout.file {
            files = [file]
        } else {
            let found = try FolderListing(layout.labels.isEmpty ? "." : layout.labels)
            files = Self.labelFiles(found)
            listing = found
        }
        let images = try ImageFolder(
            layout.images, appliesEXIF: source.appliesEXIF,
            listing: layout.images == layout.labels ? listing : nil)
        var unused = Set(images.stems)
        for file in files {
            let stem = FolderListing.stem(of: file)
            for name in Self.imageStems(stem) where unused.remove(name) != nil { break }
            add(file, stem, layout, images, classes, to: &records)
        }
        guard layout.file == nil else { return }
        addBackgrounds(unused, images, classes, to: &records)
    }

    /// Only those below a `labels` folder, where there is one.
    private static func labelFiles(_ listing: FolderListing) -> [String] {
        let files = listing.files(withExtensions: ["txt"]).filter(isLabelFile)
        let inside = files.filter { $0.split(separator: "/").dropLast().contains("labels") }
        return inside.isEmpty ? files : inside
    }

    /// Under which names, without extension, an image may lie for a label file.
    private static func imageStems(_ stem: String) -> [String] {
        var parts = stem.split(separator: "/").map(String.init)
        guard let place = parts.dropLast().lastIndex(of: "labels") else { return [stem] }
        parts[place] = "images"
        return [parts.joined(separator: "/"), stem]
    }

    // MARK: Images

    /// Images without a label file have no object: they stay in the data set.
    private func addBackgrounds(
        _ stems: Set<String>, _ images: ImageFolder, _ classes: YOLOClasses?,
        to records: inout ImportedRecords
    ) {
        for stem in stems.sorted() {
            for name in images.images(named: stem) {
                let file = records.places.addFile(images.path + "/" + name)
                let place = ImportPlaces.Place(file: file, number: 0)
                _ = records.image(name, size: try? images.size(of: name), at: place)
            }
        }
    }

    private func add(
        _ name: String, _ stem: String, _ layout: Layout, _ images: ImageFolder,
        _ classes: YOLOClasses?, to records: inout ImportedRecords
    ) {
        let path = LabelFiles.join(layout.labels, name)
        let file = records.places.addFile(path)
        let whole = ImportPlaces.Place(file: file, number: 0)
        let text: [UInt8]
        do {
            text = try FileBytes.text(path: path, kind: "label file", limit: Self.byteLimit)
        } catch {
            return records.add(error, file: file)
        }
        let found =
            Self.imageStems(stem).lazy.map { images.images(named: $0) }
            .first { !$0.isEmpty } ?? []
        guard found.count == 1 else {
            return records.error(
                whole, field: "image",
                expected:
                    "one image of that name in \(images.path) (boxes are shares of its sides)",
                found: found.isEmpty ? "none" : found.joined(separator: ", "))
        }
        let size: Size
        do {
            size = try images.size(of: found[0])
        } catch {
            return records.error(
                whole, field: "image", expected: "an image whose size can be read",
                found: error.description)
        }
        guard let image = records.newImage(found[0], size: size, at: whole) else { return }
        TextFields.lines(text) { number, line in
            let place = ImportPlaces.Place(file: file, number: Int32(clamping: number))
            let fields = TextFields.fields(line)
            guard !fields.isEmpty else { return }
            let object = YOLOLine(fields, size: size, classes: classes)
            do throws(YOLOLine.Fault) {
                let (category, annotation) = try object.annotation(image: image)
                // Without names the classes up to the highest number are called by their numbers.
                while records.categories.count <= category {
                    _ = records.category("\(records.categories.count)")
                }
                var result = annotation
                result.category = Int32(category)
                records.add(result, at: place)
            } catch {
                records.error(
                    place, field: error.field, expected: error.expected, found: error.found)
            }
        }
    }
}

extension YOLOReader {
    /// Where labels, images and names are.
    private struct Layout {
        /// The folder of label files.
        let labels: String
        /// The only label file, relative to ``labels``.
        var file: String?
        let images: String
        private var yaml: String?

        init(_ source: AnnotationSource) throws {
            let path = source.path
            guard FolderListing.isFolder(path) || FolderListing.isFile(path) else {
                throw FileError.unreadable(path: path, reason: "no such file or folder")
            }
            var base = path
            if !FolderListing.isFolder(path) {
                let (folder, names) = LabelFiles.split(path)
                base = folder
                if ["yaml", "yml"].contains(FolderListing.fileExtension(of: path)) {
                    yaml = path
                } else {
                    file = names.first
                }
            } else {
                yaml = YOLOClasses.yamlFile(in: path)
            }
            // A data set as a whole, of which the images folder may be a part.
            let isDataSet = yaml != nil || FolderListing.isFolder(LabelFiles.join(base, "labels"))
            if let folder = source.imagesDirectory, file == nil, isDataSet {
                labels =
                    ImageFolder.counterpart(of: folder, "images", "labels")
                    ?? (FolderListing.isFolder(LabelFiles.join(base, "labels"))
                        ? LabelFiles.join(base, "labels") : base)
            } else {
                labels = base
            }
            images =
                source.imagesDirectory ?? ImageFolder.counterpart(of: labels, "labels", "images")
                ?? (labels.isEmpty ? "." : labels)
        }

        func classes() throws -> YOLOClasses? {
            if let yaml { return try YOLOClasses(yaml: yaml) }
            return try YOLOClasses.nearest(to: labels)
        }
    }
}
