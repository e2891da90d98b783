import Annotations
import CJSON
import Files
import Foundation
import Imaging

/// One LabelMe file.
struct LabelMeDocument {
    enum DeclaredSize {
        case given(Size)
        case absent
        case wrong(String)
    }

    struct Object {
        /// The number of its first shape, from 1.
        let shape: Int32
        let label: String
        /// Of polygons, or of rectangles.
        var corners: [[Double]]
        /// Whether the corners are the object's outline rather than its box.
        var isMask: Bool
        /// The pixels of shapes of the kind `mask`, each with its upper left corner.
        var bitmaps: [Bitmap] = []
        /// What mal keeps of other formats in keys of its own.
        let id, category: RecordID?
        let isCrowd: Bool
        let members: JSONMembers
    }

    /// The pixels inside a box.
    struct Bitmap {
        let left, top: Int
        let size: Size
        /// Row by row; above 0 are the mask's.
        let rows: [UInt16]
    }

    struct Fault: Error {
        let shape: Int32
        var field: String?
        let expected: String
        let found: String
        var isWarning = false
    }

    let imagePath: String?
    let size: DeclaredSize
    let hasShapes: Bool
    let imageID: RecordID?
    private let bytes: FileBytes
    private let shapes: [Shape]

    private struct Shape {
        var isObject = true
        var label, points, kind, group, description, flags, mask: cj_value?
        var id, category, crowd, score, track: cj_value?
    }

    private static let tables = [
        JSONTable(
            key: "shapes",
            columns: [
                "label", "points", "shape_type", "group_id", "description", "flags", "mask",
                "annotation_id", "category_id", "iscrowd", "score", "track_id",
            ]),
        JSONTable(key: "imagePath", columns: []), JSONTable(key: "imageHeight", columns: []),
        JSONTable(key: "imageWidth", columns: []), JSONTable(key: "image_id", columns: []),
    ]

    init(path: String) throws {
        let bytes = try FileBytes(path: path)
        var shapes: [Shape] = []
        var values = [cj_value?](repeating: nil, count: Self.tables.count)
        let visitor = JSONTableVisitor(
            onTable: { table, value, _ in values[table] = value },
            onRow: { table, _, columns in
                guard table == 0 else { return }
                guard let columns else { return shapes.append(Shape(isObject: false)) }
                shapes.append(
                    Shape(
                        label: columns[0], points: columns[1], kind: columns[2], group: columns[3],
                        description: columns[4], flags: columns[5], mask: columns[6],
                        id: columns[7],
                        category: columns[8], crowd: columns[9], score: columns[10],
                        track: columns[11]))
            })
        let isObject = try bytes.readTables(Self.tables, path: path, visitor: visitor)
        self.bytes = bytes
        self.shapes = shapes
        hasShapes = isObject && values[0]?.kind == UInt8(CJ_ARRAY.rawValue)
        imageID = values[4].flatMap { bytes.recordID($0) }
        imagePath = values[1].flatMap { bytes.string($0) }
        size = Self.size(width: values[3], height: values[2], bytes)
    }

    private static func size(
        width: cj_value?, height: cj_value?, _ bytes: FileBytes
    ) -> DeclaredSize {
        guard width?.isPresent ?? false || height?.isPresent ?? false else { return .absent }
        let sides = [height, width].map { value -> Int? in
            guard let value, value.kind == UInt8(CJ_NUMBER.rawValue),
                (1...0x7FFF_FFFF).contains(value.numbers.0)
            else { return nil }
            return Int(exactly: value.numbers.0)
        }
        if let height = sides[0], let width = sides[1] {
            return .given(Size(height: height, width: width))
        }
        let texts = [width, height].map { $0.map { bytes.snippet($0) } ?? "nothing" }
        return .wrong(texts.joined(separator: ", "))
    }

    /// Hands out each object, or what is wrong with a shape; in the order of first shapes.
    func withObjects(_ body: (Result<Object, Fault>) -> Void) {
        var objects: [Object] = []
        var groups: [String: Int] = [:]
        for (index, shape) in shapes.enumerated() {
            do throws(Fault) {
                let object = try object(shape, number: Int32(clamping: index + 1))
                guard let group = shape.group, group.isPresent else {
                    objects.append(object)
                    continue
                }
                let key = object.label + "\u{0}" + bytes.text(group.range)
                if let known = groups[key] {
                    objects[known].corners += object.corners
                    objects[known].bitmaps += object.bitmaps
                    objects[known].isMask = objects[known].isMask && object.isMask
                } else {
                    groups[key] = objects.count
                    objects.append(object)
                }
            } catch {
                body(.failure(error))
            }
        }
        for object in objects { body(.success(object)) }
    }

    // MARK: Shapes

