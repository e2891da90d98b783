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

    /// An image and its label file.
    struct Entry {
        /// Nil for an image without one: it has no object.
        let labels: String?
        let image: String
        /// The image's name in the data set.
        let name: String
    }

    func read(into records: inout ImportedRecords) throws {
        let layout = try Layout(source)
        let classes = try layout.classes()
        for name in classes?.names ?? [] { _ = records.category(name) }
        // A part of a data set that is named itself is all that is meant.
        let splits = layout.isDataSet ? try classes.flatMap { try splitEntries($0, &records) } : nil
        let entries = try splits ?? labelEntries(layout, into: &records)
        var kind = YOLOKind(classes?.keypoints, isPose: source.format == .yoloPose)
        var texts: [[UInt8]?] = []
        for entry in entries { texts.append(text(of: entry, into: &records)) }
        for case let text? in texts { kind.survey(text) }
        do throws(YOLOKind.Ambiguity) {
            try kind.decide()
        } catch {
            records.error(
                ImportPlaces.Place(file: records.places.addFile(source.path), number: 0),
                expected: "lines of one kind (--format yolo, yolo-seg or yolo-pose says which)",
                found: error.line)
            return
        }
        if let note = kind.note { records.problems.note("\(source.path): \(note)") }
        var turned = 0
        for (entry, text) in zip(entries, texts) {
            add(entry, text, classes, kind, to: &records, &turned)
        }
        if turned > 0, !source.appliesEXIF {
            records.problems.note(
                "\(turned) images have an EXIF orientation, which is not applied, as in TAO: boxes are "
                    + "shares of the stored sides; --apply-exif turns them")
        }
    }

    // MARK: Which images

    /// What `data.yaml` names as its parts; nil where it names none that is there, or none in the
    /// folder of images that was given.
    private func splitEntries(
        _ classes: YOLOClasses, _ records: inout ImportedRecords
    ) throws -> [Entry]? {
        let splits = try YOLOSplits(classes)
        if !splits.missing.isEmpty {
            records.problems.note(
                "\(classes.path): not there and left out: "
                    + splits.missing.prefix(3).joined(separator: ", ")
                    + (splits.missing.count > 3 ? " and \(splits.missing.count - 3) more" : ""))
        }
        guard !splits.images.isEmpty else { return nil }
        let folder = source.imagesDirectory ?? splits.root
        let base = YOLOSplits.standard(folder) + "/"
        let inside = splits.images.filter { $0.hasPrefix(base) }
        guard !inside.isEmpty || source.imagesDirectory == nil else { return nil }
        if inside.count < splits.images.count {
            records.problems.note(
                "\(classes.path): \(splits.images.count - inside.count) of \(splits.images.count) "
                    + "images are outside of \(folder) and are left out")
        }
        return inside.map { path in
            let labels = YOLOSplits.labels(ofImage: path)
            return Entry(
                labels: FolderListing.isFile(labels) ? splits.shown(labels) : nil,
                image: splits.shown(path), name: String(path.dropFirst(base.count)))
        }
    }

    /// Each label file with its image, and the images that have none.
    private func labelEntries(
        _ layout: Layout, into records: inout ImportedRecords
    ) throws -> [Entry] {
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
        var entries: [Entry] = []
        for file in files {
            let path = LabelFiles.join(layout.labels, file)
            let stems = Self.imageStems(FolderListing.stem(of: file))
            guard let stem = stems.first(where: { !images.images(named: $0).isEmpty }) else {
                wrongImage(path, layout, "none", &records)
                continue
            }
            unused.remove(stem)
            let found = images.images(named: stem)
            guard found.count == 1 else {
                wrongImage(path, layout, found.joined(separator: ", "), &records)
                continue
            }
            entries.append(
                Entry(labels: path, image: images.path + "/" + found[0], name: found[0]))
        }
        guard layout.file == nil else { return entries }
        for stem in unused.sorted() {
            for name in images.images(named: stem) {
                entries.append(Entry(labels: nil, image: images.path + "/" + name, name: name))
            }
        }
        return entries
    }

    private func wrongImage(
        _ labels: String, _ layout: Layout, _ found: String, _ records: inout ImportedRecords
    ) {
        records.error(
            ImportPlaces.Place(file: records.places.addFile(labels), number: 0), field: "image",
            expected: "one image of that name in \(layout.images) (boxes are shares of its sides)",
            found: found)
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
        var stems = [stem]
        if let place = parts.dropLast().lastIndex(of: "labels") {
            parts[place] = "images"
            stems.insert(parts.joined(separator: "/"), at: 0)
        }
        // Darknet keeps labels in a folder of its own, and images may be elsewhere.
        if parts.count > 1, let last = parts.last { stems.append(last) }
        return stems
    }

    // MARK: Records

    private func text(of entry: Entry, into records: inout ImportedRecords) -> [UInt8]? {
        guard let path = entry.labels else { return nil }
        do {
            return try FileBytes.text(path: path, kind: "label file", limit: Self.byteLimit)
        } catch {
            records.add(error, file: records.places.addFile(path))
            return nil
        }
    }

    private func add(
        _ entry: Entry, _ text: [UInt8]?, _ classes: YOLOClasses?, _ kind: YOLOKind,
        to records: inout ImportedRecords, _ turned: inout Int
    ) {
        let file = records.places.addFile(entry.labels ?? entry.image)
        let whole = ImportPlaces.Place(file: file, number: 0)
        let size: Size
        do {
            let header = try ImageCodec.header(path: entry.image)
            size = source.appliesEXIF ? header.orientedSize : header.size
            if header.orientation != 1 { turned += 1 }
        } catch {
            if entry.labels == nil {
                _ = records.image(entry.name, size: nil, at: whole)
                return
            }
            return records.error(
                whole, field: "image", expected: "an image whose size can be read",
                found: error.description)
        }
        guard let image = records.newImage(entry.name, size: size, at: whole), let text else {
            return
        }
        TextFields.lines(text) { number, line in
            let place = ImportPlaces.Place(file: file, number: Int32(clamping: number))
            let fields = TextFields.fields(line)
            guard !fields.isEmpty else { return }
            let object = YOLOLine(
                fields, size: size, classes: classes, kind: kind,
                fill: source.polygonFill ?? .centres)
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
        /// Whether a `data.yaml` was named, or its folder.
        var isDataSet: Bool { yaml != nil }

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
