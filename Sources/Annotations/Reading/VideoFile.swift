package import Files

/// A YouTube-VIS file: its bytes, and which of its instances and frames each record stands for, so
/// that masks can be written back to where they belong.
package struct VideoFile: Sendable {
    package struct Instance: Sendable {
        /// The record of the instance, braces included.
        package let range: Range<Int>
        /// The place in `annotations` of the record of its first frame.
        package let firstRecord: Int
        /// The frames in which it has a box.
        package let frames: [Int32]
        package let frameCount: Int

        package init(range: Range<Int>, firstRecord: Int, frames: [Int32], frameCount: Int) {
            self.range = range
            self.firstRecord = firstRecord
            self.frames = frames
            self.frameCount = frameCount
        }
    }

    package let bytes: FileBytes
    package let instances: [Instance]

    package init(bytes: FileBytes, instances: [Instance]) {
        self.bytes = bytes
        self.instances = instances
    }

    /// Writes the file again: every byte stays but the elements of `segmentations` and `areas`, and
    /// of a list for each further number (`scores` for a score), at the frames that got a result.
    package func write(
        to output: inout OutputFile, results: (_ annotation: Int) throws -> AnnotationResult?
    ) throws {
        try bytes.withBytes { content in
            var position = 0
            for instance in instances {
                var found: [(frame: Int, result: AnnotationResult)] = []
                for (place, frame) in instance.frames.enumerated() {
                    if let result = try results(instance.firstRecord + place) {
                        found.append((Int(frame), result))
                    }
                }
                guard !found.isEmpty else { continue }
                for change in changes(instance, found, content) {
                    try output.write(content[position..<change.range.lowerBound])
                    try output.write(change.bytes)
                    position = change.range.upperBound
                }
            }
            try output.write(content[position...])
        }
    }

    private struct Change {
        let range: Range<Int>
        let bytes: [UInt8]
    }

    private func changes(
        _ instance: Instance, _ found: [(frame: Int, result: AnnotationResult)],
        _ content: UnsafeBufferPointer<UInt8>
    ) -> [Change] {
        var lists: [(key: String, elements: [Int: [UInt8]])] = [
            ("segmentations", [:]), ("areas", [:]),
        ]
        func set(_ key: String, _ frame: Int, _ json: [UInt8]) {
            if let place = lists.firstIndex(where: { $0.key == key }) {
                lists[place].elements[frame] = json
            } else {
                lists.append((key, [frame: json]))
            }
        }
        for (frame, result) in found {
            set("segmentations", frame, result.segmentation(isSpaced: true))
            set("areas", frame, Array("\(result.area)".utf8))
            for number in result.extra {
                set(number.key + "s", frame, Array(PythonJSON.number(number.value).utf8))
            }
        }
        var members: [String: Range<Int>] = [:]
        var scanner = JSONScanner(content, instance.range)
        let text = scanner
        scanner.members { key, value in
            if let name = text.text(key) { members[name] = value }
        }
        var changes: [Change] = []
        var added: [UInt8] = []
        for (key, elements) in lists {
            guard let range = members[key] else {
                added += Array(", ".utf8) + PythonJSON.string(key) + Array(": ".utf8)
                added += list(elements, instance.frameCount)
                continue
            }
            let old = JSONScanner.elements(content, range)
            guard content[range.lowerBound] == UInt8(ascii: "["), old.count == instance.frameCount
            else {
                changes.append(Change(range: range, bytes: list(elements, instance.frameCount)))
                continue
            }
            for (frame, json) in elements {
                changes.append(Change(range: old[frame], bytes: json))
            }
        }
        if !added.isEmpty {
            // After the last value, so that the lines of an indented file stay whole.
            var end = instance.range.upperBound - 1
            while [0x20, 0x0A, 0x0D, 0x09].contains(content[end - 1]) { end -= 1 }
            changes.append(Change(range: end..<end, bytes: added))
        }
        return changes.sorted { $0.range.lowerBound < $1.range.lowerBound }
    }

    /// A list with an element a frame, null where there is none.
    private func list(_ elements: [Int: [UInt8]], _ count: Int) -> [UInt8] {
        var json: [UInt8] = [UInt8(ascii: "[")]
        for frame in 0..<count {
            if frame > 0 { json += Array(", ".utf8) }
            json += elements[frame] ?? Array("null".utf8)
        }
        json.append(UInt8(ascii: "]"))
        return json
    }
}
