import Annotations
import Files
import Imaging

/// A shape of CVAT's XML, on its way to a record.
struct CVATShape {
    let kind: String
    let line: Int
    let texts: [String: String]
    var attributes = JSONMembers()

    /// Those with a box. A skeleton is its points', a tag its image's.
    static let kinds: Set<String> = ["box", "polygon", "mask", "ellipse"]
    static let kindsWithoutBox: Set<String> = [
        "polyline", "points", "cuboid", "skeleton", "tag",
    ]

    /// What is wrong with a value.
    struct Fault: Error {
        let field: String
        let expected: String
        let found: String
    }

    private static let pixelLimit = 200_000_000

    /// - Parameter size: of the image.
    func annotation(
        image: Int32, category: Int32, size: Size?
    ) throws(Fault) -> ImportedRecords.Annotation {
        var result =
            switch kind {
            case "box": try box(image, category)
            case "ellipse": try ellipse(image, category)
            case "polygon": try polygon(image, category)
            default: try mask(image, category, size)
            }
        for (key, name) in [("occluded", "occluded"), ("z_order", "z_order")] {
            if texts[key] != nil { result.members.add(name, integer: try integer(key)) }
        }
        if texts["group_id"] != nil {
            result.members.add("group_id", integer: try integer("group_id"))
        }
        if let source = texts["source"], !source.isEmpty {
            result.members.add("source", text: source)
        }
        if !attributes.bytes.isEmpty {
            result.members.add("attributes", json: [0x7B] + attributes.bytes.dropFirst(2) + [0x7D])
        }
        return result
    }

    // MARK: Shapes

    private func box(
        _ image: Int32, _ category: Int32
    ) throws(Fault) -> ImportedRecords.Annotation {
        let (left, top) = (try number("xtl"), try number("ytl"))
        let (right, bottom) = (try number("xbr"), try number("ybr"))
        return .init(
            image: image, category: category, x: left, y: top, width: right - left,
            height: bottom - top, turnedAbout: 0.5, by: try angle())
    }

    private func ellipse(
        _ image: Int32, _ category: Int32
    ) throws(Fault) -> ImportedRecords.Annotation {
        .init(
            image: image, category: category, ellipseAt: (try number("cx"), try number("cy")),
            radii: (try number("rx"), try number("ry")), angle: try angle())
    }

    /// In radians, clockwise.
    private func angle() throws(Fault) -> Double {
        texts["rotation"] == nil ? 0 : try number("rotation") * .pi / 180
    }

    private func polygon(
        _ image: Int32, _ category: Int32
    ) throws(Fault) -> ImportedRecords.Annotation {
        var corners: [Double] = []
        let text = texts["points"] ?? ""
        for point in text.utf8.split(separator: UInt8(ascii: ";")) {
            let sides = point.split(
                separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
            let values = sides.map { TextFields.number($0.filter { $0 > 0x20 }) }
            guard values.count == 2, let x = values[0], let y = values[1] else {
                throw Fault(
                    field: "points", expected: "x,y;x,y;… in finite numbers",
                    found: TextFields.shown(point))
            }
            corners += [x, y]
        }
        guard corners.count >= 6 else {
            throw Fault(
                field: "points", expected: "at least 3 points", found: "\(corners.count / 2)")
        }
        return .init(image: image, category: category, boundingPolygons: [corners])
    }

    /// Rows of runs within a box, the first of pixels that are not set.
    private func mask(
        _ image: Int32, _ category: Int32, _ size: Size?
    ) throws(Fault) -> ImportedRecords.Annotation {
        guard let size else {
            throw Fault(
                field: "rle", expected: "the image's width and height", found: "nothing")
        }
        let window = Size(height: try integer("height"), width: try integer("width"))
        let (left, top) = (try integer("left"), try integer("top"))
        guard window.height > 0, window.width > 0, let count = window.pixelCount,
            count <= Self.pixelLimit, size.pixelCount ?? .max <= RLE.pixelLimit
        else {
            throw Fault(
                field: "width, height", expected: "a box of up to \(Self.pixelLimit) pixels",
                found: "\(window)")
        }
        guard left.magnitude < 1 << 31, top.magnitude < 1 << 31 else {
            throw Fault(
                field: "left, top", expected: "whole numbers below \(1 << 31)",
                found: "\(left), \(top)")
        }
        var pixels = [UInt8](repeating: 0, count: count)
        var (place, isSet) = (0, false)
        for run in (texts["rle"] ?? "").utf8.split(separator: UInt8(ascii: ",")) {
            guard
                let length = TextFields.number(run.filter { $0 > 0x20 }).flatMap({
                    Int(exactly: $0)
                }), length >= 0, length <= count - place
            else {
                throw Fault(
                    field: "rle", expected: "run lengths of at most \(count) pixels in all",
                    found: TextFields.shown(run))
            }
            if isSet {
                pixels.withUnsafeMutableBufferPointer {
                    $0[place..<place + length].update(repeating: 1)
                }
            }
            place += length
            isSet.toggle()
        }
        let mask = RLE(
            window: pixels, windowSize: window, originX: left, originY: top, imageSize: size)
        return .init(image: image, category: category, mask: mask)
    }

    // MARK: Values

    private func number(_ field: String) throws(Fault) -> Double {
        guard let text = texts[field], let value = TextFields.number(text.utf8) else {
            throw Fault(
                field: field, expected: "a finite number",
                found: texts[field]?.quoted ?? "nothing")
        }
        return value
    }

    private func integer(_ field: String) throws(Fault) -> Int {
        guard let value = Int(exactly: try number(field)) else {
            throw Fault(
                field: field, expected: "a whole number", found: texts[field]?.quoted ?? "nothing")
        }
        return value
    }
}
