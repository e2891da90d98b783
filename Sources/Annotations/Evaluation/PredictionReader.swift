import CJSON

/// Turns a list of detections, or the annotations of a COCO file, into records and findings.
final class PredictionReader {
    private(set) var detections: [Detection] = []
    private(set) var problems: ProblemList
    private(set) var hasBoxes = false

    private let path: String
    private let bytes: FileBytes
    private let truthPath: String
    private let scoreKey: String
    private let images: [RecordID: Int32]
    private let categories: [RecordID: Int32]
    private var rowCount = 0
    private var scoreCount = 0
    private var unscored: [(index: Int, id: RecordID?)] = []
    private var isList = false
    private let truthCategories: [CategoryRecord]
    /// The category of each entry as the file has it.
    private var categoryIDs: [RecordID?] = []
    /// The file's own categories, if it has any.
    private var names: [RecordID: String] = [:]
    private var sawTable = false

    init(path: String, bytes: FileBytes, truth: AnnotationFile, scoreKey: String) {
        self.path = path
        self.bytes = bytes
        self.scoreKey = scoreKey
        truthPath = truth.path
        problems = ProblemList(file: path)
        images = Dictionary(
            truth.images.map { ($0.id, Int32($0.index)) }, uniquingKeysWith: { $1 })
        truthCategories = truth.categories
        categories = Dictionary(
            truth.categories.map { ($0.id, Int32($0.index)) }, uniquingKeysWith: { $1 })
    }

    func read() throws {
        try bytes.withBytes { (content) throws in
            let columns = ["id", "image_id", "category_id", "bbox", "segmentation", scoreKey]
            let visitor = JSONTableVisitor(
                onTable: { [unowned self] table, value, _ in
                    if table < 2 { sawTable = value.kind == CJ_ARRAY.rawValue }
                },
                onRow: { [unowned self] table, row, columns in
                    guard table < 2 else {
                        if let columns, let id = bytes.recordID(columns[0]) {
                            names[id] = bytes.string(columns[1])
                        }
                        return
                    }
                    isList = table == 0
                    add(row, columns)
                })
            let isTable = try bytes.readTables(
                [
                    JSONTable(key: nil, columns: columns),
                    JSONTable(key: "annotations", columns: columns),
                    JSONTable(key: "categories", columns: ["id", "name"]),
                ], path: path, visitor: visitor)
            let first = content.first { $0 > 0x20 }
            guard isTable, sawTable || first == UInt8(ascii: "[") else {
                problems.add(
                    .error, .file,
                    expected: "a list of detections, or an object with \"annotations\"",
                    found: bytes.snippet(0..<content.count))
                return
            }
        }
        matchCategories()
        resolveScores()
        let unknownCategories = zip(detections, categoryIDs).count {
            $0.categoryIndex == nil && $1 != nil
        }
        if unknownCategories > 0 {
            problems.add(
                .warning, .file, field: "category_id", expected: "the categories of \(truthPath)",
                found: "others in \(unknownCategories) entries, which count for nothing")
        }
    }

    private func add(_ row: cj_value, _ columns: UnsafePointer<cj_value>?) {
        let index = rowCount
        rowCount += 1
        guard let columns else {
            problems.add(
                .error, .annotation(index: index, id: nil), expected: "an object",
                found: bytes.snippet(row))
            return
        }
        let id = bytes.recordID(columns[0])
        let subject = Problem.Subject.annotation(index: index, id: id)
        if id == nil, columns[0].isPresent { reportID(columns[0], subject, "id") }
        let image = bytes.recordID(columns[1])
        if image == nil { reportID(columns[1], subject, "image_id") }
        let imagePlace = image.flatMap { images[$0] }
        if let image, imagePlace == nil {
            problems.add(
                .error, subject, field: "image_id", expected: "an image of \(truthPath)",
                found: "\(image)")
        }
        let category = bytes.recordID(columns[2])
        if category == nil { reportID(columns[2], subject, "category_id") }
        let categoryPlace = category.flatMap { categories[$0] } ?? -1
        let box = box(columns, isFirst: index == 0, subject)
        let score = score(columns[5], subject)
        if columns[5].isPresent {
            scoreCount += 1
        } else {
            unscored.append((index, id))
        }
        categoryIDs.append(category)
        detections.append(
            Detection(
                id: id, score: score, box: box, imageBits: imagePlace ?? -1,
                categoryBits: categoryPlace, segmentationBytes: ByteRange(columns[4])))
    }

