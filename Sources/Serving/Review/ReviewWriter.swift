import Annotations
import Files
import Foundation
import Imaging

/// Writes the reviewed masks: every byte of the masks' file but what the reviewer changed. Each object that was looked
/// at gets `review: {state, by, seconds}`; deleted objects are left out, new ones come last.
struct ReviewWriter {
    let file: AnnotationFile
    let images: ReviewImages

    struct Summary: Sendable, Equatable {
        var reviewed = 0
        var changed = 0
        var deleted = 0
        var added = 0
    }

    /// - Parameters:
    ///   - changes: what was looked at.
    ///   - run: what makes it, for the folder's ``Manifest``.
    func write(_ changes: [ReviewObject], to path: String, run: String) throws -> Summary {
        var summary = Summary()
        let known = Dictionary(changes.map { ($0.key, $0) }) { _, last in last }
        var values: [Int: [AnnotationWriter.Value]] = [:]
        for annotation in file.annotations {
            guard let object = known["a\(annotation.index)"], object.state != .deleted,
                object.state != .pending || object.isChanged
            else { continue }
            values[annotation.index] = try self.values(object, of: annotation)
            if object.state != .pending { summary.reviewed += 1 }
            if object.isChanged { summary.changed += 1 }
        }
        let document = AnnotationWriter(file).document { values[$0] }
        let deleted = Set(
            file.annotations.indices.filter { known["a\($0)"]?.state == .deleted })
        let added = changes.filter { $0.newNumber != nil && $0.state != .deleted }
        (summary.deleted, summary.added) = (deleted.count, added.count)
        summary.reviewed += added.count { $0.state != .pending }
        var output = try OutputFile(path: path)
        if deleted.isEmpty, added.isEmpty {
            try output.write(document)
        } else {
            try write(document, without: deleted, and: records(of: added), to: &output)
        }
        try output.commit(noting: !OutputFile.isStream(path), run: run)
        return summary
    }

    /// - Parameter annotation: the file's; nil for a new object.
    private func values(
        _ object: ReviewObject, of annotation: AnnotationRecord?
    ) throws -> [AnnotationWriter.Value] {
        var values: [AnnotationWriter.Value] = []
        if let counts = object.counts {
            let mask = try RLE(size: images.size(of: object.image), compressed: counts)
            let result = AnnotationResult(mask)
            values.append(("segmentation", result.segmentation(isSpaced: true)))
            values.append(("area", Array("\(result.area)".utf8)))
        }
        if annotation.map({ [$0.x, $0.y, $0.width, $0.height] }) != object.box {
            var text = TextBuffer()
            text.append(list: object.box)
            values.append(("bbox", text.bytes))
        }
        if let category = object.category, annotation?.categoryIndex != category {
            values.append(("category_id", json(file.categories[category].id)))
        }
        let review: JSONValue = [
            "state": .text(object.state.rawValue), "by": JSONValue(object.author),
            "seconds": JSONValue((object.seconds * 10).rounded() / 10),
        ]
        values.append(("review", Array(review.json.utf8)))
        return values
    }

    private func json(_ id: RecordID) -> [UInt8] {
        var text = TextBuffer()
        text.append(json: id)
        return text.bytes
    }

    /// New annotations as JSON; their ids follow the greatest of the file.
    private func records(of objects: [ReviewObject]) throws -> [String] {
        var id: Int64 = 0
        for annotation in file.annotations {
            if case .integer(let value) = annotation.id { id = max(id, value) }
        }
        guard id <= .max - Int64(objects.count) else {
            throw FileError.unwritable(
                path: file.path, reason: "annotation id \(id) leaves no number for new objects")
        }
        return try objects.map { object in
            id += 1
            var text = "{\"id\": \(id), \"image_id\": "
            text += String(decoding: json(file.images[object.image].id), as: UTF8.self)
            text += ", \"iscrowd\": 0"
            for (key, value) in try values(object, of: nil) {
                text += ", \"\(key)\": " + String(decoding: value, as: UTF8.self)
            }
            return text + "}"
        }
    }

    /// Cuts records out of the list of annotations and puts others at its end.
    private func write(
        _ document: [UInt8], without deleted: Set<Int>, and added: [String],
        to output: inout OutputFile
    ) throws {
        let place = AnnotationList(document)
        let kept = place.ranges.indices.filter { !deleted.contains($0) }
        guard !kept.isEmpty || !added.isEmpty else {
            try output.write(document[..<place.start])
            return try output.write(document[place.end...])
        }
        try output.write(document[..<(place.ranges.first?.lowerBound ?? place.start)])
        for (number, index) in kept.enumerated() {
            let range = place.ranges[index]
            // With what stood between it and the record before.
            let start = number == 0 ? range.lowerBound : place.ranges[index - 1].upperBound
            try output.write(document[start..<range.upperBound])
        }
        var isFirst = kept.isEmpty
        for record in added {
            try output.write((isFirst ? "" : ",\n") + record)
            isFirst = false
        }
        try output.write(document[(place.ranges.last?.upperBound ?? place.start)...])
    }
}

/// Where the annotations are in a COCO document.
private struct AnnotationList {
    private(set) var ranges: [Range<Int>] = []
    /// After the opening bracket.
    private(set) var start = 0
    /// The closing one.
    private(set) var end = 0

    init(_ document: [UInt8]) {
        document.withUnsafeBufferPointer { content in
            var scanner = JSONScanner(content, 0..<content.count)
            let text = scanner
            scanner.members { key, value in
                guard text.text(key) == "annotations" else { return }
                var inner = JSONScanner(content, value)
                guard inner.take("[") else { return }
                (start, end) = (value.lowerBound + 1, value.upperBound - 1)
                ranges = []
                while inner.peek() == UInt8(ascii: "{") {
                    ranges.append(inner.value())
                    _ = inner.take(",")
                }
            }
        }
    }
}
