import Annotations
import Files
import Imaging

/// What a reader finds in files of another format, on its way to a COCO document.
struct ImportedRecords {
    struct Annotation {
        /// The id that the format keeps; nil numbers it.
        var id: RecordID?
        var image: Int32
        /// The place in ``ImportedRecords/categories``.
        var category: Int32
        var x, y, width, height: Double
        var polygons: [[Double]] = []
        var mask: AnnotationResult?
        var isCrowd = false
        /// Everything else that the format says about it.
        var members = JSONMembers()
    }

    private(set) var images: [(name: String, size: Size?)] = []
    private(set) var categories: [String] = []
    /// The ids that categories have in the format, by place.
    private var categoryIDs: [Int: RecordID] = [:]
    /// What the format says about categories besides, by place.
    private var categoryMembers: [Int: JSONMembers] = [:]
    var annotations: [Annotation] = []
    var places = ImportPlaces()
    var problems: ProblemList
    /// The ids that the format keeps for images, by place.
    private var imageIDs: [Int: RecordID] = [:]
    private var imagePlaces: [String: Int] = [:]
    private var categoryPlaces: [String: Int32] = [:]

    init(path: String) {
        problems = ProblemList(file: path)
    }

    // MARK: Adding

    /// The place of an image in `images`, new or known.
    mutating func image(_ name: String, size: Size?, at place: ImportPlaces.Place) -> Int32 {
        if let known = imagePlaces[name] {
            if images[known].size == nil { images[known].size = size }
            return Int32(known)
        }
        imagePlaces[name] = images.count
        images.append((name, size))
        places.images.append(place)
        return Int32(images.count - 1)
    }

    /// The same for a format in which a second file about an image is a mistake; nil then.
    mutating func newImage(_ name: String, size: Size?, at place: ImportPlaces.Place) -> Int32? {
        if let known = imagePlaces[name] {
            let other = places.text(places.images[known])
            error(
                place, field: "image", expected: "an image of its own",
                found: "\(name.quoted), which \(other) is about")
            return nil
        }
        return image(name, size: size, at: place)
    }

    mutating func setID(_ id: RecordID, ofImage image: Int32) { imageIDs[Int(image)] = id }

    /// The place of a category in `categories`, new or known.
    @discardableResult
    mutating func category(
        _ name: String, id: RecordID? = nil, members: JSONMembers? = nil
    ) -> Int32 {
        if let known = categoryPlaces[name] { return known }
        if let id { categoryIDs[categories.count] = id }
        if let members { categoryMembers[categories.count] = members }
        categoryPlaces[name] = Int32(categories.count)
        categories.append(name)
        return Int32(categories.count - 1)
    }

    mutating func add(_ annotation: Annotation, at place: ImportPlaces.Place) {
        let far = annotation.x + annotation.width + annotation.y + annotation.height
        guard far.isFinite else {
            return error(
                place, field: "bbox", expected: "a box of finite numbers",
                found: "\([annotation.x, annotation.y, annotation.width, annotation.height])")
        }
        annotations.append(annotation)
        places.annotations.append(place)
    }

    // MARK: Problems

    mutating func error(
        _ place: ImportPlaces.Place, field: String? = nil, expected: @autoclosure () -> String,
        found: @autoclosure () -> String
    ) {
        let file = places.text(place)
        problems.add(
            .error, at: file, .file, field: field, expected: expected(), found: found())
    }

    mutating func warn(
        _ place: ImportPlaces.Place, field: String? = nil, expected: @autoclosure () -> String,
        found: @autoclosure () -> String
    ) {
        let file = places.text(place)
        problems.add(
            .warning, at: file, .file, field: field, expected: expected(), found: found())
    }

    /// An image of labels that can't be read, among many.
    mutating func add(_ failure: ImageError, file: Int32) {
        let path = places.files[Int(file)]
        let reason = failure.description
        problems.add(
            .error, at: path, .file, expected: "a PNG of labels",
            found: reason.hasPrefix(path + ": ") ? String(reason.dropFirst(path.count + 2)) : reason
        )
    }

    /// A file that can't be read or parsed, among many.
    mutating func add(_ failure: any Error, file: Int32) {
        let path = places.files[Int(file)]
        switch failure {
        case FileError.unreadable(_, let reason):
            let parts = reason.split(separator: ", found ", maxSplits: 1)
            if parts.count == 2, parts[0].hasPrefix("expected ") {
                problems.add(
                    .error, at: path, .file, expected: String(parts[0].dropFirst(9)),
                    found: String(parts[1]))
            } else {
                problems.add(.error, at: path, .file, expected: "a readable file", found: reason)
            }
        case AnnotationError.syntax(_, let line, let column, let message):
            problems.add(
                .error, at: "\(path) line \(line) column \(column)", .file,
                expected: "strict JSON", found: message)
        default:
            problems.add(
                .error, at: path, .file, expected: "a readable file", found: "\(failure)")
        }
    }

