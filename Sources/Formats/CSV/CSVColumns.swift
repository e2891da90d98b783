import Files

/// Which columns of a table hold what, by their names.
struct CSVColumns {
    let names: [String]
    let image: Int
    let label: Int
    /// Left, top, and width and height or right and bottom.
    let box: [Int]
    let boxHasCorners: Bool
    let imageWidth, imageHeight: Int?
    let score: Int?
    /// The others, kept with each record under these keys.
    let others: [(column: Int, key: String)]

    private static let imageNames = [
        "image", "filename", "file_name", "image_name", "image_path", "path", "img", "file",
    ]
    private static let labelNames = [
        "label", "class", "category", "label_name", "class_name", "category_name", "name",
    ]
    private static let cornerNames = [
        ["xmin", "ymin", "xmax", "ymax"], ["x1", "y1", "x2", "y2"],
        ["x_min", "y_min", "x_max", "y_max"], ["left", "top", "right", "bottom"],
    ]
    private static let sideNames = [
        ["x", "y", "w", "h"], ["x", "y", "width", "height"], ["left", "top", "width", "height"],
        ["bbox_x", "bbox_y", "bbox_width", "bbox_height"],
        ["bbox_x", "bbox_y", "bbox_w", "bbox_h"],
    ]
    private static let scoreNames = ["score", "confidence", "conf"]
    /// Keys that the record itself has.
    private static let reserved: Set<String> = [
        "id", "image_id", "category_id", "bbox", "area", "segmentation", "iscrowd", "score",
    ]

    struct Fault: Error {
        let expected: String
        let found: String
    }

    init(header: [String]) throws(Fault) {
        let names = header.map(Self.normalized)
        self.names = names
        if let repeated = Dictionary(grouping: names.filter { !$0.isEmpty }, by: { $0 })
            .filter({ $0.value.count > 1 }).keys.min()
        {
            throw Fault(
                expected: "each column name once", found: "\(repeated.quoted) more than once")
        }
        func place(_ choices: [String]) -> Int? {
            choices.lazy.compactMap { names.firstIndex(of: $0) }.first
        }
        func places(_ choices: [[String]]) -> [Int]? {
            choices.lazy.map { $0.compactMap { names.firstIndex(of: $0) } }.first { $0.count == 4 }
        }
        func missing(_ what: String, _ choices: String) -> Fault {
            Fault(
                expected: "a header with a column of \(what) (\(choices))",
                found: String(header.joined(separator: ",").prefix(200)).quoted)
        }
        guard let image = place(Self.imageNames) else {
            throw missing("image files", Self.imageNames.joined(separator: ", "))
        }
        guard let label = place(Self.labelNames) else {
            throw missing("class names", Self.labelNames.joined(separator: ", "))
        }
        let corners = places(Self.cornerNames)
        guard let box = corners ?? places(Self.sideNames) else {
            throw missing("each of a box's four numbers", "x, y, w, h; or x1, y1, x2, y2; …")
        }
        (self.image, self.label, self.box) = (image, label, box)
        boxHasCorners = corners != nil
        // Beside corners a width and a height are the image's.
        imageWidth = place(corners == nil ? ["image_width"] : ["image_width", "width"])
        imageHeight = place(corners == nil ? ["image_height"] : ["image_height", "height"])
        score = place(Self.scoreNames)
        let used = Set([image, label] + box + [imageWidth, imageHeight, score].compactMap { $0 })
        others = names.indices.filter { !used.contains($0) && !names[$0].isEmpty }.map {
            ($0, Self.reserved.contains(names[$0]) ? "csv_" + names[$0] : names[$0])
        }
    }

    /// Whether a line is a header that this reads.
    static func isHeader(_ line: some Collection<UInt8>) -> Bool {
        var table = CSVTable(Array(line), delimiter: CSVTable.delimiter(of: line))
        guard let row = try? table.next() else { return false }
        return (try? CSVColumns(header: row.fields.map { String(decoding: $0, as: UTF8.self) }))
            != nil
    }

    private static func normalized(_ name: String) -> String {
        let kept = name.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: "_")
        return kept.replacing("-", with: "_")
    }
}
