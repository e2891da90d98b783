import CJSON
import Imaging

/// Turns the rows of the three tables into records and findings.
final class AnnotationReader {
    private(set) var images: [ImageRecord] = []
    private(set) var annotations: [AnnotationRecord] = []
    private(set) var categories: [CategoryRecord] = []
    private(set) var problems: ProblemList

    private let path: String
    private let bytes: FileBytes
    private var content = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
    private var rowCounts = [0, 0, 0]
    private var seenTables: Set<Table> = []

    private enum Table: Int, CaseIterable {
        case images, annotations, categories

        var columns: [String] {
            switch self {
            case .images: ["id", "file_name", "height", "width"]
            case .annotations:
                [
                    "id", "image_id", "category_id", "bbox", "iscrowd", "segmentation", "area",
                ]
            case .categories: ["id", "name"]
            }
        }
    }

    init(path: String, bytes: FileBytes) {
        self.path = path
        self.bytes = bytes
        problems = ProblemList(file: path)
    }

    func read() throws(COCOError) {
        try bytes.withBytes { (content) throws(COCOError) in
            self.content = content
            defer { self.content = UnsafeBufferPointer(start: nil, count: 0) }
            try walk()
        }
        for table in [Table.images, .annotations] where !seenTables.contains(table) {
            problems.add(
                .error, .file, field: "\(table)", expected: "an array of objects",
                found: "no such key")
        }
        resolve()
    }

    private func walk() throws(COCOError) {
        let isObject = try JSONTables.read(
            Table.allCases.map { JSONTable(key: "\($0)", columns: $0.columns) },
            content: content, bytes: bytes, path: path,
            onTable: { table, value, isFirst in
                self.begin(Table.allCases[table], value, isFirst: isFirst)
            },
            onRow: { table, row, columns in self.add(Table.allCases[table], row, columns) })
        guard isObject else {
            problems.add(
                .error, .file, expected: "an object with \"images\" and \"annotations\"",
                found: values.snippet(0..<content.count))
            throw .invalid(problems)
        }
    }

    private func begin(_ table: Table, _ value: cj_value, isFirst: Bool) {
        if !isFirst {
            problems.add(
                .error, .file, field: "\(table)", expected: "the key once", found: "it twice")
        }
        if value.kind != CJ_ARRAY.rawValue {
            problems.add(
                .error, .file, field: "\(table)", expected: "an array of objects",
                found: snippet(value))
        }
        seenTables.insert(table)
    }

    private func add(_ table: Table, _ row: cj_value, _ columns: UnsafePointer<cj_value>?) {
        let index = rowCounts[table.rawValue]
        rowCounts[table.rawValue] += 1
        guard let columns else {
            problems.add(
                .error, subject(table, index, nil), expected: "an object", found: snippet(row))
            return
        }
        switch table {
        case .images: addImage(index, columns)
        case .annotations: addAnnotation(index, row, columns)
        case .categories: addCategory(index, columns)
        }
    }

    private func subject(_ table: Table, _ index: Int, _ id: RecordID?) -> Problem.Subject {
        switch table {
        case .images: .image(index: index, id: id)
        case .annotations: .annotation(index: index, id: id)
        case .categories: .category(index: index, id: id)
        }
    }

    // MARK: Rows

