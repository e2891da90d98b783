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

        var columns: [StaticString] {
            switch self {
            case .images: ["id", "file_name", "height", "width"]
            case .annotations:
                [
                    "id", "image_id", "category_id", "bbox", "iscrowd", "segmentation", "area",
                ]
            case .categories: ["id", "name"]
            }
        }

        var key: StaticString {
            switch self {
            case .images: "images"
            case .annotations: "annotations"
            case .categories: "categories"
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
        let names = Table.allCases.map { table in
            table.columns.map {
                Optional(UnsafeRawPointer($0.utf8Start).assumingMemoryBound(to: CChar.self))
            }
        }
        let flat = names.flatMap { $0 }
        var error = cj_error()
        let status = flat.withUnsafeBufferPointer { flat in
            var first = 0
            let tables = Table.allCases.map { table in
                defer { first += table.columns.count }
                return cj_table(
                    key: UnsafeRawPointer(table.key.utf8Start).assumingMemoryBound(to: CChar.self),
                    columns: flat.baseAddress.map { $0 + first }, column_count: table.columns.count)
            }
            var visitor = cj_visitor(
                context: Unmanaged.passUnretained(self).toOpaque(),
                table: { context, table, value, isFirst in
                    guard let context, let value else { return 1 }
                    Unmanaged<AnnotationReader>.fromOpaque(context).takeUnretainedValue()
                        .begin(Table.allCases[table], value.pointee, isFirst: isFirst != 0)
                    return 0
                },
                row: { context, table, row, columns in
                    guard let context, let row else { return 1 }
                    Unmanaged<AnnotationReader>.fromOpaque(context).takeUnretainedValue()
                        .add(Table.allCases[table], row.pointee, columns)
                    return 0
                })
            return cj_read(
                content.baseAddress, content.count, tables, tables.count, &visitor, &error)
        }
        switch status {
        case CJ_OK: return
        case CJ_NOT_OBJECT:
            problems.add(
                .error, .file, expected: "an object with \"images\" and \"annotations\"",
                found: snippet(0..<content.count))
            throw .invalid(problems)
        case CJ_NO_MEMORY: throw .unreadable(path: path, reason: "out of memory")
        default:
            let place = bytes.place(of: error.offset)
            let message = withUnsafeBytes(of: error.message) { text in
                String(decoding: text.prefix { $0 != 0 }, as: UTF8.self)
            }
            throw .syntax(path: path, line: place.line, column: place.column, message: message)
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
        let box = columns[3]
        let numbers = box.numbers
        let isBox =
            box.has_numbers != 0 && (numbers.0 + numbers.2).isFinite
            && (numbers.1 + numbers.3).isFinite
        if !isBox {
            problems.add(
                .error, subject, field: "bbox", expected: "4 finite numbers", found: snippet(box))
        }
        guard let id, let imageID, isBox else { return }
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
                id: id, imageID: imageID, categoryID: category, x: numbers.0, y: numbers.1,
                width: numbers.2, height: numbers.3, indexBits: UInt32(index),
                bytes: ByteRange(row), segmentationBytes: ByteRange(columns[5]),
                areaBytes: ByteRange(columns[6]), isCrowd: isCrowd, hasRepeatedKeys: isRepeated))
    }

    // MARK: Values

    private func isPresent(_ value: cj_value) -> Bool {
        value.kind != CJ_MISSING.rawValue && value.kind != CJ_NULL.rawValue
    }

    /// Whole numbers that some tools write as 17.0 are numbers too.
    private func recordID(_ value: cj_value) -> RecordID? {
        switch UInt32(value.kind) {
        case CJ_NUMBER.rawValue:
            if value.is_integer != 0 { return .integer(value.integer) }
            let digits = content[Int(value.begin)..<Int(value.end)]
            if digits.dropFirst().allSatisfy({ (0x30...0x39).contains($0) }) {
                return .large(String(decoding: digits, as: UTF8.self))
            }
            guard abs(value.numbers.0) <= 0x1p53 else { return nil }
            return Int64(exactly: value.numbers.0).map(RecordID.integer)
        case CJ_STRING.rawValue: return text(value).map(RecordID.text)
        default: return nil
        }
    }

    private func text(_ value: cj_value) -> String? {
        guard value.kind == CJ_STRING.rawValue else { return nil }
        let range = Int(value.begin)..<Int(value.end)
        return JSONScanner(content, range).text(range)
    }

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

    private func snippet(_ value: cj_value) -> String {
        value.kind == CJ_MISSING.rawValue ? "nothing" : snippet(Int(value.begin)..<Int(value.end))
    }

    /// The start of a value as the file spells it, on one line.
    private func snippet(_ range: Range<Int>) -> String {
        let kept = content[range].prefix(48)
        let text = String(decoding: kept, as: UTF8.self)
            .unicodeScalars.map { $0.properties.generalCategory == .control ? " " : String($0) }
            .joined()
        return kept.count < range.count ? text + "…" : text
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

extension ByteRange {
    init(_ value: cj_value) {
        self.init(begin: value.begin, end: value.end)
    }
}
