import CJSON

/// An array of objects under a top-level key, and the keys wanted of each object.
struct JSONTable {
    let key: StaticString
    let columns: [StaticString]
}

/// What a walk over a document reports; byte ranges are those of the document.
final class JSONTableVisitor {
    /// A top-level key that names a table. The value is whole when it is not an array.
    let onTable: (_ table: Int, _ value: cj_value, _ isFirst: Bool) -> Void
    /// A row; columns are nil when it is no object.
    let onRow: (_ table: Int, _ row: cj_value, _ columns: UnsafePointer<cj_value>?) -> Void

    init(
        onTable: @escaping (Int, cj_value, Bool) -> Void,
        onRow: @escaping (Int, cj_value, UnsafePointer<cj_value>?) -> Void
    ) {
        self.onTable = onTable
        self.onRow = onRow
    }
}

extension FileBytes {
    /// Checks a whole JSON document and hands out the rows of some tables.
    ///
    /// - Returns: false when the document is valid, but no object.
    /// - Throws: ``COCOError/syntax(path:line:column:message:)``,
    ///   ``COCOError/unreadable(path:reason:)``.
    func readTables(
        _ tables: [JSONTable], path: String, visitor: JSONTableVisitor
    ) throws(COCOError) -> Bool {
        let flat = tables.flatMap { table in
            table.columns.map {
                Optional(UnsafeRawPointer($0.utf8Start).assumingMemoryBound(to: CChar.self))
            }
        }
        var error = cj_error()
        let status = withBytes { content in
            flat.withUnsafeBufferPointer { flat in
                var first = 0
                let wanted = tables.map { table in
                    defer { first += table.columns.count }
                    return cj_table(
                        key: UnsafeRawPointer(table.key.utf8Start)
                            .assumingMemoryBound(to: CChar.self),
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
        case CJ_NO_MEMORY: throw .unreadable(path: path, reason: "out of memory")
        default:
            let place = place(of: error.offset)
            let message = withUnsafeBytes(of: error.message) { text in
                String(decoding: text.prefix { $0 != 0 }, as: UTF8.self)
            }
            throw .syntax(path: path, line: place.line, column: place.column, message: message)
        }
    }
}

extension cj_value {
    var isPresent: Bool { kind != CJ_MISSING.rawValue && kind != CJ_NULL.rawValue }
    var range: Range<Int> { Int(begin)..<Int(end) }
}