    private func box(
        _ columns: UnsafePointer<cj_value>, isFirst: Bool, _ subject: Problem.Subject
    ) -> PlainBox? {
        let value = columns[3]
        let isEmpty = value.kind == CJ_ARRAY.rawValue && value.end - value.begin == 2
        if isFirst { hasBoxes = value.isPresent && !isEmpty }
        guard hasBoxes else {
            if !columns[4].isPresent {
                problems.add(
                    .error, subject, field: "segmentation",
                    expected: "a mask, as the first entry has no bbox", found: "nothing")
            }
            return nil
        }
        if let box = value.box {
            return PlainBox(x: box.x, y: box.y, width: box.width, height: box.height)
        }
        problems.add(
            .error, subject, field: "bbox", expected: "4 finite numbers",
            found: bytes.snippet(value))
        return nil
    }

    private func score(_ value: cj_value, _ subject: Problem.Subject) -> Double? {
        guard value.isPresent else { return nil }
        if value.kind == CJ_NUMBER.rawValue, value.numbers.0.isFinite { return value.numbers.0 }
        problems.add(
            .error, subject, field: scoreKey, expected: "a finite number",
            found: bytes.snippet(value))
        return nil
    }

    private func reportID(_ value: cj_value, _ subject: Problem.Subject, _ field: String) {
        problems.add(
            .error, subject, field: field, expected: "a whole number or a text",
            found: bytes.snippet(value))
    }

    /// A file that numbers its categories in another way than the truth is matched by their names;
    /// where that can't be, both tables are shown.
    private func matchCategories() {
        let used = Set(categoryIDs.compactMap { $0 }).filter { names[$0] != nil }
        let known = Dictionary(
            truthCategories.map { ($0.id, $0.name) }, uniquingKeysWith: { $1 })
        let differ = used.filter { id in
            known[id].map { $0 != nil && $0 != names[id] } ?? true
        }
        guard !differ.isEmpty else { return }
        let places = Dictionary(
            truthCategories.compactMap { record in record.name.map { ($0, record.index) } },
            uniquingKeysWith: { _, _ in -1 })
        let matched = Dictionary(
            uniqueKeysWithValues: used.compactMap { id in
                places[names[id] ?? ""].flatMap { $0 < 0 ? nil : (id, Int32($0)) }
            })
        let own = names.map { ("\($0)", $1) }
        let theirs = truthCategories.map { ("\($0.id)", $0.name ?? "without a name") }
        let both = "\(Self.table(own)), \(truthPath) has \(Self.table(theirs))"
        guard matched.count == used.count else {
            problems.add(
                .warning, .file, field: "categories", expected: "those of \(truthPath)",
                found: "others, which are compared by their numbers all the same: \(both)")
            return
        }
        problems.add(
            .warning, .file, field: "categories", expected: "the numbers of \(truthPath)",
            found: "others, so that categories are matched by their names: \(both)")
        detections = zip(detections, categoryIDs).map { detection, id in
            id.flatMap { matched[$0] }.map { detection.moved(to: $0) } ?? detection
        }
    }

    /// `1 cat, 2 dog`, the first ten.
    private static func table(_ rows: [(id: String, name: String)]) -> String {
        let sorted = rows.sorted { (Int($0.id) ?? 0, $0.id) < (Int($1.id) ?? 0, $1.id) }
        return sorted.prefix(10).map { "\($0.id) \($0.name)" }.joined(separator: ", ")
            + (rows.count > 10 ? ", …" : "")
    }

    /// No scores at all are taken as equal ones. In a COCO file where some have one, an entry
    /// without is a box that could not be labelled; a detector's list has no such entries.
    private func resolveScores() {
        guard let first = unscored.first else { return }
        if scoreCount == 0 {
            detections = detections.map { $0.scored(1) }
            problems.add(
                .warning, .file, field: scoreKey, expected: "a score in each entry",
                found: "none: all count as 1, and average precision depends on the entries' order")
        } else if isList {
            for entry in unscored {
                problems.add(
                    .error, .annotation(index: entry.index, id: entry.id), field: scoreKey,
                    expected: "a number, as other entries have", found: "nothing")
            }
        } else {
            problems.add(
                .warning, .annotation(index: first.index, id: first.id), field: scoreKey,
                expected: "a number, as other entries have",
                found: "nothing, in \(unscored.count) entries, which average precision leaves out")
        }
    }
}

extension Detection {
    fileprivate func moved(to category: Int32) -> Detection {
        Detection(
            id: id, score: score, box: box, imageBits: imageBits, categoryBits: category,
            segmentationBytes: segmentationBytes)
    }

    fileprivate func scored(_ score: Double) -> Detection {
        Detection(
            id: id, score: score, box: box, imageBits: imageBits, categoryBits: categoryBits,
            segmentationBytes: segmentationBytes)
    }
}
