import Annotations
import Files

/// The small tables that lie beside label images: `categories.csv` and `images.csv`.
struct SideTable {
    let path: String
    /// The fields of the wanted columns of each row, with the line that it begins on.
    let rows: [(line: Int, fields: [String])]

    private static let byteLimit = 1 << 30

    /// - Returns: nil if none of the folders has the file.
    /// - Throws: ``AnnotationError/problem(_:)`` that names the line.
    init?(_ name: String, in folders: [String], columns: [String]) throws {
        let paths = folders.map { LabelFiles.join($0, name) }
        guard let path = paths.first(where: FolderListing.isFile) else { return nil }
        self.path = path
        let text = try FileBytes.text(path: path, kind: "table", limit: Self.byteLimit)
        let first = text.firstIndex(of: UInt8(ascii: "\n")) ?? text.count
        var table = CSVTable(text, delimiter: CSVTable.delimiter(of: text[..<first]))
        var places: [Int]?
        var rows: [(line: Int, fields: [String])] = []
        do throws(CSVTable.Fault) {
            while let row = try table.next() {
                if let places {
                    rows.append((row.line, try Self.fields(row, places, columns)))
                } else {
                    places = try Self.places(of: columns, in: row)
                }
            }
        } catch {
            throw Self.problem(path, error.line, expected: error.expected, found: error.found)
        }
        self.rows = rows
    }

    /// What is wrong with a row.
    func problem(
        _ line: Int, field: String? = nil, expected: String, found: String
    ) -> AnnotationError {
        Self.problem(path, line, field: field, expected: expected, found: found)
    }

    private static func problem(
        _ path: String, _ line: Int, field: String? = nil, expected: String, found: String
    ) -> AnnotationError {
        .problem(
            Problem(
                .error, file: "\(path) line \(line)", .file, field: field, expected: expected,
                found: found))
    }

    private static func places(
        of columns: [String], in header: CSVTable.Row
    ) throws(CSVTable.Fault) -> [Int] {
        let names = header.fields.map { String(decoding: $0, as: UTF8.self) }
        let places = columns.compactMap { names.firstIndex(of: $0) }
        guard places.count == columns.count else {
            throw CSVTable.Fault(
                line: header.line, expected: "a header with " + columns.joined(separator: ", "),
                found: String(names.joined(separator: ",").prefix(200)).quoted)
        }
        return places
    }

    private static func fields(
        _ row: CSVTable.Row, _ places: [Int], _ columns: [String]
    ) throws(CSVTable.Fault) -> [String] {
        var fields: [String] = []
        for (column, place) in zip(columns, places) {
            guard place < row.fields.count else {
                throw CSVTable.Fault(
                    line: row.line, expected: "a field for each column of the header",
                    found: "\(row.fields.count)")
            }
            guard let field = String(validating: row.fields[place], as: UTF8.self) else {
                throw CSVTable.Fault(
                    line: row.line, expected: "\(column) in UTF-8",
                    found: TextFields.shown(row.fields[place]))
            }
            fields.append(field)
        }
        return fields
    }
}
