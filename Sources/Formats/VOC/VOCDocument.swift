/// What a VOC file says.
final class VOCDocument: XMLHandler {
    struct Object {
        let line: Int
        var texts: [String: String] = [:]
        /// Numbers of polygons, x and y in turn, as texts: `<x1>…<y1>…` or `<pt><x>…<y>…`.
        var polygons: [[String]] = []
        /// Whether the corners are elements `pt`.
        var hasPoints = false
    }

    static let cornerKeys = ["xmin", "ymin", "xmax", "ymax"]
    /// Further elements of an object that the annotation keeps.
    static let kept = ["pose", "truncated", "difficult", "occluded"]

    private(set) var fileName = ""
    private(set) var width = ""
    private(set) var height = ""
    private(set) var objects: [Object] = []
    private var object: Object?

    /// - Throws: ``XMLFault``, `FileError`.
    init(path: String) throws {
        try XMLReader.read(path: path, self)
    }

    func begin(
        _ path: [String], _ attributes: [String: String], line: Int
    ) throws(XMLFault) {
        if path.count == 1, path[0] != "annotation" {
            throw XMLFault(
                line: line, expected: "the element <annotation>",
                found: "<\(path[0].prefix(60))>")
        }
        if path.count == 2, path[1] == "object" { object = Object(line: line) }
        if path.count == 3, path[2] == "polygon" { object?.polygons.append([]) }
    }

    func end(_ path: [String], text: String, line: Int) {
        guard let name = path.last else { return }
        switch (path.count, path.dropLast().last) {
        case (2, _) where name == "filename": fileName = text
        case (2, _) where name == "object":
            if let object { objects.append(object) }
            object = nil
        case (3, "size") where name == "width": width = text
        case (3, "size") where name == "height": height = text
        case (3, "object") where name == "name" || Self.kept.contains(name):
            object?.texts[name] = text
        case (4, "bndbox") where path[1] == "object" && Self.cornerKeys.contains(name):
            object?.texts[name] = text
        case (4, "polygon") where path[1] == "object" && (name.first == "x" || name.first == "y"):
            addCorner(text)
        case (5, "pt") where path[2] == "polygon" && (name == "x" || name == "y"):
            object?.hasPoints = true
            addCorner(text)
        default: break
        }
    }

    private func addCorner(_ value: String) {
        guard let last = object?.polygons.indices.last else { return }
        object?.polygons[last].append(value)
    }
}