    // MARK: The document

    /// - Parameter sortsCategories: by name where the format has no ids, so that ids do not depend on
    ///   which object comes first.
    func document(sortsCategories: Bool) -> [UInt8] {
        let order =
            sortsCategories && categoryIDs.isEmpty
            ? categories.indices.sorted {
                categories[$0].utf8.lexicographicallyPrecedes(categories[$1].utf8)
            } : Array(categories.indices)
        let ids = Self.ids(categoryIDs, inOrder: order).map(\.json)
        let imageIDs = Self.ids(imageIDs, inOrder: Array(images.indices)).map(\.json)
        let given = annotations.indices.compactMap { place in
            annotations[place].id.map { (place, $0) }
        }
        let annotationIDs = Self.ids(
            Dictionary(uniqueKeysWithValues: given), inOrder: Array(annotations.indices)
        ).map(\.json)

        var output: [UInt8] = []
        output.reserveCapacity(annotations.count * 160 + images.count * 80 + 1000)
        output += Array("{\"images\": [".utf8)
        for (place, image) in images.enumerated() {
            output += Array((place > 0 ? ",\n{\"id\": " : "{\"id\": ").utf8)
            output += imageIDs[place] + Array(", \"file_name\": ".utf8)
            output += PythonJSON.string(image.name)
            if let size = image.size {
                output += Array(", \"width\": \(size.width), \"height\": \(size.height)".utf8)
            }
            output.append(UInt8(ascii: "}"))
        }
        output += Array("],\n\"annotations\": [".utf8)
        for (place, annotation) in annotations.enumerated() {
            if place > 0 { output += Array(",\n".utf8) }
            append(
                annotation, id: annotationIDs[place], image: imageIDs[Int(annotation.image)],
                category: ids[Int(annotation.category)], to: &output)
        }
        output += Array("],\n\"categories\": [".utf8)
        for (place, category) in order.enumerated() {
            output += Array((place > 0 ? ",\n{\"id\": " : "{\"id\": ").utf8)
            output += ids[category] + Array(", \"name\": ".utf8)
            output += PythonJSON.string(categories[category])
            output += (categoryMembers[category]?.bytes ?? []) + [UInt8(ascii: "}")]
        }
        output += Array("]}\n".utf8)
        return output
    }

    /// By place: the format's own ids, numbers from 1 on where it has none. Ids that are not all
    /// different are none.
    private static func ids(_ given: [Int: RecordID], inOrder order: [Int]) -> [RecordID] {
        var ids = [RecordID](repeating: .integer(0), count: order.count)
        let taken = Set(given.values)
        let given = taken.count == given.count ? given : [:]
        var next: Int64 = 1
        for place in order {
            if let id = given[place] {
                ids[place] = id
                continue
            }
            while !given.isEmpty, taken.contains(.integer(next)) { next += 1 }
            ids[place] = .integer(next)
            next += 1
        }
        return ids
    }

    private func append(
        _ annotation: Annotation, id: [UInt8], image: [UInt8], category: [UInt8],
        to output: inout [UInt8]
    ) {
        let box = [annotation.x, annotation.y, annotation.width, annotation.height]
        var members = JSONMembers()
        members.add("bbox", numbers: box)
        if !annotation.polygons.isEmpty {
            members.add("segmentation", polygons: annotation.polygons)
        }
        if let mask = annotation.mask {
            members.add("segmentation", json: mask.segmentation(isSpaced: true))
            members.add("area", integer: mask.area)
        } else {
            let area =
                annotation.polygons.isEmpty
                ? max(annotation.width, 0) * max(annotation.height, 0)
                : annotation.polygons.reduce(0) { $0 + Self.area(of: $1) }
            if area.isFinite { members.add("area", number: area) }
        }
        members.add("iscrowd", integer: annotation.isCrowd ? 1 : 0)
        output += Array("{\"id\": ".utf8) + id + Array(", \"image_id\": ".utf8) + image
        output += Array(", \"category_id\": ".utf8) + category
        output += members.bytes
        output += annotation.members.bytes
        output.append(UInt8(ascii: "}"))
    }

    /// By the shoelace formula.
    private static func area(of polygon: [Double]) -> Double {
        var sum = 0.0
        var from = polygon.count - 2
        for to in stride(from: 0, to: polygon.count - 1, by: 2) {
            sum += polygon[from] * polygon[to + 1] - polygon[to] * polygon[from + 1]
            from = to
        }
        return abs(sum) / 2
    }
}

extension ImportedRecords.Annotation {
    /// An object with the box of its mask.
    init(image: Int32, category: Int32, mask: RLE) {
        let box = mask.boundingBox
        self.init(
            image: image, category: category, x: box.minX, y: box.minY, width: box.width,
            height: box.height, mask: AnnotationResult(mask))
    }
}
