/// The rows of a table in text (RFC 4180), one at a time, with the lines they begin on.
///
/// SwiftCSV, which is kept well, makes one `String` of the whole file and goes through it by
/// characters; it names no line and ends at the first mistake. Tables of boxes have millions of
/// lines, and a message has to name each bad one.
struct CSVTable {
    struct Row {
        let line: Int
        /// One more than the limit at most.
        let fields: [[UInt8]]
    }

    struct Fault: Error {
        let line: Int
        let expected: String
        let found: String
    }

    private let bytes: [UInt8]
    private let delimiter: UInt8
    private var position = 0
    private var line = 1

    static let columnLimit = 1024
    static let fieldLimit = 1 << 16

    init(_ bytes: [UInt8], delimiter: UInt8) {
        self.bytes = bytes
        self.delimiter = delimiter
    }

    /// The one of comma, semicolon and tab that the first line has most of.
    static func delimiter(of line: some Collection<UInt8>) -> UInt8 {
        let delimiters: [UInt8] = [UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "\t")]
        let counts = delimiters.map { delimiter in line.count { $0 == delimiter } }
        let most = counts.max() ?? 0
        return delimiters[counts.firstIndex(of: most) ?? 0]
    }

    /// The next row that is not blank; nil at the end.
    ///
    /// - Throws: ``Fault`` for a row that can't be told; the next call goes on after it, except
    ///   after a quote that is never closed.
    mutating func next() throws(Fault) -> Row? {
        while position < bytes.count {
            let row = try row()
            if row.fields.count > 1 || !(row.fields.first?.isEmpty ?? true) { return row }
        }
        return nil
    }

    private mutating func row() throws(Fault) -> Row {
        let start = line
        var fields: [[UInt8]] = []
        while true {
            var field: [UInt8]
            if position < bytes.count, bytes[position] == UInt8(ascii: "\"") {
                field = try quoted(start)
            } else {
                let begin = position
                while position < bytes.count, bytes[position] != delimiter,
                    bytes[position] != UInt8(ascii: "\n")
                {
                    position += 1
                }
                var end = position
                if end > begin, bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
                try check(end - begin)
                field = Array(bytes[begin..<end])
            }
            if field.first == UInt8(ascii: "'"), CSVText.isFormula(field) { field.removeFirst() }
            if fields.count <= Self.columnLimit { fields.append(field) }
            if position >= bytes.count { break }
            position += 1
            if bytes[position - 1] == UInt8(ascii: "\n") {
                line += 1
                break
            }
            // A delimiter was the last byte: an empty field follows.
            if position == bytes.count {
                if fields.count <= Self.columnLimit { fields.append([]) }
                break
            }
        }
        return Row(line: start, fields: fields)
    }

    /// A field in quotes, in which two quotes are one; stops at a delimiter or the end of the line.
    private mutating func quoted(_ start: Int) throws(Fault) -> [UInt8] {
        var field: [UInt8] = []
        position += 1
        while true {
            guard let quote = bytes[position...].firstIndex(of: UInt8(ascii: "\"")) else {
                position = bytes.count
                throw Fault(
                    line: start, expected: "a closing quote", found: "the end of the file")
            }
            line += bytes[position..<quote].count { $0 == UInt8(ascii: "\n") }
            try check(field.count + quote - position)
            field += bytes[position..<quote]
            position = quote + 1
            guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else { break }
            field.append(UInt8(ascii: "\""))
            position += 1
        }
        if position < bytes.count, bytes[position] == UInt8(ascii: "\r") { position += 1 }
        guard
            position == bytes.count || bytes[position] == delimiter
                || bytes[position] == UInt8(ascii: "\n")
        else {
            skipLine()
            throw Fault(
                line: start, expected: "a delimiter after a closing quote", found: "more text")
        }
        return field
    }

    private mutating func check(_ count: Int) throws(Fault) {
        guard count > Self.fieldLimit else { return }
        let start = line
        skipLine()
        throw Fault(
            line: start, expected: "fields of at most \(Self.fieldLimit) bytes",
            found: "\(count) bytes")
    }

    private mutating func skipLine() {
        position =
            bytes[position...].firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? bytes.count
        line += 1
    }
}
