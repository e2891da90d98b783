import Annotations
import Imaging

/// One result of a task. Its numbers are per cent of the image's sides.
struct LabelStudioResult {
    /// What is wrong with a value.
    struct Fault: Error {
        let field: String
        let expected: String
        let found: String
    }

    let kind: String
    let label: String?
    private let value: JSONObject
    private let size: Size?

    private static let labelKeys = [
        "rectanglelabels", "polygonlabels", "brushlabels", "ellipselabels", "labels",
    ]

    init(_ result: JSONObject, labels: [String: String], size: Size?) {
        value = result["value"]?.members ?? JSONObject([])
        kind = result["type"]?.text ?? ""
        label = Self.label(in: value) ?? result["id"]?.text.flatMap { labels[$0] }
        self.size = size
    }

    static func label(in value: JSONObject) -> String? {
        for key in labelKeys {
            if let label = value[key]?.elements.first?.text, !label.isEmpty { return label }
        }
        return nil
    }

    /// Whether it has a box. Key points have a width and no height.
    var isShape: Bool {
        value["points"] != nil || value["rle"] != nil || value["radiusX"] != nil
            || value["width"] != nil && value["height"] != nil
    }

    /// Whether it is in the image all the same.
    var isLeftOut: Bool { value["x"] != nil || value["vertices"] != nil }

    func annotation(image: Int32, category: Int32) throws(Fault) -> ImportedRecords.Annotation {
        guard let size else {
            throw Fault(
                field: "original_width, original_height",
                expected: "the image's sides in pixels (or the folder of images: --images)",
                found: "nothing")
        }
        if value["rle"] != nil { return try brush(image, category, size) }
        if value["points"] != nil { return try polygon(image, category, size) }
        if value["radiusX"] != nil { return try ellipse(image, category, size) }
        return try rectangle(image, category, size)
    }

    // MARK: Shapes

    /// Turned clockwise about its upper left corner.
    private func rectangle(
        _ image: Int32, _ category: Int32, _ size: Size
    ) throws(Fault) -> ImportedRecords.Annotation {
        let (x, y) = (try pixels("x", size.width), try pixels("y", size.height))
        let (width, height) = (try pixels("width", size.width), try pixels("height", size.height))
        return .init(
            image: image, category: category, x: x, y: y, width: width, height: height,
            turnedAbout: 0, by: try angle())
    }

    private func ellipse(
        _ image: Int32, _ category: Int32, _ size: Size
    ) throws(Fault) -> ImportedRecords.Annotation {
        let (x, y) = (try pixels("x", size.width), try pixels("y", size.height))
        let (rx, ry) = (try pixels("radiusX", size.width), try pixels("radiusY", size.height))
        return .init(
            image: image, category: category, ellipseAt: (x, y), radii: (rx, ry),
            angle: try angle())
    }

    private func polygon(
        _ image: Int32, _ category: Int32, _ size: Size
    ) throws(Fault) -> ImportedRecords.Annotation {
        guard var corners = value["points"]?.points, corners.count >= 6 else {
            throw Fault(
                field: "points", expected: "at least 3 points [x, y] in finite numbers",
                found: value["points"]?.snippet ?? "nothing")
        }
        for place in corners.indices {
            let side = place.isMultiple(of: 2) ? size.width : size.height
            corners[place] = Self.pixels(corners[place], of: side)
        }
        return .init(image: image, category: category, boundingPolygons: [corners])
    }

    private func brush(
        _ image: Int32, _ category: Int32, _ size: Size
    ) throws(Fault) -> ImportedRecords.Annotation {
        guard let bytes = value["rle"]?.octets else {
            throw Fault(
                field: "rle", expected: "a list of whole numbers up to 255",
                found: value["rle"]?.snippet ?? "nothing")
        }
        do throws(LabelStudioRLE.Fault) {
            let mask = try LabelStudioRLE.decode(bytes, size: size)
            return .init(image: image, category: category, mask: mask)
        } catch {
            throw Fault(field: "rle", expected: error.expected, found: error.found)
        }
    }

    // MARK: Values

    private func number(_ key: String) throws(Fault) -> Double {
        guard let number = value[key]?.number else {
            throw Fault(
                field: key, expected: "a finite number", found: value[key]?.snippet ?? "nothing")
        }
        return number
    }

    private func pixels(_ key: String, _ side: Int) throws(Fault) -> Double {
        Self.pixels(try number(key), of: side)
    }

    /// Per cent of a side, to a millionth of a pixel: pixels that were whole are whole again.
    private static func pixels(_ share: Double, of side: Int) -> Double {
        (share * Double(side) * 1e4).rounded() / 1e6
    }

    private func angle() throws(Fault) -> Double {
        value["rotation"] == nil ? 0 : try number("rotation") * .pi / 180
    }
}
