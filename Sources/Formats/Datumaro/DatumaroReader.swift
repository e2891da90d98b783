import Annotations
import Files
import Foundation
import Imaging

/// Datumaro's JSON: boxes, polygons and masks of items. What has no box is left out with a warning.
struct DatumaroReader {
    private let source: AnnotationSource

    static let folderName = "annotations"

    init(_ source: AnnotationSource) {
        self.source = source
    }

    func read(into records: inout ImportedRecords) throws {
        records.places.unit = "item"
        let files = try LabelFiles(of: source, withExtension: "json") { path in
            let folder = LabelFiles.join(path, Self.folderName)
            return FolderListing.isFolder(folder) ? folder : nil
        }
        for name in files.names {
            let path = files.path(name)
            let file = records.places.addFile(path)
            do {
                try add(JSONDocument(path: path).root, file, to: &records)
            } catch {
                records.add(error, file: file)
            }
        }
    }

    private func add(_ root: JSONValue, _ file: Int32, to records: inout ImportedRecords) throws {
        guard let items = root["items"], items.isArray else {
            return records.error(
                ImportPlaces.Place(file: file, number: 0), field: "items",
                expected: "Datumaro's list of items", found: root["items"]?.snippet ?? "nothing")
        }
        let labels = root["categories"]?["label"]?["labels"]?.elements ?? []
        let names = labels.map { $0["name"]?.text ?? "" }
        for (index, name) in names.enumerated() {
            if name.isEmpty {
                records.error(
                    ImportPlaces.Place(file: file, number: 0),
                    field: "categories.label.labels[\(index)].name", expected: "a name",
                    found: labels[index].snippet)
            } else {
                records.category(name)
            }
        }
        for (index, item) in items.elements.enumerated() {
            add(
                item.members, names,
                at: ImportPlaces.Place(file: file, number: Int32(clamping: index + 1)),
                to: &records)
        }
    }

    private func add(
        _ item: JSONObject, _ names: [String], at place: ImportPlaces.Place,
        to records: inout ImportedRecords
    ) {
        let media = (item["image"] ?? item["media"])?.members ?? JSONObject([])
        let path = media["path"]?.text ?? ""
        let id = item["id"]?.text ?? ""
        guard !path.isEmpty || !id.isEmpty else {
            return records.error(
                place, field: "image.path", expected: "the image's name", found: "nothing")
        }
        // Some write no path; the id is the name without extension.
        let candidates =
            (path.isEmpty ? [] : [path]) + (id.isEmpty ? [] : [id + ".jpg", id + ".png"])
        let (name, found) = source.image(among: candidates)
        var size = found
        if let sides = media["size"] {
            let numbers = (sides.numbers ?? []).compactMap(Int.init(exactly:))
            guard numbers.count == 2, numbers.allSatisfy({ (1...0x7FFF_FFFF).contains($0) }) else {
                return records.error(
                    place, field: "image.size", expected: "[height, width] in pixels",
                    found: sides.snippet)
            }
            size = Size(height: numbers[0], width: numbers[1])
        }
        guard let image = records.newImage(name, size: size, at: place) else { return }
        if let id = item["attr"]?["id"]?.numberID { records.setID(id, ofImage: image) }
        for (index, value) in (item["annotations"]?.elements ?? []).enumerated() {
            let field = "annotations[\(index)]"
            let annotation = value.members
            do throws(Fault) {
                guard
                    var record = try Self.record(annotation, image: image, category: 0, size: size)
                else {
                    records.warn(
                        place, field: field, expected: "bbox, polygon or mask",
                        found: "\(annotation["type"]?.snippet ?? "nothing"), which has no box: "
                            + "it is left out")
                    continue
                }
                guard let label = annotation["label_id"]?.integer, names.indices.contains(label),
                    !names[label].isEmpty
                else {
                    throw Fault(
                        "label_id", expected: "a number below \(names.count)",
                        found: annotation["label_id"])
                }
                record.category = records.category(names[label])
                Self.addMembers(of: annotation, to: &record)
                records.add(record, at: place)
            } catch {
                records.error(
                    place, field: field + "." + error.field, expected: error.expected,
                    found: error.found)
            }
        }
    }

    private struct Fault: Error {
        let field: String
        let expected: String
        let found: String

        init(_ field: String, expected: String, found: JSONValue?) {
            self.init(field, expected: expected, found: found?.snippet ?? "nothing")
        }

        init(_ field: String, expected: String, found: String) {
            (self.field, self.expected, self.found) = (field, expected, found)
        }
    }

    /// - Returns: nil for what has no box.
    private static func record(
        _ annotation: JSONObject, image: Int32, category: Int32, size: Size?
    ) throws(Fault) -> ImportedRecords.Annotation? {
        switch annotation["type"]?.text {
        case "bbox":
            guard let box = annotation["bbox"]?.numbers, box.count == 4 else {
                throw Fault(
                    "bbox", expected: "[x, y, width, height] in finite numbers",
                    found: annotation["bbox"])
            }
            return .init(
                image: image, category: category, x: box[0], y: box[1], width: box[2],
                height: box[3])
        case "polygon":
            guard let points = annotation["points"]?.numbers, points.count >= 6,
                points.count.isMultiple(of: 2)
            else {
                throw Fault(
                    "points", expected: "x and y of at least 3 points in finite numbers",
                    found: annotation["points"])
            }
            return .init(image: image, category: category, boundingPolygons: [points])
        case "mask":
            guard let rle = annotation["rle"] else {
                throw Fault("rle", expected: "size and counts", found: "nothing")
            }
            let mask: RLE
            do {
                guard case .rle(let found) = try rle.segmentation() else {
                    throw AnnotationError.segmentation("value is no run lengths")
                }
                mask = found
            } catch {
                throw Fault("rle", expected: "size and counts as COCO has them", found: "\(error)")
            }
            if let size, size != mask.size {
                throw Fault(
                    "rle.size", expected: "the size of the image, \(size)", found: "\(mask.size)")
            }
            return .init(image: image, category: category, mask: mask)
        default: return nil
        }
    }

    private static func addMembers(
        of annotation: JSONObject, to record: inout ImportedRecords.Annotation
    ) {
        record.id = annotation["id"]?.numberID
        if let order = annotation["z_order"]?.integer {
            record.members.add("z_order", integer: order)
        }
        if let group = annotation["group"]?.integer, group != 0 {
            record.members.add("group_id", integer: group)
        }
        guard let attributes = annotation["attributes"], attributes.isObject else { return }
        let members = attributes.members
        if let score = members["score"]?.number { record.members.add("score", number: score) }
        if members["is_crowd"]?.boolean == true { record.isCrowd = true }
        if !members.all.isEmpty { record.members.add("attributes", json: attributes.json) }
    }
}
