import Annotations
import Files
import Foundation
import Imaging

/// KITTI's `label_2`: a text file an image, a line an object: type, truncated, occluded, alpha, left,
/// top, right, bottom in pixels from 0, then three sizes, three coordinates and an angle in space,
/// and for detections a score. `DontCare` regions become crowds, as COCO calls what is not to be
/// told apart.
struct KITTIReader {
    private let source: AnnotationSource

    init(_ source: AnnotationSource) {
        self.source = source
    }

    private static let byteLimit = 64 << 20
    private static let fields = [
        "truncated", "occluded", "alpha", "left", "top", "right", "bottom", "height", "width",
        "length", "x", "y", "z", "rotation_y", "score",
    ]

    /// The folder of label files in a copy of KITTI's layout.
    static func labelFolder(_ path: String) -> String? {
        let name = URL(fileURLWithPath: path).standardizedFileURL.lastPathComponent
        if name == "label_2", FolderListing.isFolder(path) { return path }
        return ["label_2", "training/label_2"].map { path + "/" + $0 }
            .first(where: FolderListing.isFolder)
    }

    func read(into records: inout ImportedRecords) throws {
        let files = try LabelFiles(
            of: source, withExtension: "txt",
            subfolder: { path in
                // TAO has `images` and `labels` in place of `image_2` and `label_2`.
                Self.labelFolder(path)
                    ?? [path + "/labels"].first(where: FolderListing.isFolder)
            })
        let folder =
            source.imagesDirectory
            ?? ImageFolder.counterpart(of: files.folder, "label_2", "image_2")
            ?? ImageFolder.counterpart(of: files.folder, "labels", "images")
        let images: ImageFolder? =
            if let folder, FolderListing.isFolder(folder) {
                try ImageFolder(folder, appliesEXIF: source.appliesEXIF)
            } else { nil }
        for name in files.names { add(files.path(name), name, images, to: &records) }
    }

    private func add(
        _ path: String, _ name: String, _ images: ImageFolder?, to records: inout ImportedRecords
    ) {
        let file = records.places.addFile(path)
        let whole = ImportPlaces.Place(file: file, number: 0)
        let text: [UInt8]
        do {
            text = try FileBytes.text(path: path, kind: "label file", limit: Self.byteLimit)
        } catch {
            return records.add(error, file: file)
        }
        let stem = FolderListing.stem(of: name)
        let found = images?.images(named: stem) ?? []
        guard found.count <= 1 else {
            return records.error(
                whole, field: "image", expected: "one image of that name",
                found: found.joined(separator: ", "))
        }
        let size = found.first.flatMap { try? images?.size(of: $0) }
        guard
            let image = records.newImage(found.first ?? stem + ".png", size: size, at: whole)
        else { return }
        TextFields.lines(text) { number, line in
            let place = ImportPlaces.Place(file: file, number: Int32(clamping: number))
            let fields = TextFields.fields(line)
            guard !fields.isEmpty else { return }
            if let annotation = annotation(fields, image: image, place, &records) {
                records.add(annotation, at: place)
            }
        }
    }

    private func annotation(
        _ fields: [ArraySlice<UInt8>], image: Int32, _ place: ImportPlaces.Place,
        _ records: inout ImportedRecords
    ) -> ImportedRecords.Annotation? {
        guard fields.count == 15 || fields.count == 16 else {
            records.error(
                place, expected: "15 fields, or 16 with a score",
                found: fields.count == 17
                    ? "17, as KITTI's tracking files have, which are not read"
                    : "\(fields.count)")
            return nil
        }
        guard let type = String(validating: fields[0], as: UTF8.self) else {
            records.error(
                place, field: "type", expected: "UTF-8", found: TextFields.shown(fields[0]))
            return nil
        }
        var values: [Double] = []
        for (name, field) in zip(Self.fields, fields.dropFirst()) {
            guard let value = TextFields.number(field) else {
                records.error(
                    place, field: name, expected: "a finite number",
                    found: TextFields.shown(field))
                return nil
            }
            values.append(value)
        }
        var result = ImportedRecords.Annotation(
            image: image, category: records.category(type), x: values[3], y: values[4],
            width: values[5] - values[3], height: values[6] - values[4])
        result.isCrowd = type == "DontCare"
        result.members.add("truncated", number: values[0])
        result.members.add("occluded", number: values[1])
        result.members.add("alpha", number: values[2])
        result.members.add("dimensions", numbers: Array(values[7...9]))
        result.members.add("location", numbers: Array(values[10...12]))
        result.members.add("rotation_y", number: values[13])
        if values.count > 14 { result.members.add("score", number: values[14]) }
        return result
    }
}
