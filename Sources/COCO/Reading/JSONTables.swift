import CJSON
import Foundation

/// A wanted array of objects, and the keys wanted of each.
struct JSONTable {
    /// The top-level key; nil for the document itself, if it is an array.
    let key: String?
    let columns: [String]
}

enum JSONTables {
    /// Checks a whole document and hands out the rows of the wanted tables, in order.
    ///
    /// - Parameters:
    ///   - content: the bytes of `bytes`.
    ///   - onTable: a top-level key that names a table; its value, and whether it comes for the
    ///     first time.
    ///   - onRow: the element of a table and its columns; nil where it is no object.
    /// - Returns: false for valid JSON that is neither an object nor a wanted array.
    static func read(
        _ tables: [JSONTable], content: UnsafeBufferPointer<UInt8>, bytes: FileBytes, path: String,
        onTable: @escaping (Int, cj_value, Bool) -> Void,
        onRow: @escaping (Int, cj_value, UnsafePointer<cj_value>?) -> Void
    ) throws(COCOError) -> Bool {
        let keys = tables.map { $0.key.map { strdup($0) } ?? nil }
        let columns = tables.flatMap(\.columns).map { strdup($0) }
        defer { for text in keys + columns { free(text) } }
        let rows = TableRows(onTable: onTable, onRow: onRow)
        var error = cj_error()
        let status = columns.map { UnsafePointer($0) }.withUnsafeBufferPointer { columns in
            var first = 0
            let wanted = zip(tables, keys).map { table, key in
                defer { first += table.columns.count }
                return cj_table(
                    key: UnsafePointer(key), columns: columns.baseAddress.map { $0 + first },
                    column_count: table.columns.count)
            }
            var visitor = cj_visitor(
                context: Unmanaged.passUnretained(rows).toOpaque(),
                table: { context, table, value, isFirst in
                    guard let context, let value else { return 1 }
                    Unmanaged<TableRows>.fromOpaque(context).takeUnretainedValue()
                        .onTable(table, value.pointee, isFirst != 0)
                    return 0
                },
                row: { context, table, row, columns in
                    guard let context, let row else { return 1 }
                    Unmanaged<TableRows>.fromOpaque(context).takeUnretainedValue()
                        .onRow(table, row.pointee, columns)
                    return 0
                })
            return withExtendedLifetime(rows) {
                cj_read(content.baseAddress, content.count, wanted, wanted.count, &visitor, &error)
            }
        }
        switch status {
        case CJ_OK: return true
        case CJ_NOT_OBJECT: return false
        case CJ_NO_MEMORY: throw .unreadable(path: path, reason: "out of memory")
        default:
            let place = bytes.place(of: error.offset)
            let message = withUnsafeBytes(of: error.message) { text in
                String(decoding: text.prefix { $0 != 0 }, as: UTF8.self)
            }
            throw .syntax(path: path, line: place.line, column: place.column, message: message)
        }
    }
}

private final class TableRows {
    let onTable: (Int, cj_value, Bool) -> Void
    let onRow: (Int, cj_value, UnsafePointer<cj_value>?) -> Void

    init(
        onTable: @escaping (Int, cj_value, Bool) -> Void,
        onRow: @escaping (Int, cj_value, UnsafePointer<cj_value>?) -> Void
    ) {
        self.onTable = onTable
        self.onRow = onRow
    }
}
