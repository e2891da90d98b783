import Annotations
import Imaging

/// A line of a YOLO label file.
struct YOLOLine {
    struct Fault: Error {
        let field: String?
        let expected: String
        let found: String
    }

    private let fields: [ArraySlice<UInt8>]
    private let size: Size
    private let classes: YOLOClasses?
    private let kind: YOLOKind
    private let fill: PolygonFill

    init(
        _ fields: [ArraySlice<UInt8>], size: Size, classes: YOLOClasses?, kind: YOLOKind,
        fill: PolygonFill
    ) {
        self.fields = fields
        self.size = size
        self.classes = classes
        self.kind = kind
        self.fill = fill
    }

    /// Shares a little above 1 or below 0 come from rounding.
    private static let tolerance = 0.01

    /// 5 fields are a box, 6 a box with a confidence; from 7 on an odd number is a polygon, an even
    /// one a polygon with a confidence, unless the data set is of another kind.
    func annotation(
        image: Int32
    ) throws(Fault) -> (category: Int, annotation: ImportedRecords.Annotation) {
        guard fields.count >= 5, fields.count <= TextFields.fieldLimit else {
            throw Fault(
                field: nil,
                expected: "5 fields (class, centre, width, height), 6 with a confidence, or the "
                    + "corners of a polygon",
                found: fields.count <= TextFields.fieldLimit
                    ? "\(fields.count)" : "more than \(TextFields.fieldLimit)")
        }
        let category = try category()
        if let (points, numbers) = kind.keypoints {
            return (category, try pose(image, points, numbers))
        }
        if kind.hasTracks, fields.count <= 7 { return (category, try tracked(image)) }
        let hasScore = fields.count.isMultiple(of: 2)
        var shares: [Double] = []
        for place in 1..<(hasScore ? fields.count - 1 : fields.count) {
            shares.append(try share(place))
        }
        var result = shares.count == 4 ? box(shares, image) : try outline(shares, image)
        if hasScore { result.members.add("score", number: try share(fields.count - 1)) }
        return (category, result)
    }

    private func box(_ shares: [Double], _ image: Int32) -> ImportedRecords.Annotation {
        let (x, across) = Self.side(centre: shares[0], length: shares[2], of: Double(size.width))
        let (y, down) = Self.side(centre: shares[1], length: shares[3], of: Double(size.height))
        return ImportedRecords.Annotation(
            image: image, category: 0, x: x, y: y, width: across, height: down)
    }

    private func outline(
        _ shares: [Double], _ image: Int32
    ) throws(Fault) -> ImportedRecords.Annotation {
        let polygon = shares.enumerated().map { place, share in
            share * Double(place.isMultiple(of: 2) ? size.width : size.height)
        }
        guard fill == .centres else {
            return ImportedRecords.Annotation(
                image: image, category: 0, boundingPolygons: [polygon])
        }
        do {
            return ImportedRecords.Annotation(
                image: image, category: 0, mask: try RLE(filling: polygon, size: size))
        } catch {
            throw Fault(field: nil, expected: "an image of a usual size", found: "\(size)")
        }
    }

    /// Class, box, and points with two or three numbers each; perhaps a confidence after the box.
    private func pose(
        _ image: Int32, _ points: Int, _ numbers: Int
    ) throws(Fault) -> ImportedRecords.Annotation {
        let rest = fields.count - 5 - points * numbers
        guard rest == 0 || rest == 1 else {
            throw Fault(
                field: nil,
                expected: "\(5 + points * numbers) fields: class, box and \(points) points of "
                    + "\(numbers) numbers", found: "\(fields.count)")
        }
        var shares: [Double] = []
        for place in 1...4 { shares.append(try share(place)) }
        var result = box(shares, image)
        if rest == 1 { result.members.add("score", number: try share(fields.count - 1)) }
        var keypoints: [Double] = []
        for point in 0..<points {
            let first = 5 + point * numbers
            let (x, y) = (try share(first), try share(first + 1))
            let seen = numbers == 3 ? TextFields.number(fields[first + 2]) ?? 0 : x + y > 0 ? 2 : 0
            keypoints += [x * Double(size.width), y * Double(size.height), seen]
        }
        result.members.add("keypoints", numbers: keypoints)
        result.members.add("num_keypoints", integer: points)
        return result
    }

    /// Class, box, perhaps a confidence, and the number of a track.
    private func tracked(_ image: Int32) throws(Fault) -> ImportedRecords.Annotation {
        var shares: [Double] = []
        for place in 1...4 { shares.append(try share(place)) }
        var result = box(shares, image)
        guard fields.count > 5 else { return result }
        if fields.count == 7 { result.members.add("score", number: try share(5)) }
        guard let number = TextFields.number(fields[fields.count - 1]),
            let track = Int(exactly: number), track >= 0
        else {
            throw Fault(
                field: "field \(fields.count)", expected: "the number of a track",
                found: TextFields.shown(fields[fields.count - 1]))
        }
        result.members.add("track_id", integer: track)
        return result
    }

    /// Six decimals, as YOLO writes them, put boxes at the edge a hair outside: those are set back,
    /// so that no filter takes them for boxes that leave the image.
    private static func side(
        centre: Double, length: Double, of side: Double
    ) -> (start: Double, length: Double) {
        let hair = side * 1e-5
        var (start, end) = ((centre - length / 2) * side, (centre + length / 2) * side)
        if start < 0, start > -hair { start = 0 }
        if end > side, end < side + hair { end = side }
        return (start, end - start)
    }

    private func category() throws(Fault) -> Int {
        let limit = classes?.names.count ?? YOLOClasses.limit
        guard let number = TextFields.number(fields[0]), number >= 0, number < Double(limit),
            let category = Int(exactly: number)
        else {
            throw Fault(
                field: "class",
                expected: "a whole number from 0 to \(limit - 1)"
                    + (classes.map { ", as \($0.path) has \(limit) names" } ?? ""),
                found: TextFields.shown(fields[0]))
        }
        return category
    }

    private func share(_ place: Int) throws(Fault) -> Double {
        guard let value = TextFields.number(fields[place]), value >= -Self.tolerance,
            value <= 1 + Self.tolerance
        else {
            throw Fault(
                field: "field \(place + 1)", expected: "a share of the image from 0 to 1",
                found: TextFields.shown(fields[place]))
        }
        return value
    }
}

extension ImportedRecords.Annotation {
    /// An object with the box of its polygons: at least one, each of at least one corner.
    init(image: Int32, category: Int32, boundingPolygons polygons: [[Double]]) {
        var (minX, minY) = (Double.infinity, Double.infinity)
        var (maxX, maxY) = (-Double.infinity, -Double.infinity)
        for polygon in polygons {
            for place in stride(from: 0, to: polygon.count - 1, by: 2) {
                (minX, maxX) = (min(minX, polygon[place]), max(maxX, polygon[place]))
                (minY, maxY) = (min(minY, polygon[place + 1]), max(maxY, polygon[place + 1]))
            }
        }
        self.init(
            image: image, category: category, x: minX, y: minY, width: maxX - minX,
            height: maxY - minY, polygons: polygons)
    }
}
