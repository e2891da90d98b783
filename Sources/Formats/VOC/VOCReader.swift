import Annotations
import Files
import Foundation
import Imaging

/// Pascal VOC's XML: a file an image. Corners count pixels from 1 and both belong to the box, as the
/// VOC devkit says, so x is `xmin` − 1 and the width `xmax` − `xmin` + 1. Many tools count from 0
/// and write the far corner as it is: a data set with a corner of 0 is read like that.
struct VOCReader {
    private let source: AnnotationSource

    init(_ source: AnnotationSource) {
        self.source = source
    }

    /// The folder of XML files in a copy of VOC's layout.
    static func annotationFolder(_ path: String) -> String? {
        let folder = path + "/Annotations"
        return FolderListing.isFolder(folder) ? folder : nil
    }

    func read(into records: inout ImportedRecords) throws {
        let files = try LabelFiles(
            of: source, withExtension: "xml", subfolder: Self.annotationFolder)
        for name in files.names { add(files.path(name), name, to: &records) }
        // A corner of 0 says that pixels are counted from 0. One below is a box over the edge, which
        // says nothing.
        func isZero(_ corner: Double) -> Bool { (0..<1).contains(corner) }
        if let place = records.annotations.firstIndex(where: { isZero($0.x) || isZero($0.y) }) {
            records.problems.note(
                "corners count from 0 and the far one is outside, as the 0 of "
                    + "\(records.places.text(records.places.annotations[place])) says")
            return
        }
        if records.annotations.contains(where: { min($0.x, $0.y) < 0 }) {
            records.problems.note(
                "corners count from 1, as VOC's devkit has it: a negative one is a box over the edge"
            )
        }
        for place in records.annotations.indices {
            records.annotations[place].x -= 1
            records.annotations[place].y -= 1
            records.annotations[place].width += 1
            records.annotations[place].height += 1
        }
    }

    private func add(_ path: String, _ name: String, to records: inout ImportedRecords) {
        let file = records.places.addFile(path)
        let document: VOCDocument
        do {
            document = try VOCDocument(path: path)
        } catch let error as FileError {
            return records.add(error, file: file)
        } catch let fault as XMLFault {
            let place = ImportPlaces.Place(file: file, number: Int32(clamping: fault.line))
            return records.error(place, expected: fault.expected, found: fault.found)
        } catch {
            return records.error(
                ImportPlaces.Place(file: file, number: 0), expected: "XML", found: "\(error)")
        }
        let whole = ImportPlaces.Place(file: file, number: 0)
        let (image, found) = source.image(among: Self.imageNames(document.fileName, name))
        // What the file says comes first: an image of another size is not the one of its boxes.
        let size = size(document, whole, &records) ?? found
        guard let image = records.newImage(image, size: size, at: whole) else { return }
        for object in document.objects {
            let place = ImportPlaces.Place(file: file, number: Int32(clamping: object.line))
            if var annotation = annotation(object, image: image, place, &records) {
                addMask(of: object, to: &annotation, size: size, place, &records)
                records.add(annotation, at: place)
            }
        }
    }

    /// As the file says, first; else by the XML file's own name, for files that were renamed.
    private static func imageNames(_ written: String, _ file: String) -> [String] {
        if !written.isEmpty, ImageRecord.fault(in: written) != nil { return [written] }
        let folder = file.split(separator: "/").dropLast().map { $0 + "/" }.joined()
        let stem = FolderListing.stem(of: file)
        var names: [String] = []
        if !written.isEmpty {
            names = folder.isEmpty ? [written] : [folder + written, written]
            if FolderListing.fileExtension(of: written).isEmpty { names.append(written + ".jpg") }
        }
        let kinds = [FolderListing.fileExtension(of: written), "jpg", "png", "jpeg"]
        names += kinds.filter { !$0.isEmpty }.map { stem + "." + $0 }
        return names
    }

    /// As the file says; 0 × 0, which some tools write, says nothing.
    private func size(
        _ document: VOCDocument, _ place: ImportPlaces.Place, _ records: inout ImportedRecords
    ) -> Size? {
        let texts = [document.width, document.height].map {
            $0.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        if texts.allSatisfy({ $0.isEmpty || $0 == "0" }) { return nil }
        var sides: [Int] = []
        for (field, text) in zip(["size/width", "size/height"], texts) {
            let side = TextFields.number(text.utf8).flatMap { Int(exactly: $0) }
            guard let side, (1...0x7FFF_FFFF).contains(side) else {
                records.error(
                    place, field: field, expected: "a whole number of pixels above 0",
                    found: text.quoted)
                continue
            }
            sides.append(side)
        }
        return sides.count == 2 ? Size(height: sides[1], width: sides[0]) : nil
    }

    /// An object's polygons: `<x1>…` as supervision and Roboflow write them, in pixels counted from 1
    /// as corners are, the middles of border pixels where all are whole numbers; `<pt>` as the web's
    /// LabelMe does, along the edges of pixels.
    private func addMask(
        of object: VOCDocument.Object, to annotation: inout ImportedRecords.Annotation, size: Size?,
        _ place: ImportPlaces.Place, _ records: inout ImportedRecords
    ) {
        let polygons = object.polygons.map { $0.compactMap { TextFields.number($0.utf8) } }
        guard zip(polygons, object.polygons).allSatisfy({ $0.count == $1.count && $0.count >= 6 })
        else {
            return records.warn(
                place, field: "polygon", expected: "3 corners or more in finite numbers",
                found: "others: the polygon is left out")
        }
        guard !polygons.isEmpty else { return }
        let shift = object.hasPoints ? 0.0 : 1.0
        let moved = polygons.map { $0.map { $0 - shift } }
        let isWhole = moved.allSatisfy { $0.allSatisfy { $0 == $0.rounded() } }
        let fill = source.polygonFill ?? (isWhole && !object.hasPoints ? .centres : .edges)
        if fill == .centres, let size, let mask = try? RLE(polygons: moved, fill: fill, size: size)
        {
            annotation.mask = AnnotationResult(mask)
        } else {
            annotation.polygons = moved
        }
    }

    private func annotation(
        _ object: VOCDocument.Object, image: Int32, _ place: ImportPlaces.Place,
        _ records: inout ImportedRecords
    ) -> ImportedRecords.Annotation? {
        let name = object.texts["name"] ?? ""
        guard !name.isEmpty else {
            records.error(place, field: "name", expected: "a class name", found: "nothing")
            return nil
        }
        var corners: [Double] = []
        for key in VOCDocument.cornerKeys {
            guard let text = object.texts[key], let value = TextFields.number(text.utf8) else {
                records.error(
                    place, field: "bndbox/" + key, expected: "a finite number",
                    found: object.texts[key]?.quoted ?? "nothing")
                continue
            }
            corners.append(value)
        }
        guard corners.count == 4 else { return nil }
        var result = ImportedRecords.Annotation(
            image: image, category: records.category(name), x: corners[0], y: corners[1],
            width: corners[2] - corners[0], height: corners[3] - corners[1])
        for key in VOCDocument.kept {
            guard let text = object.texts[key], !text.isEmpty else { continue }
            if let number = TextFields.number(text.utf8), let flag = Int(exactly: number) {
                result.members.add(key, integer: flag)
            } else {
                result.members.add(key, text: text)
            }
        }
        return result
    }
}
