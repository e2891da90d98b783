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

    init(_ fields: [ArraySlice<UInt8>], size: Size, classes: YOLOClasses?) {
        self.fields = fields
        self.size = size
        self.classes = classes
    }

    /// Shares a little above 1 or below 0 come from rounding.
    private static let tolerance = 0.01

    /// 5 fields are a box, 6 a box with a confidence; from 7 on an odd number is a polygon, an even
    /// one a polygon with a confidence.
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
        let hasScore = fields.count.isMultiple(of: 2)
        var shares: [Double] = []
        for place in 1..<(hasScore ? fields.count - 1 : fields.count) {
            shares.append(try share(place))
        }
        let (width, height) = (Double(size.width), Double(size.height))
        var result: ImportedRecords.Annotation
        if shares.count == 4 {
            let (x, across) = Self.side(centre: shares[0], length: shares[2], of: width)
            let (y, down) = Self.side(centre: shares[1], length: shares[3], of: height)
            result = ImportedRecords.Annotation(
                image: image, category: 0, x: x, y: y, width: across, height: down)
        } else {
            var polygon: [Double] = []
            for (place, share) in shares.enumerated() {
                polygon.append(share * (place.isMultiple(of: 2) ? width : height))
            }
            result = ImportedRecords.Annotation(
                image: image, category: 0, boundingPolygons: [polygon])
        }
        if hasScore { result.members.add("score", number: try share(fields.count - 1)) }
        return (category, result)
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
