import Annotations
import Files
import Imaging

/// VIA's regions: rectangles, circles and ellipses give boxes, polygons boxes and masks. Lines and
/// points have no box and are left out with a warning.
struct VIAReader {
    private let source: AnnotationSource

    static let shapeColumn = "region_shape_attributes"
    private static let columns = ["filename", shapeColumn, "region_attributes"]
    /// Attributes that hold the class where there are several.
    private static let classKeys = ["type", "class", "label", "name", "category", "object"]

    init(_ source: AnnotationSource) {
        self.source = source
    }

    func read(into records: inout ImportedRecords) throws {
        let file = records.places.addFile(source.path)
        if try FileProbe(path: source.path).line != nil {
            return try readTable(file, into: &records)
        }
        records.places.unit = "image"
        let root = try JSONDocument(path: source.path).root
        let images = (root["_via_img_metadata"] ?? root).members.all
        for (index, image) in images.enumerated() where image.value.isObject {
            let place = ImportPlaces.Place(file: file, number: Int32(clamping: index + 1))
            add(image.value.members, at: place, to: &records)
        }
    }

    private func add(
        _ image: JSONObject, at place: ImportPlaces.Place, to records: inout ImportedRecords
    ) {
        guard let name = image["filename"]?.text, !name.isEmpty else {
            return records.error(
                place, field: "filename", expected: "the image's name",
                found: image["filename"]?.snippet ?? "nothing")
        }
        let (found, size) = source.image(among: [name])
        guard let number = records.newImage(found, size: size, at: place) else { return }
        // A list since version 2, before that an object whose keys are numbers.
        let regions = image["regions"].map {
            $0.isObject ? $0.members.all.map(\.value) : $0.elements
        }
        for (index, region) in (regions ?? []).enumerated() {
            add(
                shape: region["shape_attributes"]?.members ?? JSONObject([]),
                attributes: region["region_attributes"]?.members ?? JSONObject([]),
                image: number, at: place, field: "regions[\(index)].", to: &records)
        }
    }

    private func readTable(_ file: Int32, into records: inout ImportedRecords) throws {
        let (folder, names) = LabelFiles.split(source.path)
        guard let table = try SideTable(names[0], in: [folder], columns: Self.columns) else {
            throw FileError.unreadable(path: source.path, reason: "no such file or directory")
        }
        for (line, fields) in table.rows {
            let place = ImportPlaces.Place(file: file, number: Int32(clamping: line))
            guard !fields[0].isEmpty else {
                records.error(
                    place, field: "filename", expected: "the image's name", found: "nothing")
                continue
            }
            let (found, size) = source.image(among: [fields[0]])
            let image = records.image(found, size: size, at: place)
            do {
                let values = try fields.dropFirst().map {
                    try JSONDocument(text: $0, path: source.path).root.members
                }
                // The line of an image without regions.
                if values[0].all.isEmpty { continue }
                add(
                    shape: values[0], attributes: values[1], image: image, at: place, field: "",
                    to: &records)
            } catch {
                records.error(
                    place, field: "region_shape_attributes, region_attributes",
                    expected: "JSON objects", found: TextFields.shown(fields[1].utf8))
            }
        }
    }

    private func add(
        shape: JSONObject, attributes: JSONObject, image: Int32, at place: ImportPlaces.Place,
        field: String, to records: inout ImportedRecords
    ) {
        guard let label = Self.label(attributes) else {
            return records.error(
                place, field: field + "region_attributes",
                expected: "one attribute, or one of "
                    + Self.classKeys.joined(separator: ", ") + " with a text",
                found: attributes.all.isEmpty
                    ? "none" : attributes.all.map(\.key.quoted).joined(separator: ", "))
        }
        do throws(Fault) {
            guard
                let record = try Self.record(
                    shape, image: image, category: records.category(label))
            else {
                return records.warn(
                    place, field: field + "shape_attributes",
                    expected: "rect, polygon, circle or ellipse",
                    found:
                        "\(shape["name"]?.snippet ?? "nothing"), which has no box: it is left out")
            }
            records.add(record, at: place)
        } catch {
            records.error(
                place, field: field + "shape_attributes." + error.field, expected: error.expected,
                found: error.found)
        }
    }

    /// The text of the attribute that holds the class; of a set of check boxes the first that is
    /// ticked.
    private static func label(_ attributes: JSONObject) -> String? {
        let value =
            attributes.all.count == 1
            ? attributes.all[0].value
            : classKeys.lazy.compactMap { attributes[$0] }.first
        guard let value else { return nil }
        let ticked = value.members.all.first { $0.value.boolean == true }?.key
        let number = value.number.map { TextFields.plain($0) }
        return (value.text ?? ticked ?? number).flatMap { $0.isEmpty ? nil : $0 }
    }

    private struct Fault: Error {
        let field: String
        let expected: String
        let found: String
    }

    /// - Returns: nil for what has no box.
    private static func record(
        _ shape: JSONObject, image: Int32, category: Int32
    ) throws(Fault) -> ImportedRecords.Annotation? {
        func number(_ key: String) throws(Fault) -> Double {
            guard let number = shape[key]?.number else {
                throw Fault(
                    field: key, expected: "a finite number",
                    found: shape[key]?.snippet ?? "nothing")
            }
            return number
        }
        switch shape["name"]?.text {
        case "rect":
            return .init(
                image: image, category: category, x: try number("x"), y: try number("y"),
                width: try number("width"), height: try number("height"))
        case "circle", "ellipse":
            let isCircle = shape["r"] != nil
            let rx = try number(isCircle ? "r" : "rx")
            let ry = try isCircle ? rx : number("ry")
            return .init(
                image: image, category: category, ellipseAt: (try number("cx"), try number("cy")),
                radii: (rx, ry), angle: shape["theta"]?.number ?? 0)
        case "polygon":
            let xs = shape["all_points_x"]?.numbers ?? []
            let ys = shape["all_points_y"]?.numbers ?? []
            guard xs.count >= 3, xs.count == ys.count else {
                throw Fault(
                    field: "all_points_x, all_points_y",
                    expected: "as many numbers in both, at least 3",
                    found: "\(xs.count) and \(ys.count)")
            }
            return .init(
                image: image, category: category,
                boundingPolygons: [zip(xs, ys).flatMap { [$0, $1] }])
        default: return nil
        }
    }
}