    private func object(_ shape: Shape, number: Int32) throws(Fault) -> Object {
        guard shape.isObject else {
            throw Fault(shape: number, expected: "an object", found: "something else")
        }
        guard let label = shape.label.flatMap({ bytes.string($0) }), !label.isEmpty else {
            throw Fault(
                shape: number, field: "label", expected: "a text",
                found: shape.label.map { bytes.snippet($0) } ?? "nothing")
        }
        // Files of old versions have polygons only, and do not say so.
        let kind = shape.kind.flatMap { $0.isPresent ? bytes.string($0) : nil } ?? "polygon"
        let points = try points(shape, number)
        let corners: [Double]
        switch kind {
        case "polygon", "rotation":
            guard points.count >= 6 else {
                throw Fault(
                    shape: number, field: "points", expected: "at least 3 points for a \(kind)",
                    found: "\(points.count / 2): it is left out", isWarning: true)
            }
            corners = points
        case "rectangle":
            guard points.count >= 4 else {
                throw Fault(
                    shape: number, field: "points", expected: "2 points for a rectangle",
                    found: "\(points.count / 2): it is left out", isWarning: true)
            }
            corners = points
        case "mask": return try maskObject(shape, number, label, points)
        case "circle":
            guard points.count == 4 else {
                throw Fault(
                    shape: number, field: "points", expected: "2 points for a circle",
                    found: "\(points.count / 2)")
            }
            let (dx, dy) = (points[2] - points[0], points[3] - points[1])
            let radius = (dx * dx + dy * dy).squareRoot()
            guard radius.isFinite else {
                throw Fault(
                    shape: number, field: "points", expected: "a finite radius", found: "more")
            }
            corners = [
                points[0] - radius, points[1] - radius, points[0] + radius, points[1] + radius,
            ]
        default:
            throw Fault(
                shape: number, field: "shape_type",
                expected: "rectangle, polygon, rotation, circle or mask",
                found: "\(kind.quoted), which has no box: it is left out", isWarning: true)
        }
        return Object(
            shape: number, label: label, corners: [corners],
            isMask: kind == "polygon" || kind == "rotation",
            id: id(shape.id), category: id(shape.category),
            isCrowd: shape.crowd.map { bytes.text($0.range) == "1" } ?? false,
            members: members(shape))
    }

    /// Both points are pixels of the mask, whose PNG has the size of the box around them.
    private func maskObject(
        _ shape: Shape, _ number: Int32, _ label: String, _ points: [Double]
    ) throws(Fault) -> Object {
        let limit = 0.0...Double(Int32.max)
        guard points.count == 4, points.allSatisfy(limit.contains) else {
            throw Fault(
                shape: number, field: "points", expected: "2 points for a mask, 0 or more",
                found: "\(points)")
        }
        let (left, right) = (min(points[0], points[2]), max(points[0], points[2]))
        let (top, bottom) = (min(points[1], points[3]), max(points[1], points[3]))
        var object = Object(
            shape: number, label: label, corners: [[left, top, right + 1, bottom + 1]],
            isMask: false, id: id(shape.id), category: id(shape.category),
            isCrowd: shape.crowd.map { bytes.text($0.range) == "1" } ?? false,
            members: members(shape))
        guard let text = shape.mask.flatMap({ bytes.string($0) }), !text.isEmpty else {
            return object
        }
        guard let data = Data(base64Encoded: text, options: .ignoreUnknownCharacters) else {
            throw Fault(
                shape: number, field: "mask", expected: "a PNG in base64", found: "something else")
        }
        do {
            let (size, rows) = try ImageCodec.decodeLabels(
                bytes: Array(data), name: "mask of shape \(number)")
            object.bitmaps = [Bitmap(left: Int(left), top: Int(top), size: size, rows: rows)]
        } catch {
            throw Fault(
                shape: number, field: "mask", expected: "a PNG in base64",
                found: error.description)
        }
        return object
    }

    /// Coordinates in turn.
    private func points(_ shape: Shape, _ number: Int32) throws(Fault) -> [Double] {
        let points = bytes.withBytes { content -> [Double]? in
            guard let value = shape.points, value.kind == UInt8(CJ_ARRAY.rawValue) else {
                return nil
            }
            var scanner = JSONScanner(content, value.range)
            var coordinates: [Double] = []
            _ = scanner.take("[")
            while !scanner.take("]") {
                guard scanner.take("[") else { return nil }
                for isLast in [false, true] {
                    guard scanner.peek() != UInt8(ascii: "\""),
                        let coordinate = scanner.number(scanner.scalar()), coordinate.isFinite,
                        isLast || scanner.take(",")
                    else { return nil }
                    coordinates.append(coordinate)
                }
                guard scanner.take("]") else { return nil }
                _ = scanner.take(",")
            }
            return coordinates
        }
        guard let points else {
            throw Fault(
                shape: number, field: "points", expected: "a list of [x, y] in finite numbers",
                found: shape.points.map { bytes.snippet($0) } ?? "nothing")
        }
        return points
    }

    private func id(_ value: cj_value?) -> RecordID? { value.flatMap { bytes.recordID($0) } }

    /// What LabelMe says besides, where it says something.
    private func members(_ shape: Shape) -> JSONMembers {
        var members = JSONMembers()
        for (key, value) in [
            ("group_id", shape.group), ("description", shape.description), ("flags", shape.flags),
            ("score", shape.score), ("track_id", shape.track),
        ] {
            guard let value, value.isPresent else { continue }
            let text = bytes.text(value.range)
            if text != "\"\"", text != "{}" { members.add(key, json: text.utf8) }
        }
        return members
    }
}
