package import CJSON
import Files
import Foundation

/// An array of objects, and the keys wanted of each object.
package struct JSONTable {
    /// The top-level key; nil for the document itself, if it is an array.
    package let key: String?
    package let columns: [String]

    package init(key: String? = nil, columns: [String]) {
        self.key = key
        self.columns = columns
    }
}

/// What a walk over a document reports; byte ranges are those of the document.
package final class JSONTableVisitor {
    /// A top-level key that names a table. The value is whole when it is not an array.
    package let onTable: (_ table: Int, _ value: cj_value, _ isFirst: Bool) -> Void
    /// A row; columns are nil when it is no object.
    package let onRow: (_ table: Int, _ row: cj_value, _ columns: UnsafePointer<cj_value>?) -> Void

    package init(
        onTable: @escaping (Int, cj_value, Bool) -> Void,
        onRow: @escaping (Int, cj_value, UnsafePointer<cj_value>?) -> Void
    ) {
        self.onTable = onTable
        self.onRow = onRow
    }
}

extension FileBytes {
    /// Checks a whole JSON document without an index of it, which for long lists of small numbers
    /// would be larger than the document.
    ///
    /// - Throws: ``AnnotationError/syntax(path:line:column:message:)``.
    package func checkJSON(path: String) throws {
        var error = cj_error()
        let isValid = withBytes { cj_diagnose($0.baseAddress, $0.count, &error) == 0 }
        guard !isValid else { return }
        throw syntaxError(error, path: path)
    }

    private func syntaxError(_ error: cj_error, path: String) -> AnnotationError {
        let place = place(of: error.offset)
        let message = withUnsafeBytes(of: error.message) { text in
            String(decoding: text.prefix { $0 != 0 }, as: UTF8.self)
        }
        return .syntax(path: path, line: place.line, column: place.column, message: message)
    }

    /// Checks a whole JSON document and hands out the rows of some tables.
    ///
    /// - Returns: false when the document is valid, but neither an object nor a wanted array.
    /// - Throws: ``AnnotationError/syntax(path:line:column:message:)``,
    ///   ``AnnotationError/unreadable(path:reason:)``.
    package func readTables(
        _ tables: [JSONTable], path: String, visitor: JSONTableVisitor
    ) throws -> Bool {
        let keys = tables.map { $0.key.flatMap { strdup($0) } }
        let columns = tables.flatMap(\.columns).map { strdup($0) }
        defer { for text in keys + columns { free(text) } }
        let flat = columns.map { UnsafePointer($0) }
        var error = cj_error()
        let status = withBytes { content in
            flat.withUnsafeBufferPointer { flat in
                var first = 0
                let wanted = zip(tables, keys).map { table, key in
                    defer { first += table.columns.count }
                    return cj_table(
                        key: UnsafePointer(key),
                        columns: flat.baseAddress.map { $0 + first },
                        column_count: table.columns.count)
                }
                var handlers = cj_visitor(
                    context: Unmanaged.passUnretained(visitor).toOpaque(),
                    table: { context, table, value, isFirst in
                        guard let context, let value else { return 1 }
                        Unmanaged<JSONTableVisitor>.fromOpaque(context).takeUnretainedValue()
                            .onTable(table, value.pointee, isFirst != 0)
                        return 0
                    },
                    row: { context, table, row, columns in
                        guard let context, let row else { return 1 }
                        Unmanaged<JSONTableVisitor>.fromOpaque(context).takeUnretainedValue()
                            .onRow(table, row.pointee, columns)
                        return 0
                    })
                return cj_read(
                    content.baseAddress, content.count, wanted, wanted.count, &handlers, &error)
            }
        }
        switch status {
        case CJ_OK: return true
        case CJ_NOT_OBJECT: return false
        case CJ_NO_MEMORY: throw FileError.unreadable(path: path, reason: "out of memory")
        default: throw syntaxError(error, path: path)
        }
    }
}

extension cj_value {
    package var isPresent: Bool { kind != CJ_MISSING.rawValue && kind != CJ_NULL.rawValue }
    package var range: Range<Int> { Int(begin)..<Int(end) }

    /// The numbers of x, y, width and height, if that is what the value is and their sums are
    /// finite.
    package var box: (x: Double, y: Double, width: Double, height: Double)? {
        guard has_numbers != 0, (numbers.0 + numbers.2).isFinite, (numbers.1 + numbers.3).isFinite
        else { return nil }
        return numbers
    }
}

extension ByteRange {
    package init(_ value: cj_value) {
        self.init(begin: value.begin, end: value.end)
    }
}
