import Annotations
import Files

/// CreateML's boxes: centre and sides in pixels.
struct CreateMLReader {
    private let source: AnnotationSource

    init(_ source: AnnotationSource) {
        self.source = source
    }

    func read(into records: inout ImportedRecords) throws {
        records.places.unit = "image"
        let file = records.places.addFile(source.path)
        let root = try JSONDocument(path: source.path).root
        for (index, value) in root.elements.enumerated() {
            let place = ImportPlaces.Place(file: file, number: Int32(clamping: index + 1))
            let entry = value.members
            let written = entry["image"] ?? entry["imagefilename"]
            guard let name = written?.text, !name.isEmpty else {
                records.error(
                    place, field: "image", expected: "the image's name",
                    found: written?.snippet ?? "nothing")
                continue
            }
            let (found, size) = source.image(among: [name])
            guard let image = records.newImage(found, size: size, at: place) else { continue }
            for (index, value) in (entry["annotations"]?.elements ?? []).enumerated() {
                add(
                    value.members, image, at: place, field: "annotations[\(index)]", to: &records)
            }
        }
    }

    private func add(
        _ annotation: JSONObject, _ image: Int32, at place: ImportPlaces.Place, field: String,
        to records: inout ImportedRecords
    ) {
        guard let label = annotation["label"]?.text, !label.isEmpty else {
            return records.error(
                place, field: field + ".label", expected: "a class",
                found: annotation["label"]?.snippet ?? "nothing")
        }
        let coordinates = annotation["coordinates"]
        let values = ["x", "y", "width", "height"].compactMap { coordinates?[$0]?.number }
        guard values.count == 4 else {
            return records.error(
                place, field: field + ".coordinates",
                expected: "x, y, width and height in finite numbers",
                found: coordinates?.snippet ?? "nothing")
        }
        let (width, height) = (values[2], values[3])
        records.add(
            .init(
                image: image, category: records.category(label), x: values[0] - width / 2,
                y: values[1] - height / 2, width: width, height: height), at: place)
    }
}
