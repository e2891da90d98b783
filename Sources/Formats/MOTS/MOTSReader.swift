import Annotations
import Files
import Imaging

/// KITTI MOTS: `instances/SEQUENCE/FRAME.png`, whose pixels are 1000 × class + instance, or
/// `instances_txt/SEQUENCE.txt`, a line an instance: frame, id, class, height, width, run lengths as
/// pycocotools has them. Class 10 are regions to ignore, which become crowds.
struct MOTSReader {
    private let source: AnnotationSource

    init(_ source: AnnotationSource) {
        self.source = source
    }

    static let imageFolder = "instances"
    static let textFolder = "instances_txt"
    private static let ignored = 10
    private static let customary = [1: "car", 2: "pedestrian"]
    private static let byteLimit = 4 << 30

    private func legend(_ folders: [String]) throws -> LabelLegend {
        try LabelLegend(in: folders, customary: Self.customary)
    }

    /// Where the tables lie: at the top of the data set, above the folder of labels.
    private func folders(_ labels: String) -> [String] {
        FolderListing.isFolder(source.path)
            ? [source.path, LabelFiles.join(source.path, "..")] : [LabelFiles.join(labels, "..")]
    }

    /// The category of an instance; nil, after an error, for a class that the legend does not have.
    private func category(
        _ number: Int, _ legend: LabelLegend, _ place: ImportPlaces.Place, field: String,
        _ records: inout ImportedRecords
    ) -> Int32? {
        if number == Self.ignored { return records.category("ignored") }
        if number > 0, let category = legend.category(number, in: &records) { return category }
        records.error(place, field: field, expected: legend.expectation, found: "\(number)")
        return nil
    }

    private func instance(
        _ mask: RLE, image: Int32, class number: Int, category: Int32, track: Int
    ) -> ImportedRecords.Annotation {
        var result = ImportedRecords.Annotation(image: image, category: category, mask: mask)
        result.isCrowd = number == Self.ignored
        if !result.isCrowd { result.members.add("track_id", integer: track) }
        return result
    }

    // MARK: Images

    func readImages(into records: inout ImportedRecords) throws {
        let files = try LabelFiles(of: source, withExtension: "png") { path in
            let folder = LabelFiles.join(path, Self.imageFolder)
            return FolderListing.isFolder(folder) ? folder : nil
        }
        records.places.unit = "id"
        let legend = try legend(folders(files.folder))
        let frames = try MOTSFrameTable(in: folders(files.folder))
        legend.declare(in: &records)
        for name in files.names { add(files.path(name), name, legend, frames, to: &records) }
        guard FolderListing.isFolder(source.path) else { return }
        frames.checkComplete(files.names.compactMap(Self.frame), in: &records)
    }

    /// `0001/000003.png` is frame 3 of sequence `0001`.
    private static func frame(_ name: String) -> MOTSFrame? {
        let parts = FolderListing.stem(of: name).split(separator: "/")
        guard let last = parts.last, last.allSatisfy(\.isNumber), let number = Int(last) else {
            return nil
        }
        let sequence = parts.dropLast().joined(separator: "/")
        return MOTSFrame(sequence: sequence, number: number)
    }

    private func add(
        _ path: String, _ name: String, _ legend: LabelLegend, _ frames: MOTSFrameTable,
        to records: inout ImportedRecords
    ) {
        let file = records.places.addFile(path)
        let whole = ImportPlaces.Place(file: file, number: 0)
        guard let frame = Self.frame(name) else {
            return records.error(
                whole, expected: "a frame's number as the file's name", found: name.quoted)
        }
        let labels: LabelImage
        do {
            labels = try LabelImage(path: path)
        } catch {
            return records.add(error, file: file)
        }
        guard
            let image = records.newImage(
                frames.image(frame, source), size: labels.size, at: whole)
        else { return }
        for (id, mask) in labels.masks() {
            let pixel = labels.firstPixel(of: mask)
            guard id >= 1000 else {
                records.error(
                    whole, field: pixel, expected: "1000 × class + instance", found: "\(id)")
                continue
            }
            guard let category = category(id / 1000, legend, whole, field: pixel, &records) else {
                continue
            }
            records.add(
                instance(
                    mask, image: image, class: id / 1000, category: category, track: id % 1000),
                at: ImportPlaces.Place(file: file, number: Int32(id)))
        }
    }

    // MARK: Text

    func readText(into records: inout ImportedRecords) throws {
        let files = try LabelFiles(of: source, withExtension: "txt") { path in
            let folder = LabelFiles.join(path, Self.textFolder)
            return FolderListing.isFolder(folder) ? folder : nil
        }
        let legend = try legend(folders(files.folder))
        let frames = try MOTSFrameTable(in: folders(files.folder))
        legend.declare(in: &records)
        frames.declare(in: &records)
        for name in files.names {
            let path = files.path(name)
            let file = records.places.addFile(path)
            do {
                let text = try FileBytes.text(
                    path: path, kind: "label file", limit: Self.byteLimit)
                add(text, file, FolderListing.stem(of: name), legend, frames, to: &records)
            } catch {
                records.add(error, file: file)
            }
        }
    }

    private func add(
        _ text: [UInt8], _ file: Int32, _ sequence: String, _ legend: LabelLegend,
        _ frames: MOTSFrameTable, to records: inout ImportedRecords
    ) {
        // Frame and id, of at most nine digits each.
        var seen: Set<Int> = []
        TextFields.lines(text) { number, line in
            let place = ImportPlaces.Place(file: file, number: Int32(clamping: number))
            guard !line.allSatisfy({ $0 == 0x20 }) else { return }
            do throws(MOTSLine.Fault) {
                let object = try MOTSLine(line)
                guard
                    object.kind == Self.ignored
                        || seen.insert(object.frame * 1_000_000_000 + object.id).inserted
                else {
                    throw MOTSLine.Fault(
                        field: "id", expected: "an id of its own in its frame",
                        found: "\(object.id)")
                }
                let frame = MOTSFrame(sequence: sequence, number: object.frame)
                let image = records.image(
                    frames.image(frame, source), size: object.mask.size, at: place)
                if let size = records.images[Int(image)].size, size != object.mask.size {
                    throw MOTSLine.Fault(
                        field: "height, width", expected: "\(size), its image's size",
                        found: "\(object.mask.size)")
                }
                guard
                    let category = category(object.kind, legend, place, field: "class", &records)
                else { return }
                let isPlain = object.id / 1000 == object.kind
                records.add(
                    instance(
                        object.mask, image: image, class: object.kind, category: category,
                        track: isPlain ? object.id % 1000 : object.id), at: place)
            } catch {
                records.error(
                    place, field: error.field, expected: error.expected, found: error.found)
            }
        }
    }
}
