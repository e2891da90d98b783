package import Files

/// Writes an annotation file again with masks: every byte of the input stays, except the values of
/// `segmentation` and `area` (and of extra keys) of the annotations that got a result. A key that
/// was absent is added at the record's end. In a YouTube-VIS file a result goes into its frame's
/// place in `segmentations` and `areas`.
package struct AnnotationWriter {
    private let file: AnnotationFile

    package init(_ file: AnnotationFile) {
        self.file = file
    }

    /// - Parameters:
    ///   - path: the output; it may be the input's own path.
    ///   - run: what makes it, for the folder's ``Manifest``; nil leaves it out of that.
    ///   - beforeCommit: called when all is written, before the output has its name.
    ///   - results: the result of the annotation at a place in `annotations`, or nil to leave it as
    ///     it is. Called once for each, in order.
    package func write(
        to path: String, run: String? = nil, beforeCommit: () throws -> Void = {},
        results: (_ annotation: Int) throws -> AnnotationResult?
    ) throws {
        var output = try OutputFile(path: path)
        if let video = file.video {
            try video.write(to: &output, results: results)
            try beforeCommit()
            return try output.commit(noting: run != nil, run: run)
        }
        let isSpaced = isSpaced
        try write(to: &output) { annotation in
            guard let result = try results(annotation) else { return nil }
            var values: [Value] = [
                ("segmentation", result.segmentation(isSpaced: isSpaced)),
                ("area", Array("\(result.area)".utf8)),
            ]
            for number in result.extra {
                values.append((number.key, Array(PythonJSON.number(number.value).utf8)))
            }
            return values + boxOfMask(annotation)
        }
        try beforeCommit()
        try output.commit(noting: run != nil, run: run)
    }

    /// A key of a record and its JSON value.
    package typealias Value = (key: String, value: [UInt8])

    /// The box that an annotation has by its mask alone; empty where the file gives one.
    package func boxOfMask(_ annotation: Int) -> [Value] {
        let record = file.annotations[annotation]
        guard record.hasBoxOfMask else { return [] }
        var text = TextBuffer()
        text.append(list: [record.x, record.y, record.width, record.height])
        return [("bbox", text.bytes)]
    }

    /// Writes the file with new values for keys of some records; the caller commits.
    ///
    /// - Parameter values: for the annotation at a place in `annotations`; nil leaves it as it is.
    ///   Called once for each, in order.
    package func write(to output: inout OutputFile, values: (_ annotation: Int) throws -> [Value]?)
        throws
    {
        try write(to: &output, tables: [file.annotations.map(\.range)]) { try values($1) }
    }

    /// The same for records of several tables.
    ///
    /// - Parameters:
    ///   - tables: the ranges of the records of each.
    ///   - values: for the record at a place of a table.
    package func write(
        to output: inout OutputFile, tables: [[Range<Int>]],
        values: (_ table: Int, _ place: Int) throws -> [Value]?
    ) throws {
        try forEachPiece(tables, values) { try output.write($0) }
    }

    /// The file with new values for keys of some annotations, in memory.
    package func document(values: (_ annotation: Int) -> [Value]?) -> [UInt8] {
        var document: [UInt8] = []
        document.reserveCapacity(file.byteCount)
        forEachPiece([file.annotations.map(\.range)], { values($1) }) {
            document.append(contentsOf: $0)
        }
        return document
    }

    private func forEachPiece<Failure: Error>(
        _ tables: [[Range<Int>]],
        _ values: (_ table: Int, _ place: Int) throws(Failure) -> [Value]?,
        _ body: (UnsafeBufferPointer<UInt8>) throws(Failure) -> Void
    ) throws(Failure) {
        // Tables do not lie within each other.
        let order = tables.indices.filter { !tables[$0].isEmpty }.sorted {
            tables[$0][0].lowerBound < tables[$1][0].lowerBound
        }
        let isSpaced = isSpaced
        try file.bytes.withBytes { (content) throws(Failure) in
            var position = 0
            for table in order {
                for (place, range) in tables[table].enumerated() {
                    guard let values = try values(table, place) else { continue }
                    for change in changes(range, values, content, isSpaced) {
                        try body(
                            UnsafeBufferPointer(
                                rebasing: content[position..<change.range.lowerBound]))
                        try change.bytes.withUnsafeBufferPointer(body)
                        position = change.range.upperBound
                    }
                }
            }
            try body(UnsafeBufferPointer(rebasing: content[position...]))
        }
    }

    /// The ranges of the objects in the array under a key of the file.
    package func ranges(of key: String) -> [Range<Int>] {
        file.bytes.withBytes { content in
            var ranges: [Range<Int>] = []
            var scanner = JSONScanner(content, 0..<content.count)
            let text = scanner
            scanner.members { name, value in
                guard text.text(name) == key else { return }
                var inner = JSONScanner(content, value)
                guard inner.take("[") else { return }
                while inner.peek() == UInt8(ascii: "{") {
                    ranges.append(inner.value())
                    _ = inner.take(",")
                }
            }
            return ranges
        }
    }

    /// The keys that a record has.
    package func keys(of range: Range<Int>) -> Set<String> {
        file.bytes.withBytes { content in
            var keys: Set<String> = []
            var scanner = JSONScanner(content, range)
            let text = scanner
            scanner.members { key, _ in
                if let name = text.text(key) { keys.insert(name) }
            }
            return keys
        }
    }

    private struct Change {
        let range: Range<Int>
        let bytes: [UInt8]
    }

    /// New values for the keys of a result, by place. A repeated key is set wherever it occurs, so
    /// that every reader sees the mask, whichever occurrence it takes.
    private func changes(
        _ record: Range<Int>, _ values: [Value], _ content: UnsafeBufferPointer<UInt8>,
        _ isSpaced: Bool
    ) -> [Change] {
        var places: [String: [Range<Int>]] = [:]
        var scanner = JSONScanner(content, record)
        let text = scanner
        scanner.members { key, value in
            let spelled = content[key.dropFirst().dropLast()]
            if spelled.contains(UInt8(ascii: "\\")) {
                if let name = text.text(key) { places[name, default: []].append(value) }
            } else if let known = values.first(where: { spelled.elementsEqual($0.key.utf8) }) {
                places[known.key, default: []].append(value)
            }
        }
        var changes: [Change] = []
        var added: [UInt8] = []
        for (key, value) in values {
            if let ranges = places[key] {
                for range in ranges { changes.append(Change(range: range, bytes: value)) }
            } else {
                added += Array((isSpaced ? ", " : ",").utf8) + PythonJSON.string(key)
                added += Array((isSpaced ? ": " : ":").utf8) + value
            }
        }
        if !added.isEmpty {
            // After the last value rather than before the brace, so that the lines of an indented
            // file stay whole.
            var end = record.upperBound - 1
            while [0x20, 0x0A, 0x0D, 0x09].contains(content[end - 1]) { end -= 1 }
            changes.append(Change(range: end..<end, bytes: added))
        }
        return changes.sorted { $0.range.lowerBound < $1.range.lowerBound }
    }

    /// Whether the first annotation has white space after its first colon.
    private var isSpaced: Bool {
        file.bytes.withBytes { content in
            guard let range = file.annotations.first?.range,
                let colon = content[range].firstIndex(of: UInt8(ascii: ":"))
            else { return true }
            return content[colon + 1] <= 0x20
        }
    }
}
