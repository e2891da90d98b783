/// Writes an annotation file again with masks: every byte of the input stays, except the values of
/// `segmentation` and `area` (and of extra keys) of the annotations that got a result. A key that
/// was absent is added at the record's end. In a YouTube-VIS file a result goes into its frame's
/// place in `segmentations` and `areas`.
public struct AnnotationWriter {
    private let file: AnnotationFile

    public init(_ file: AnnotationFile) {
        self.file = file
    }

    /// - Parameters:
    ///   - path: the output; it may be the input's own path.
    ///   - results: the result of the annotation at a place in `annotations`, or nil to leave it as
    ///     it is. Called once for each, in order.
    public func write(
        to path: String, results: (_ annotation: Int) throws -> AnnotationResult?
    ) throws {
        var output = try OutputFile(path: path)
        if let video = file.video {
            try video.write(to: &output, results: results)
            return try output.commit()
        }
        try file.bytes.withBytes { content in
            let isSpaced = isSpaced(content)
            var position = 0
            for annotation in file.annotations {
                guard let result = try results(annotation.index) else { continue }
                for change in changes(annotation, result, content, isSpaced) {
                    try output.write(content[position..<change.range.lowerBound])
                    try output.write(change.bytes)
                    position = change.range.upperBound
                }
            }
            try output.write(content[position...])
        }
        try output.commit()
    }

    private struct Change {
        let range: Range<Int>
        let bytes: [UInt8]
    }

    /// New values for the keys of a result, by place. A repeated key is set wherever it occurs, so
    /// that every reader sees the mask, whichever occurrence it takes.
    private func changes(
        _ annotation: AnnotationRecord, _ result: AnnotationResult,
        _ content: UnsafeBufferPointer<UInt8>, _ isSpaced: Bool
    ) -> [Change] {
        var values: [(key: String, value: [UInt8])] = [
            ("segmentation", result.segmentation(isSpaced: isSpaced)),
            ("area", Array("\(result.area)".utf8)),
        ]
        for number in result.extra {
            values.append((number.key, Array(PythonJSON.number(number.value).utf8)))
        }
        var places: [String: [Range<Int>]] = [:]
        if annotation.hasRepeatedKeys || !result.extra.isEmpty {
            var scanner = JSONScanner(content, annotation.range)
            let text = scanner
            scanner.members { key, value in
                guard let name = text.text(key) else { return }
                places[name, default: []].append(value)
            }
        } else {
            if let range = annotation.segmentationRange { places["segmentation"] = [range] }
            if let range = annotation.areaRange { places["area"] = [range] }
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
            var end = annotation.range.upperBound - 1
            while [0x20, 0x0A, 0x0D, 0x09].contains(content[end - 1]) { end -= 1 }
            changes.append(Change(range: end..<end, bytes: added))
        }
        return changes.sorted { $0.range.lowerBound < $1.range.lowerBound }
    }

    /// Whether the first annotation has white space after its first colon.
    private func isSpaced(_ content: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let range = file.annotations.first?.range,
            let colon = content[range].firstIndex(of: UInt8(ascii: ":"))
        else { return true }
        return content[colon + 1] <= 0x20
    }
}
