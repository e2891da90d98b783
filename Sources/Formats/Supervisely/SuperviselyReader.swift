import Annotations
import Files
import Foundation
import Imaging

/// Supervisely's JSON: `NAME.jpg.json` about `NAME.jpg`. Rectangles give boxes, polygons boxes and
/// masks, bitmaps masks. What has no box is left out with a warning.
struct SuperviselyReader {
    private let source: AnnotationSource

    static let metaName = "meta.json"
    static let folderName = "ann"
    private static let pixelLimit = 200_000_000

    init(_ source: AnnotationSource) {
        self.source = source
    }

    func read(into records: inout ImportedRecords) throws {
        records.places.unit = "object"
        let files = try LabelFiles(of: source, withExtension: "json")
        for name in files.names
        where name.split(separator: "/").last.map(String.init) != Self.metaName {
            add(files.path(name), name, to: &records)
        }
    }

    private func add(_ path: String, _ name: String, to records: inout ImportedRecords) {
        let file = records.places.addFile(path)
        let whole = ImportPlaces.Place(file: file, number: 0)
        let root: JSONObject
        do {
            root = try JSONDocument(path: path).root.members
        } catch {
            return records.add(error, file: file)
        }
        guard let objects = root["objects"], objects.isArray else {
            // Other JSON may lie in the folder.
            return records.warn(
                whole, field: "objects", expected: "Supervisely's array of objects",
                found: "none: the file is left out")
        }
        guard let height = root["size"]?["height"]?.integer,
            let width = root["size"]?["width"]?.integer, (1...0x7FFF_FFFF).contains(height),
            (1...0x7FFF_FFFF).contains(width)
        else {
            return records.error(
                whole, field: "size", expected: "height and width in pixels",
                found: root["size"]?.snippet ?? "nothing")
        }
        let size = Size(height: height, width: width)
        let (found, _) = source.image(among: Self.imageNames(name))
        guard let image = records.newImage(found, size: size, at: whole) else { return }
        if let id = root["image_id"]?.numberID { records.setID(id, ofImage: image) }
        for (index, value) in objects.elements.enumerated() {
            let place = ImportPlaces.Place(file: file, number: Int32(clamping: index + 1))
            add(value.members, image, size, at: place, to: &records)
        }
    }

    /// `ds0/ann/a.jpg.json` is about `ds0/img/a.jpg`, which may be called `a.jpg` from nearer.
    private static func imageNames(_ file: String) -> [String] {
        var parts = FolderListing.stem(of: file).split(separator: "/").map(String.init)
        guard let place = parts.lastIndex(of: folderName), place < parts.count - 1 else {
            return [parts.joined(separator: "/")]
        }
        parts[place] = "img"
        return [0, place, place + 1].map { parts[$0...].joined(separator: "/") }
    }

    private func add(
        _ object: JSONObject, _ image: Int32, _ size: Size, at place: ImportPlaces.Place,
        to records: inout ImportedRecords
    ) {
        guard let title = object["classTitle"]?.text, !title.isEmpty else {
            return records.error(
                place, field: "classTitle", expected: "a class",
                found: object["classTitle"]?.snippet ?? "nothing")
        }
        var record: ImportedRecords.Annotation
        do throws(Fault) {
            guard let found = try Self.record(object, image, size) else {
                return records.warn(
                    place, field: "geometryType", expected: "rectangle, polygon or bitmap",
                    found: "\(object["geometryType"]?.snippet ?? "nothing"), which has no box: "
                        + "it is left out")
            }
            record = found
        } catch {
            return records.error(
                place, field: error.field, expected: error.expected, found: error.found)
        }
        record.category = records.category(title)
        record.id = object["id"]?.numberID
        for key in ["description", "tags"] {
            guard let value = object[key] else { continue }
            let isEmpty = value.isArray ? value.elements.isEmpty : value.text?.isEmpty ?? false
            if !isEmpty { record.members.add(key, json: value.json) }
        }
        records.add(record, at: place)
    }

    private struct Fault: Error {
        let field: String
        let expected: String
        let found: String
    }

    /// - Returns: nil for what has no box.
    private static func record(
        _ object: JSONObject, _ image: Int32, _ size: Size
    ) throws(Fault) -> ImportedRecords.Annotation? {
        switch object["geometryType"]?.text ?? object["shape"]?.text {
        case "rectangle":
            let points = try points(object, "exterior", atLeast: 2)
            let (x, y) = (min(points[0], points[2]), min(points[1], points[3]))
            return .init(
                image: image, category: 0, x: x, y: y, width: abs(points[2] - points[0]),
                height: abs(points[3] - points[1]))
        case "polygon":
            let outside = try points(object, "exterior", atLeast: 3)
            let holes = (object["points"]?["interior"]?.elements ?? []).map(\.points)
            guard !holes.isEmpty else {
                return .init(image: image, category: 0, boundingPolygons: [outside])
            }
            do {
                var mask = try RLE(polygon: outside, size: size)
                for hole in holes {
                    guard let hole, hole.count >= 6 else {
                        throw AnnotationError.segmentation("hole has less than 3 points")
                    }
                    mask = mask.without(try RLE(polygon: hole, size: size))
                }
                return .init(image: image, category: 0, mask: mask)
            } catch {
                throw Fault(
                    field: "points", expected: "a polygon and its holes", found: "\(error)")
            }
        case "bitmap": return try .init(image: image, category: 0, mask: bitmap(object, size))
        default: return nil
        }
    }

    private static func points(
        _ object: JSONObject, _ key: String, atLeast count: Int
    ) throws(Fault) -> [Double] {
        let value = object["points"]?[key]
        guard let points = value?.points, points.count >= 2 * count else {
            throw Fault(
                field: "points." + key,
                expected: "at least \(count) points [x, y] in finite numbers",
                found: value?.snippet ?? "nothing")
        }
        return points
    }

    /// A PNG, packed by zlib and written in base 64; `origin` is where its first pixel lies.
    private static func bitmap(_ object: JSONObject, _ size: Size) throws(Fault) -> RLE {
        let bitmap = object["bitmap"]?.members ?? JSONObject([])
        let origin = bitmap["origin"]?.numbers?.compactMap(Int.init(exactly:)) ?? []
        guard origin.count == 2, origin.allSatisfy({ $0.magnitude < 1 << 31 }) else {
            throw Fault(
                field: "bitmap.origin", expected: "[x, y] in whole numbers",
                found: bitmap["origin"]?.snippet ?? "nothing")
        }
        guard size.pixelCount ?? .max <= RLE.pixelLimit else {
            throw Fault(
                field: "size", expected: "at most \(RLE.pixelLimit) pixels", found: "\(size)")
        }
        guard let text = bitmap["data"]?.text, let data = Data(base64Encoded: text),
            let file = Deflate.unpack(Array(data), limit: pixelLimit)
        else {
            throw Fault(
                field: "bitmap.data", expected: "a PNG, packed by zlib, in base 64",
                found: bitmap["data"]?.snippet ?? "nothing")
        }
        do throws(ImageError) {
            let mask = try ImageCodec.decodeMask(bytes: file, name: "bitmap.data")
            return RLE(
                window: mask.pixels, windowSize: mask.size, originX: origin[0],
                originY: origin[1], imageSize: size)
        } catch {
            throw Fault(field: "bitmap.data", expected: "a PNG", found: "\(error)")
        }
    }
}
