import Annotations
import Files
import Imaging

/// COCO panoptic. Each segment is a record: its mask is the pixels whose colour is the segment's
/// id, red + 256 green + 65536 blue.
struct PanopticReader {
    private let source: AnnotationSource
    private let path: String
    private let folder: String

    static let fileName = "panoptic.json"
    static let folderName = "panoptic"

    init(_ source: AnnotationSource) {
        self.source = source
        path =
            FolderListing.isFolder(source.path)
            ? LabelFiles.join(source.path, Self.fileName) : source.path
        // COCO's own folder has the file's name.
        let parent = LabelFiles.split(path).folder
        let folders = [FolderListing.stem(of: path), LabelFiles.join(parent, Self.folderName)]
        folder = folders.first(where: FolderListing.isFolder) ?? parent
    }

    func read(into records: inout ImportedRecords) throws {
        records.places.unit = "annotation"
        let file = records.places.addFile(path)
        let root = try JSONDocument(path: path).root
        let categories = categories(root, file, &records)
        let images = images(root, file, &records)
        for (index, value) in (root["annotations"]?.elements ?? []).enumerated() {
            let place = ImportPlaces.Place(file: file, number: Int32(clamping: index + 1))
            let annotation = value.members
            guard let id = annotation["image_id"].flatMap(Self.id), let image = images[id] else {
                records.error(
                    place, field: "image_id", expected: "the id of an image",
                    found: annotation["image_id"]?.snippet ?? "nothing")
                continue
            }
            add(annotation, image, categories, at: place, to: &records)
        }
    }

    private static func id(_ value: JSONValue) -> RecordID? {
        value.numberID ?? value.text.map(RecordID.text)
    }

    private static func repeated(
        _ id: RecordID, _ row: String, _ file: Int32, _ records: inout ImportedRecords
    ) {
        records.error(
            ImportPlaces.Place(file: file, number: 0), field: row + ".id",
            expected: "an id of its own", found: "\(id) once more")
    }

    private func categories(
        _ root: JSONValue, _ file: Int32, _ records: inout ImportedRecords
    ) -> [RecordID: Int32] {
        var categories: [RecordID: Int32] = [:]
        for (index, value) in (root["categories"]?.elements ?? []).enumerated() {
            let category = value.members
            guard let id = category["id"].flatMap(Self.id), let name = category["name"]?.text else {
                records.error(
                    ImportPlaces.Place(file: file, number: 0), field: "categories[\(index)]",
                    expected: "an id and a name", found: value.snippet)
                continue
            }
            var members = JSONMembers()
            for (key, value) in category.all where key != "id" && key != "name" {
                members.add(key, json: value.json)
            }
            guard
                categories.updateValue(
                    records.category(name, id: id, members: members), forKey: id) == nil
            else {
                Self.repeated(id, "categories[\(index)]", file, &records)
                continue
            }
        }
        return categories
    }

    private func images(
        _ root: JSONValue, _ file: Int32, _ records: inout ImportedRecords
    ) -> [RecordID: (name: String, size: Size?)] {
        var images: [RecordID: (name: String, size: Size?)] = [:]
        for (index, value) in (root["images"]?.elements ?? []).enumerated() {
            let image = value.members
            guard let id = image["id"].flatMap(Self.id), let name = image["file_name"]?.text,
                !name.isEmpty
            else {
                records.error(
                    ImportPlaces.Place(file: file, number: 0), field: "images[\(index)]",
                    expected: "an id and a file_name", found: value.snippet)
                continue
            }
            var size: Size?
            if let height = image["height"]?.integer, let width = image["width"]?.integer,
                (1...0x7FFF_FFFF).contains(height), (1...0x7FFF_FFFF).contains(width)
            {
                size = Size(height: height, width: width)
            }
            let (found, _) = source.image(among: [name])
            guard images.updateValue((found, size), forKey: id) == nil else {
                Self.repeated(id, "images[\(index)]", file, &records)
                continue
            }
            let place = ImportPlaces.Place(file: file, number: 0)
            records.setID(id, ofImage: records.image(found, size: size, at: place))
        }
        return images
    }

    private func add(
        _ annotation: JSONObject, _ image: (name: String, size: Size?),
        _ categories: [RecordID: Int32], at place: ImportPlaces.Place,
        to records: inout ImportedRecords
    ) {
        guard let name = annotation["file_name"]?.text, ImageRecord.fault(in: name) == nil else {
            return records.error(
                place, field: "file_name", expected: "a path inside the folder of PNG files",
                found: annotation["file_name"]?.snippet ?? "nothing")
        }
        let path = LabelFiles.join(folder, name)
        let masks: [UInt32: RLE]
        do throws(ImageError) {
            let map = try ColorImage(path: path)
            if let size = image.size, size != map.size {
                return records.error(
                    place, field: "file_name", expected: "a PNG of \(size), as its image has",
                    found: "\(map.size)")
            }
            _ = records.image(image.name, size: map.size, at: place)
            masks = map.masks()
        } catch {
            return records.error(
                place, field: "file_name", expected: "a PNG of segments", found: error.description)
        }
        let number = records.image(image.name, size: nil, at: place)
        var known: Set<UInt32> = []
        for (index, value) in (annotation["segments_info"]?.elements ?? []).enumerated() {
            let field = "segments_info[\(index)]"
            let segment = value.members
            guard let id = segment["id"]?.integer, (1..<1 << 24).contains(id) else {
                records.error(
                    place, field: field + ".id", expected: "a whole number from 1 to 16777215",
                    found: segment["id"]?.snippet ?? "nothing")
                continue
            }
            guard let category = segment["category_id"].flatMap(Self.id).flatMap({ categories[$0] })
            else {
                records.error(
                    place, field: field + ".category_id", expected: "the id of a category",
                    found: segment["category_id"]?.snippet ?? "nothing")
                continue
            }
            // The lowest byte is red.
            let color = UInt32(id & 255) << 16 | UInt32(id >> 8 & 255) << 8 | UInt32(id >> 16)
            known.insert(color)
            guard let mask = masks[color] else {
                records.warn(
                    place, field: field, expected: "pixels of segment \(id) in \(name)",
                    found: "none: it is left out")
                continue
            }
            var record = ImportedRecords.Annotation(
                image: number, category: category, mask: mask)
            record.id = .integer(Int64(id))
            record.isCrowd = segment["iscrowd"]?.number == 1
            record.members.add("segment_id", integer: id)
            for (key, value) in segment.all where !Self.ownKeys.contains(key) {
                record.members.add(key, json: value.json)
            }
            records.add(record, at: place)
        }
        let unknown = masks.keys.filter { !known.contains($0) }
        if let color = unknown.min() {
            records.warn(
                place, field: "segments_info", expected: "an entry for every colour of \(name)",
                found: "none for \(unknown.count), \(ColorImage.text(color)) among them")
        }
    }

    private static let ownKeys: Set<String> = [
        "id", "category_id", "iscrowd", "bbox", "area", "image_id", "segmentation", "segment_id",
    ]
}