    private func addImage(_ index: Int, _ columns: UnsafePointer<cj_value>) {
        let id = recordID(columns[0])
        let subject = Problem.Subject.image(index: index, id: id)
        checkRepeats(columns, .images, subject)
        if id == nil { reportID(columns[0], subject, "id") }
        let name = text(columns[1])
        if let name {
            if let fault = ImageRecord.fault(in: name) {
                problems.add(
                    .error, subject, field: "file_name",
                    expected: "a path inside the images folder",
                    found: "\(snippet(columns[1])), which \(fault)")
            }
        } else {
            problems.add(
                .error, subject, field: "file_name", expected: "a text", found: snippet(columns[1]))
        }
        var size: Size?
        if isPresent(columns[2]) || isPresent(columns[3]) {
            let height = side(columns[2], subject, "height")
            let width = side(columns[3], subject, "width")
            if let height, let width {
                let declared = Size(height: height, width: width)
                if declared.pixelCount.map({ $0 <= RLE.pixelLimit }) ?? false {
                    size = declared
                } else {
                    problems.add(
                        .error, subject, field: "width, height",
                        expected: "at most \(RLE.pixelLimit) pixels", found: "\(declared)")
                }
            }
        }
        guard let id, let name else { return }
        images.append(ImageRecord(index: index, id: id, fileName: name, size: size))
    }

    private func addCategory(_ index: Int, _ columns: UnsafePointer<cj_value>) {
        let id = recordID(columns[0])
        let subject = Problem.Subject.category(index: index, id: id)
        checkRepeats(columns, .categories, subject)
        guard let id else { return reportID(columns[0], subject, "id") }
        if isPresent(columns[1]), text(columns[1]) == nil {
            problems.add(
                .warning, subject, field: "name", expected: "a text", found: snippet(columns[1]))
        }
        categories.append(CategoryRecord(index: index, id: id, name: text(columns[1])))
    }

    private func addAnnotation(
        _ index: Int, _ row: cj_value, _ columns: UnsafePointer<cj_value>
    ) {
        let id = recordID(columns[0])
        let subject = Problem.Subject.annotation(index: index, id: id)
        let isRepeated = checkRepeats(columns, .annotations, subject)
        if id == nil { reportID(columns[0], subject, "id") }
        let imageID = recordID(columns[1])
        if imageID == nil { reportID(columns[1], subject, "image_id") }
        let category = recordID(columns[2])
        if category == nil, isPresent(columns[2]) { reportID(columns[2], subject, "category_id") }
        let box = columns[3].box
        if box == nil {
            problems.add(
                .error, subject, field: "bbox", expected: "4 finite numbers",
                found: snippet(columns[3]))
        }
        guard let id, let imageID, let box else { return }
        let crowd = columns[4]
        var isCrowd = crowd.kind == CJ_TRUE.rawValue
        if crowd.kind == CJ_NUMBER.rawValue { isCrowd = crowd.numbers.0 != 0 }
        if isPresent(crowd), crowd.kind != CJ_TRUE.rawValue, crowd.kind != CJ_FALSE.rawValue,
            crowd.kind != CJ_NUMBER.rawValue || !(crowd.numbers.0 == 0 || crowd.numbers.0 == 1)
        {
            problems.add(
                .warning, subject, field: "iscrowd", expected: "0 or 1", found: snippet(crowd))
        }
        annotations.append(
            AnnotationRecord(
                id: id, imageID: imageID, categoryID: category, x: box.x, y: box.y,
                width: box.width, height: box.height, indexBits: UInt32(index),
                bytes: ByteRange(row), segmentationBytes: ByteRange(columns[5]),
                areaBytes: ByteRange(columns[6]), isCrowd: isCrowd, hasRepeatedKeys: isRepeated))
    }

    // MARK: Values

    private var values: JSONValues { JSONValues(content: content) }
    private func isPresent(_ value: cj_value) -> Bool { value.isPresent }
    private func recordID(_ value: cj_value) -> RecordID? { values.recordID(value) }
    private func text(_ value: cj_value) -> String? { values.text(value) }
    private func snippet(_ value: cj_value) -> String { values.snippet(value) }

    private func side(_ value: cj_value, _ subject: Problem.Subject, _ field: String) -> Int? {
        if value.kind == CJ_NUMBER.rawValue, value.numbers.0 >= 1, value.numbers.0 <= 0x1p31,
            let side = Int(exactly: value.numbers.0)
        {
            return side
        }
        problems.add(
            .error, subject, field: field, expected: "a whole number of pixels above 0",
            found: snippet(value))
        return nil
    }

