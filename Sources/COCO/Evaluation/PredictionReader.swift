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
    private var unknownCategories = 0
    private var sawTable = false

    init(path: String, bytes: FileBytes, truth: AnnotationFile, scoreKey: String) {
        self.path = path
        self.bytes = bytes
        self.scoreKey = scoreKey
        truthPath = truth.path
        problems = ProblemList(file: path)
        images = Dictionary(
            truth.images.map { ($0.id, Int32($0.index)) }, uniquingKeysWith: { $1 })
        categories = Dictionary(
            truth.categories.map { ($0.id, Int32($0.index)) }, uniquingKeysWith: { $1 })
    }

    func read() throws(COCOError) {
        try bytes.withBytes { (content) throws(COCOError) in
            let columns = ["id", "image_id", "category_id", "bbox", "segmentation", scoreKey]
            let visitor = JSONTableVisitor(
                onTable: { [unowned self] _, value, _ in
                    sawTable = value.kind == CJ_ARRAY.rawValue
                },
                onRow: { [unowned self] table, row, columns in
                    isList = table == 0
                    add(row, columns)
                })
            let isTable = try bytes.readTables(
                [
                    JSONTable(key: nil, columns: columns),
                    JSONTable(key: "annotations", columns: columns),
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
        resolveScores()
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
        if category != nil, categoryPlace < 0 { unknownCategories += 1 }
        let box = box(columns, isFirst: index == 0, subject)
        let score = score(columns[5], subject)
        if columns[5].isPresent {
            scoreCount += 1
        } else {
            unscored.append((index, id))
        }
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
    fileprivate func scored(_ score: Double) -> Detection {
        Detection(
            id: id, score: score, box: box, imageBits: imageBits, categoryBits: categoryBits,
            segmentationBytes: segmentationBytes)
    }
}
