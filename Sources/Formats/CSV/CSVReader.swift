import Annotations
import Files
import Imaging

/// A table with a header line and a line a box. A line whose box and label are empty stands for an
/// image without objects.
struct CSVReader {
    private let source: AnnotationSource

    init(_ source: AnnotationSource) {
        self.source = source
    }

    private static let byteLimit = 4 << 30

    func read(into records: inout ImportedRecords) throws {
        let text = try FileBytes.text(path: source.path, kind: "table", limit: Self.byteLimit)
        let first = text.firstIndex(of: UInt8(ascii: "\n")) ?? text.count
        var table = CSVTable(text, delimiter: CSVTable.delimiter(of: text[..<first]))
        let file = records.places.addFile(source.path)
        func place(_ line: Int) -> ImportPlaces.Place {
            ImportPlaces.Place(file: file, number: Int32(clamping: line))
        }
        var columns: CSVColumns?
        var isDone = false
        var images: [String: (name: String, size: Size?)] = [:]
        var largest = 0.0
        while !isDone {
            do throws(CSVTable.Fault) {
                guard let row = try table.next() else { break }
                if let columns {
                    add(row, columns, place(row.line), &images, &largest, to: &records)
                } else {
                    columns = try Self.columns(row)
                }
            } catch {
                records.error(
                    place(error.line), expected: error.expected, found: error.found)
                isDone = columns == nil
            }
        }
        guard records.problems.errorCount == 0, !records.annotations.isEmpty else {
            if columns == nil, records.problems.errorCount == 0 {
                throw FileError.unreadable(
                    path: source.path, reason: "expected a header line, found nothing")
            }
            return
        }
        if largest <= 1 {
            records.error(
                place(0), expected: "boxes in pixels",
                found: "no number above 1: shares of the image's sides?")
        }
    }

    private static func columns(_ row: CSVTable.Row) throws(CSVTable.Fault) -> CSVColumns {
        do throws(CSVColumns.Fault) {
            guard row.fields.count <= CSVTable.columnLimit else {
                throw CSVColumns.Fault(
                    expected: "at most \(CSVTable.columnLimit) columns", found: "more")
            }
            return try CSVColumns(header: row.fields.map { String(decoding: $0, as: UTF8.self) })
        } catch {
            throw CSVTable.Fault(line: row.line, expected: error.expected, found: error.found)
        }
    }

    private func add(
        _ row: CSVTable.Row, _ columns: CSVColumns, _ place: ImportPlaces.Place,
        _ images: inout [String: (name: String, size: Size?)], _ largest: inout Double,
        to records: inout ImportedRecords
    ) {
        guard row.fields.count == columns.names.count else {
            let more = row.fields.count > CSVTable.columnLimit ? "more than " : ""
            return records.error(
                place, expected: "\(columns.names.count) fields, as the header has",
                found: more + "\(min(row.fields.count, CSVTable.columnLimit))")
        }
        func text(_ column: Int, _ records: inout ImportedRecords) -> String? {
            if let text = String(validating: row.fields[column], as: UTF8.self) { return text }
            records.error(
                place, field: columns.names[column], expected: "UTF-8",
                found: TextFields.shown(row.fields[column]))
            return nil
        }
        guard let written = text(columns.image, &records),
            let label = text(columns.label, &records)
        else { return }
        let (name, header) = images[written] ?? source.image(among: [written])
        images[written] = (name, header)
        if let fault = ImageRecord.fault(in: name) {
            return records.error(
                place, field: columns.names[columns.image],
                expected: "a path inside the images folder",
                found: "\(name.quoted), which \(fault)")
        }
        let size = size(header, row, columns, place, &records)
        let image = records.image(name, size: size, at: place)
        if label.isEmpty, columns.box.allSatisfy({ row.fields[$0].isEmpty }) { return }
        guard let box = numbers(columns.box, row, columns, place, &records) else { return }
        guard !label.isEmpty else {
            return records.error(
                place, field: columns.names[columns.label], expected: "a class name",
                found: "nothing")
        }
        largest = max(largest, box.max() ?? 0)
        var result = ImportedRecords.Annotation(
            image: image, category: records.category(label), x: box[0], y: box[1],
            width: columns.boxHasCorners ? box[2] - box[0] : box[2],
            height: columns.boxHasCorners ? box[3] - box[1] : box[3])
        if let score = columns.score, !row.fields[score].isEmpty {
            guard let value = numbers([score], row, columns, place, &records) else { return }
            result.members.add("score", number: value[0])
        }
        for (column, key) in columns.others where !row.fields[column].isEmpty {
            if let number = TextFields.number(row.fields[column]) {
                result.members.add(key, number: number)
            } else if let text = text(column, &records) {
                result.members.add(key, text: text)
            }
        }
        records.add(result, at: place)
    }

    private func numbers(
        _ places: [Int], _ row: CSVTable.Row, _ columns: CSVColumns, _ place: ImportPlaces.Place,
        _ records: inout ImportedRecords
    ) -> [Double]? {
        var values: [Double] = []
        for column in places {
            if let value = TextFields.number(row.fields[column].trimmingSpaces) {
                values.append(value)
            } else {
                records.error(
                    place, field: columns.names[column], expected: "a finite number",
                    found: TextFields.shown(row.fields[column]))
            }
        }
        return values.count == places.count ? values : nil
    }

    /// By the columns, else by the image's header.
    private func size(
        _ header: Size?, _ row: CSVTable.Row, _ columns: CSVColumns, _ place: ImportPlaces.Place,
        _ records: inout ImportedRecords
    ) -> Size? {
        guard let width = columns.imageWidth, let height = columns.imageHeight else {
            return header
        }
        guard let sides = numbers([width, height], row, columns, place, &records) else {
            return nil
        }
        guard sides.allSatisfy({ (1...0x7FFF_FFFF).contains($0) && $0 == $0.rounded() }) else {
            records.error(
                place, field: "\(columns.names[width]), \(columns.names[height])",
                expected: "whole numbers of pixels above 0", found: "\(sides)")
            return nil
        }
        return Size(height: Int(sides[1]), width: Int(sides[0]))
    }
}

extension [UInt8] {
    /// Without spaces at both ends.
    fileprivate var trimmingSpaces: ArraySlice<UInt8> {
        let start = drop { $0 == 0x20 || $0 == 0x09 }
        let count = start.reversed().prefix { $0 == 0x20 || $0 == 0x09 }.count
        return start.dropLast(count)
    }
}