    private func reportID(_ value: cj_value, _ subject: Problem.Subject, _ field: String) {
        problems.add(
            .error, subject, field: field, expected: "a whole number or a text",
            found: snippet(value))
    }

    @discardableResult
    private func checkRepeats(
        _ columns: UnsafePointer<cj_value>, _ table: Table, _ subject: Problem.Subject
    ) -> Bool {
        var any = false
        for (column, name) in table.columns.enumerated() where columns[column].repeated != 0 {
            any = true
            problems.add(
                .warning, subject, field: "\(name)", expected: "the key once",
                found: "it more than once (the last one counts)")
        }
        return any
    }

    // MARK: References

    /// What needs the whole file: images may come after the annotations that name them.
    private func resolve() {
        let imagePlaces = places(images.map { ($0.index, $0.id) }, .images, .error)
        let categoryPlaces = places(categories.map { ($0.index, $0.id) }, .categories, .warning)
        if !seenTables.contains(.categories) {
            problems.add(
                .warning, .file, field: "categories", expected: "an array of objects",
                found: "no such key (labelling needs none)")
        }
        var ids = Set<RecordID>(minimumCapacity: annotations.count)
        for place in annotations.indices {
            resolve(&annotations[place], imagePlaces, categoryPlaces, &ids)
        }
    }

    private func places(
        _ records: [(index: Int, id: RecordID)], _ table: Table, _ severity: Problem.Severity
    ) -> [RecordID: Int32] {
        var places = [RecordID: Int32](minimumCapacity: records.count)
        for (place, record) in records.enumerated() {
            if let other = places.updateValue(Int32(place), forKey: record.id) {
                problems.add(
                    severity, subject(table, record.index, record.id), field: "id",
                    expected: "an id of its own",
                    found: "that of \(table)[\(records[Int(other)].index)]")
            }
        }
        return places
    }

    private func resolve(
        _ record: inout AnnotationRecord, _ imagePlaces: [RecordID: Int32],
        _ categoryPlaces: [RecordID: Int32], _ ids: inout Set<RecordID>
    ) {
        let subject = Problem.Subject.annotation(index: record.index, id: record.id)
        if !ids.insert(record.id).inserted {
            problems.add(
                .warning, subject, field: "id", expected: "an id of its own",
                found: "that of an earlier annotation")
        }
        if let place = imagePlaces[record.imageID] {
            record.imageBits = place
        } else {
            record.obstacle = .unknownImage
            problems.add(
                .warning, subject, field: "image_id", expected: "the id of an image",
                found: "\(record.imageID) (kept without a mask)")
        }
        if seenTables.contains(.categories) {
            if let place = record.categoryID.flatMap({ categoryPlaces[$0] }) {
                record.categoryBits = place
            } else {
                problems.add(
                    .warning, subject, field: "category_id", expected: "the id of a category",
                    found: record.categoryID.map { "\($0)" } ?? "nothing")
            }
        }
        checkBox(&record, subject)
    }

    private func checkBox(_ record: inout AnnotationRecord, _ subject: Problem.Subject) {
        let box = record.box
        func found() -> String { "[\(record.x), \(record.y), \(record.width), \(record.height)]" }
        guard record.width > 0, record.height > 0, box.width > 0, box.height > 0 else {
            record.obstacle = record.obstacle ?? .emptyBox
            problems.add(
                .warning, subject, field: "bbox", expected: "a width and height above 0",
                found: "\(found()) (kept without a mask)")
            return
        }
        guard let size = record.imageIndex.flatMap({ images[$0].size }) else { return }
        guard let inside = box.clipped(to: size) else {
            record.obstacle = .boxOutsideImage
            problems.add(
                .warning, subject, field: "bbox", expected: "a box that meets its \(size) image",
                found: "\(found()) (kept without a mask)")
            return
        }
        record.isClipped = inside != box
    }
}
