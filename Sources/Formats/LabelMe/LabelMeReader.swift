import Annotations
import CJSON
import Files
import Foundation
import Imaging

/// LabelMe's JSON: a file an image. Rectangles, circles and masks give boxes, polygons boxes and
/// masks; shapes that share a label and a `group_id` are parts of one object, as LabelMe's own
/// converter has it. Points and lines have no box and are left out with a warning.
struct LabelMeReader {
    private let source: AnnotationSource

    init(_ source: AnnotationSource) {
        self.source = source
    }

    func read(into records: inout ImportedRecords) throws {
        let files = try LabelFiles(
            of: source, withExtension: "json")
        records.places.unit = "shape"
        for name in files.names { add(files.path(name), name, to: &records) }
    }

    private func add(_ path: String, _ name: String, to records: inout ImportedRecords) {
        let file = records.places.addFile(path)
        let whole = ImportPlaces.Place(file: file, number: 0)
        let document: LabelMeDocument
        do {
            document = try LabelMeDocument(path: path)
        } catch {
            return records.add(error, file: file)
        }
        guard document.hasShapes else {
            // Other JSON may lie in the folder, such as what mal wrote.
            return records.warn(
                whole, field: "shapes", expected: "LabelMe's array of shapes",
                found: "none: the file is left out")
        }
        guard let written = document.imagePath, !written.isEmpty else {
            return records.error(
                whole, field: "imagePath", expected: "a text", found: "nothing")
        }
        let (image, found) = source.image(among: Self.imageNames(written, name))
        var size = found
        switch document.size {
        case .given(let declared): size = declared
        case .absent: break
        case .wrong(let text):
            records.error(
                whole, field: "imageWidth, imageHeight",
                expected: "whole numbers of pixels above 0", found: text)
        }
        guard let place = records.newImage(image, size: size, at: whole) else { return }
        if let id = document.imageID { records.setID(id, ofImage: place) }
        document.withObjects { (result: Result<LabelMeDocument.Object, LabelMeDocument.Fault>) in
            switch result {
            case .success(let object):
                var annotation = ImportedRecords.Annotation(
                    image: place, category: records.category(object.label, id: object.category),
                    boundingPolygons: object.corners)
                if !object.isMask { annotation.polygons = [] }
                if let size, !object.bitmaps.isEmpty {
                    annotation.mask = Self.mask(object.bitmaps, size: size)
                }
                annotation.members = object.members
                annotation.id = object.id
                annotation.isCrowd = object.isCrowd
                records.add(
                    annotation, at: ImportPlaces.Place(file: file, number: object.shape))
            case .failure(let fault):
                let place = ImportPlaces.Place(file: file, number: fault.shape)
                if fault.isWarning {
                    records.warn(
                        place, field: fault.field, expected: fault.expected, found: fault.found)
                } else {
                    records.error(
                        place, field: fault.field, expected: fault.expected, found: fault.found)
                }
            }
        }
    }

    /// The pixels of an object inside the image.
    private static func mask(_ bitmaps: [LabelMeDocument.Bitmap], size: Size) -> AnnotationResult? {
        guard let count = size.pixelCount, count <= RLE.pixelLimit else { return nil }
        let parts = bitmaps.map { bitmap in
            var runs: [(start: Int, length: Int)] = []
            for column in 0..<bitmap.size.width where bitmap.left + column < size.width {
                for row in 0..<bitmap.size.height where bitmap.top + row < size.height {
                    guard bitmap.rows[row * bitmap.size.width + column] > 0 else { continue }
                    let start = (bitmap.left + column) * size.height + bitmap.top + row
                    if let last = runs.last, last.start + last.length == start {
                        runs[runs.count - 1].length += 1
                    } else {
                        runs.append((start, 1))
                    }
                }
            }
            return RLE(size: size, runs: runs)
        }
        return RLE.union(parts).map { AnnotationResult($0) }
    }

    /// The image's name is relative to the JSON file, perhaps with Windows' separators; in the images
    /// folder it is looked for in the same folder as the JSON file is in, then at the top.
    private static func imageNames(_ written: String, _ file: String) -> [String] {
        let name = written.replacing("\\", with: "/").split(separator: "/").last.map(String.init)
        let folder = file.split(separator: "/").dropLast().map { $0 + "/" }.joined()
        guard let name else { return [written] }
        let kind = FolderListing.fileExtension(of: name)
        var names = [folder + name]
        if !folder.isEmpty { names.append(name) }
        if !kind.isEmpty { names.append(FolderListing.stem(of: file) + "." + kind) }
        return names
    }
}
