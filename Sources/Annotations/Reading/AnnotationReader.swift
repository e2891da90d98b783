import CJSON
import Imaging

/// Turns the rows of the three tables into records and findings.
package final class AnnotationReader {
    private(set) var images: [ImageRecord] = []
    private(set) var annotations: [AnnotationRecord] = []
    private(set) var categories: [CategoryRecord] = []
    private(set) var problems: ProblemList

    private let path: String
    package let bytes: FileBytes
    package let places: ImportPlaces?
    private var naming: ImageNaming
    private var rowCounts = [0, 0, 0]
    private var seenTables: Set<Table> = []
    private var otherIDs = 0
    private var statistics = BoxStatistics()

    private enum Table: Int, CaseIterable {
        case images, annotations, categories

        var columns: [String] {
            switch self {
            case .images: ["id", "file_name", "height", "width", "coco_url"]
            case .annotations:
                [
                    "id", "image_id", "category_id", "bbox", "iscrowd", "segmentation", "area",
                ]
            case .categories: ["id", "name"]
            }
        }
    }

    /// - Parameters:
    ///   - naming: finds images under the names that some data sets give them.
    ///   - places: where the records come from, if not from `path` itself.
    ///   - problems: what is known to be wrong before.
    package init(
        path: String, bytes: FileBytes, naming: ImageNaming = ImageNaming(),
        places: ImportPlaces? = nil, problems: ProblemList? = nil
    ) {
        self.path = path
        self.bytes = bytes
        self.naming = naming
        self.places = places
        self.problems = problems ?? ProblemList(file: path)
    }

    /// Which layout the images' names turned out to have.
    package var format: AnnotationFormat { naming.found ?? .coco }

    private func report(
        _ severity: Problem.Severity, _ subject: Problem.Subject, field: String? = nil,
        expected: @autoclosure () -> String, found: @autoclosure () -> String
    ) {
        problems.add(
            severity, at: places?.text(of: subject), subject, field: field, expected: expected(),
            found: found())
    }

    package func read() throws {
        try walk()
        for table in [Table.images, .annotations] where !seenTables.contains(table) {
            report(
                .error, .file, field: "\(table)", expected: "an array of objects",
                found: "no such key")
        }
        resolve()
    }

    private func walk() throws {
        let visitor = JSONTableVisitor(
            onTable: { [unowned self] table, value, isFirst in
                begin(Table.allCases[table], value, isFirst: isFirst)
            },
            onRow: { [unowned self] table, row, columns in
                add(Table.allCases[table], row, columns)
            })
        let tables = Table.allCases.map { JSONTable(key: "\($0)", columns: $0.columns) }
        guard try bytes.readTables(tables, path: path, visitor: visitor) else {
            report(
                .error, .file, expected: "an object with \"images\" and \"annotations\"",
                found: bytes.snippet(0..<bytes.count))
            throw AnnotationError.invalid(problems)
        }
    }

    private func begin(_ table: Table, _ value: cj_value, isFirst: Bool) {
        if !isFirst {
            report(
                .error, .file, field: "\(table)", expected: "the key once", found: "it twice")
        }
        if value.kind != CJ_ARRAY.rawValue {
            report(
                .error, .file, field: "\(table)", expected: "an array of objects",
                found: snippet(value))
        }
        seenTables.insert(table)
    }

    private func add(_ table: Table, _ row: cj_value, _ columns: UnsafePointer<cj_value>?) {
        let index = rowCounts[table.rawValue]
        rowCounts[table.rawValue] += 1
        guard let columns else {
            report(
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
        let name = naming.name(fileName: text(columns[1]), cocoURL: text(columns[4]))
        if let name {
            if let fault = ImageRecord.fault(in: name) {
                report(
                    .error, subject, field: "file_name",
                    expected: "a path inside the images folder",
                    found: "\(snippet(columns[columns[1].isPresent ? 1 : 4])), which \(fault)")
            }
        } else {
            report(
                .error, subject, field: "file_name", expected: "a text", found: snippet(columns[1]))
        }
        var size: Size?
        if columns[2].isPresent || columns[3].isPresent {
            let height = side(columns[2], subject, "height")
            let width = side(columns[3], subject, "width")
            if let height, let width {
                let declared = Size(height: height, width: width)
                if declared.pixelCount.map({ $0 <= RLE.pixelLimit }) ?? false {
                    size = declared
                } else {
                    report(
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
        if columns[1].isPresent, text(columns[1]) == nil {
            report(
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
        if category == nil, columns[2].isPresent { reportID(columns[2], subject, "category_id") }
        let hasMaskAlone =
            !columns[3].isPresent && columns[5].isPresent && columns[5].kind != CJ_NULL.rawValue
        // ``addBoxOfMask(to:_:)`` gives it one when all images are known.
        let box = hasMaskAlone ? (0, 0, 0, 0) : columns[3].box
        if box == nil {
            report(
                .error, subject, field: "bbox", expected: "4 finite numbers",
                found: snippet(columns[3]))
        }
        guard let id, let imageID, let box else { return }
        let crowd = columns[4]
        var isCrowd = crowd.kind == CJ_TRUE.rawValue
        if crowd.kind == CJ_NUMBER.rawValue { isCrowd = crowd.numbers.0 != 0 }
        if crowd.isPresent, crowd.kind != CJ_TRUE.rawValue, crowd.kind != CJ_FALSE.rawValue,
            crowd.kind != CJ_NUMBER.rawValue || !(crowd.numbers.0 == 0 || crowd.numbers.0 == 1)
        {
            report(
                .warning, subject, field: "iscrowd", expected: "0 or 1", found: snippet(crowd))
        }
        var record = AnnotationRecord(
            id: id, imageID: imageID, categoryID: category, x: box.x, y: box.y,
            width: box.width, height: box.height, indexBits: UInt32(index),
            bytes: ByteRange(row), segmentationBytes: ByteRange(columns[5]),
            areaBytes: ByteRange(columns[6]), isCrowd: isCrowd, hasRepeatedKeys: isRepeated)
        record.hasBoxOfMask = hasMaskAlone
        annotations.append(record)
    }

    // MARK: Values

    private func recordID(_ value: cj_value) -> RecordID? { bytes.recordID(value) }

    private func text(_ value: cj_value) -> String? { bytes.string(value) }

    private func side(_ value: cj_value, _ subject: Problem.Subject, _ field: String) -> Int? {
        if value.kind == CJ_NUMBER.rawValue, value.numbers.0 >= 1, value.numbers.0 <= 0x1p31,
            let side = Int(exactly: value.numbers.0)
        {
            return side
        }
        report(
            .error, subject, field: field, expected: "a whole number of pixels above 0",
            found: snippet(value))
        return nil
    }

    private func reportID(_ value: cj_value, _ subject: Problem.Subject, _ field: String) {
        report(
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
            report(
                .warning, subject, field: "\(name)", expected: "the key once",
                found: "it more than once (the last one counts)")
        }
        return any
    }

    private func snippet(_ value: cj_value) -> String { bytes.snippet(value) }

    // MARK: References

    /// What needs the whole file: images may come after the annotations that name them.
    private func resolve() {
        let imagePlaces = places(images.map { ($0.index, $0.id) }, .images, .error)
        let categoryPlaces = places(categories.map { ($0.index, $0.id) }, .categories, .warning)
        if !seenTables.contains(.categories) {
            report(
                .warning, .file, field: "categories", expected: "an array of objects",
                found: "no such key (labelling needs none)")
        }
        var ids = Set<RecordID>(minimumCapacity: annotations.count)
        for place in annotations.indices {
            resolve(&annotations[place], imagePlaces, categoryPlaces, &ids)
        }
        if let finding = statistics.finding(hasSides: places == nil) {
            report(.warning, .file, field: "bbox", expected: finding.expected, found: finding.found)
        }
        if otherIDs > 0 {
            problems.note(
                "\(otherIDs) ids of images and categories are texts where numbers are meant, or "
                    + "numbers where texts are: taken as the same")
        }
    }

    private func places(
        _ records: [(index: Int, id: RecordID)], _ table: Table, _ severity: Problem.Severity
    ) -> [RecordID: Int32] {
        var places = [RecordID: Int32](minimumCapacity: records.count)
        for (place, record) in records.enumerated() {
            if let other = places.updateValue(Int32(place), forKey: record.id) {
                report(
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
            report(
                .warning, subject, field: "id", expected: "an id of its own",
                found: "that of an earlier annotation")
        }
        if let place = place(of: record.imageID, in: imagePlaces) {
            record.imageBits = place
        } else {
            record.obstacle = .unknownImage
            report(
                .warning, subject, field: "image_id", expected: "the id of an image",
                found: "\(record.imageID) (kept without a mask)")
        }
        if seenTables.contains(.categories) {
            if let place = record.categoryID.flatMap({ place(of: $0, in: categoryPlaces) }) {
                record.categoryBits = place
            } else {
                report(
                    .warning, subject, field: "category_id", expected: "the id of a category",
                    found: record.categoryID.map { "\($0)" } ?? "nothing")
            }
        }
        if record.hasBoxOfMask { addBoxOfMask(to: &record, subject) }
        checkBox(&record, subject)
    }

    /// The place of an id; `"7"` and 7 are the same where only one of them is there.
    private func place(of id: RecordID, in places: [RecordID: Int32]) -> Int32? {
        if let place = places[id] { return place }
        let other: RecordID? =
            switch id {
            case .text(let text): Int64(text).map(RecordID.integer)
            case .integer(let number): .text("\(number)")
            default: nil
            }
        guard let place = other.flatMap({ places[$0] }) else { return nil }
        otherIDs += 1
        return place
    }

    /// An annotation that has a mask and no box gets the box of its mask.
    private func addBoxOfMask(to record: inout AnnotationRecord, _ subject: Problem.Subject) {
        guard let place = record.imageIndex else {
            record.hasBoxOfMask = false
            return
        }
        guard let box = try? bytes.boxOfMask(record, size: images[place].size) else {
            return report(
                .error, subject, field: "bbox",
                expected: "4 finite numbers, or a mask that has a box",
                found: "a segmentation without one")
        }
        (record.x, record.y) = (box.minX, box.minY)
        (record.width, record.height) = (box.width, box.height)
    }

    private func checkBox(_ record: inout AnnotationRecord, _ subject: Problem.Subject) {
        let box = record.box
        statistics.add(box, size: record.imageIndex.flatMap { images[$0].size })
        func found() -> String { "[\(record.x), \(record.y), \(record.width), \(record.height)]" }
        guard record.width > 0, record.height > 0, box.width > 0, box.height > 0 else {
            record.obstacle = record.obstacle ?? .emptyBox
            report(
                .warning, subject, field: "bbox", expected: "a width and height above 0",
                found: "\(found()) (kept without a mask)")
            return
        }
        guard let size = record.imageIndex.flatMap({ images[$0].size }) else { return }
        guard let inside = box.clipped(to: size) else {
            record.obstacle = .boxOutsideImage
            report(
                .warning, subject, field: "bbox", expected: "a box that meets its \(size) image",
                found: "\(found()) (kept without a mask)")
            return
        }
        record.isClipped = inside != box
        // Rounding takes boxes of whole images a little over the edge.
        if max(-box.minX, -box.minY, box.maxX - inside.maxX, box.maxY - inside.maxY) > 0.5 {
            report(
                .warning, subject, field: "bbox", expected: "a box inside its \(size) image",
                found: "\(found()) (clipped)")
        }
    }
}
