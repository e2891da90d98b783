import Annotations
import Files
import Imaging

/// CVAT for images 1.1. Boxes, polygons, ellipses and masks; a box that is turned gives its corners
/// as a polygon, and the box around them. Shapes without a box are left out with a warning.
final class CVATReader: XMLHandler {
    private let source: AnnotationSource
    private var records = ImportedRecords(path: "")
    private var file: Int32 = 0
    private var image: (place: Int32, size: Size?)?
    private var shape: CVATShape?
    private var attribute: String?
    private var label: (name: String, color: String) = ("", "")

    static let fileName = "annotations.xml"

    init(_ source: AnnotationSource) {
        self.source = source
    }

    func read(into records: inout ImportedRecords) throws {
        swap(&records, &self.records)
        defer { swap(&records, &self.records) }
        let path =
            FolderListing.isFolder(source.path)
            ? LabelFiles.join(source.path, Self.fileName) : source.path
        file = self.records.places.addFile(path)
        do {
            try XMLReader.read(path: path, self)
        } catch {
            guard let fault = error as? XMLFault else { throw error }
            self.records.error(place(fault.line), expected: fault.expected, found: fault.found)
        }
    }

    private func place(_ line: Int) -> ImportPlaces.Place {
        ImportPlaces.Place(file: file, number: Int32(clamping: line))
    }

    func begin(
        _ path: [String], _ attributes: [String: String], line: Int
    ) throws(XMLFault) {
        switch path.count {
        case 1 where path[0] != "annotations":
            throw XMLFault(
                line: line, expected: "the element <annotations>",
                found: "<\(path[0].prefix(60))>")
        case 2 where path[1] == "track":
            throw XMLFault(
                line: line, expected: "CVAT for images 1.1",
                found: "<track>, as CVAT for video has it: export the task as images")
        case 2 where path[1] == "image": begin(image: attributes, line)
        case 3 where path[1] == "image":
            shape = CVATShape(kind: path[2], line: line, texts: attributes)
        case 4 where path[3] == "attribute": attribute = attributes["name"]
        default: break
        }
    }

    func end(_ path: [String], text: String, line: Int) {
        if path[path.count - 1] == "label" || path.dropLast().last == "label" {
            end(label: path, text)
        }
        guard path.count > 1, path[1] == "image" else { return }
        switch path.count {
        case 2: image = nil
        case 3:
            if let shape { end(shape) }
            shape = nil
        case 4:
            if let attribute { shape?.attributes.add(attribute, text: text) }
            attribute = nil
        default: break
        }
    }

    /// The task's labels, also those that nothing has.
    private func end(label path: [String], _ text: String) {
        guard path.count > 2, path[1] == "meta" else { return }
        switch path[path.count - 1] {
        case "name": label.name = text
        case "color": label.color = text
        case "label":
            var members = JSONMembers()
            if !label.color.isEmpty { members.add("color", text: label.color) }
            if !label.name.isEmpty { records.category(label.name, members: members) }
            label = ("", "")
        default: break
        }
    }

    private func begin(image attributes: [String: String], _ line: Int) {
        let name = attributes["name"] ?? ""
        guard !name.isEmpty else {
            return records.error(
                place(line), field: "name", expected: "an image's name", found: "nothing")
        }
        let (found, size) = source.image(among: [name])
        let sides = ["height", "width"].map { attributes[$0].flatMap(Int.init) }
        if attributes["height"] ?? attributes["width"] != nil,
            !sides.allSatisfy({ (1...0x7FFF_FFFF).contains($0 ?? 0) })
        {
            let texts = ["width", "height"].map { attributes[$0] ?? "nothing" }
            return records.error(
                place(line), field: "width, height",
                expected: "whole numbers of pixels above 0",
                found: texts.joined(separator: ", ").quoted)
        }
        let declared = sides[0].flatMap { height in
            sides[1].map { Size(height: height, width: $0) }
        }
        guard let image = records.newImage(found, size: declared ?? size, at: place(line)) else {
            return
        }
        self.image = (image, declared ?? size)
    }

    private func end(_ shape: CVATShape) {
        // An image that is wrong has been told.
        guard let image else { return }
        let place = place(shape.line)
        guard CVATShape.kinds.contains(shape.kind) else {
            guard CVATShape.kindsWithoutBox.contains(shape.kind) else { return }
            return records.warn(
                place, expected: "box, polygon, ellipse or mask",
                found: "\(shape.kind), which has no box: it is left out")
        }
        guard let label = shape.texts["label"], !label.isEmpty else {
            return records.error(place, field: "label", expected: "a label", found: "nothing")
        }
        do throws(CVATShape.Fault) {
            records.add(
                try shape.annotation(
                    image: image.place, category: records.category(label), size: image.size),
                at: place)
        } catch {
            records.error(place, field: error.field, expected: error.expected, found: error.found)
        }
    }
}
