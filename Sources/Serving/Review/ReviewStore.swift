import Annotations
import Files
import Foundation
import HTTPTypes
import Imaging

/// The masks under review: the file as it is, with the reviewer's steps on top.
actor ReviewStore {
    nonisolated let file: AnnotationFile
    private let log: ReviewLog
    private let author: String
    private let images: ReviewImages
    private var changed: [String: ReviewObject] = [:]
    private var version = 0
    private var newCount = 0
    private let scoreKey: String

    init(_ file: AnnotationFile, images: ReviewImages, author: String) throws {
        self.file = file
        self.images = images
        self.author = author
        scoreKey = file.anyAnnotationHas("mask_score") ? "mask_score" : "score"
        let hash = file.withContent { ContentHash.hash($0) }
        log = try ReviewLog(
            path: file.path + ".review.sqlite", fingerprint: String(hash, radix: 16))
        for object in try log.objects() {
            changed[object.key] = object
            version = max(version, object.version)
            if object.key.hasPrefix("n") {
                newCount = max(newCount, Int(object.key.dropFirst()) ?? 0)
            }
        }
    }

    // MARK: Looking

    /// All objects in short, as the page sorts and filters them: `[key, image, category, score, area, state]`.
    func index() throws -> String {
        var text = TextBuffer()
        text.append("{\"objects\":[")
        var isFirst = true
        func add(_ object: ReviewObject, area: Double?) {
            text.append(isFirst ? "[" : ",\n[")
            isFirst = false
            text.append(json: object.key)
            text.append(",\(object.image),")
            text.append(object.category.map { "\($0)" } ?? "null")
            text.append("," + (object.score.map { jsonNumber($0) } ?? "null"))
            text.append("," + (area.map { jsonNumber($0) } ?? "null"))
            text.append(",\"\(object.state.rawValue)\",\(object.isChanged)]")
        }
        for annotation in file.annotations where annotation.imageIndex != nil {
            let key = "a\(annotation.index)"
            add(
                try changed[key] ?? object(annotation, withMask: false),
                area: file.area(of: annotation))
        }
        for object in changed.values.sorted(by: { $0.version < $1.version })
        where object.key.hasPrefix("n") { add(object, area: nil) }
        text.append("],")
        let names = file.categories.map { jsonText($0.name ?? "\($0.id)") }
        text.append("\"categories\":[\(names.joined(separator: ","))],")
        let paths = file.images.map { jsonText($0.fileName) }
        text.append("\"images\":[\(paths.joined(separator: ","))],")
        let seconds = changed.values.filter { $0.state != .pending }.map(\.seconds)
        text.append("\"seconds\":\(seconds.reduce(0, +)),")
        text.append("\"heads\":\(try heads().json)}")
        return String(decoding: text.bytes, as: UTF8.self)
    }

    /// - Throws: ``Refusal`` for a key that is none; `COCOError` for a mask that can't be read.
    func object(_ key: String) throws -> ReviewObject {
        if let object = changed[key] { return object }
        guard key.hasPrefix("a"), let place = Int(key.dropFirst()),
            file.annotations.indices.contains(place), file.annotations[place].imageIndex != nil
        else { throw Refusal(.notFound, "\(printable(key)): there is no such object") }
        return try object(file.annotations[place], withMask: true)
    }

    private func object(
        _ annotation: AnnotationRecord, withMask: Bool
    ) throws -> ReviewObject {
        let image = annotation.imageIndex ?? 0
        var mask: RLE?
        if withMask {
            mask = try file.truth(of: annotation, imageSize: try images.size(of: image))
        }
        return ReviewObject(
            key: "a\(annotation.index)", image: image, category: annotation.categoryIndex,
            box: [annotation.x, annotation.y, annotation.width, annotation.height],
            counts: mask?.compressedString, score: file.number(scoreKey, of: annotation))
    }

    func heads() throws -> JSONValue {
        let heads = try log.heads()
        return [
            "undo": heads.undo.map { JSONValue(Int($0)) } ?? .null,
            "redo": heads.redo.map { JSONValue(Int($0)) } ?? .null,
        ]
    }

    /// What differs from the file.
    var changes: [ReviewObject] { changed.values.sorted { $0.version < $1.version } }

    // MARK: Steps

    /// - Returns: the objects as they are now.
    /// - Throws: ``Refusal``, with 409 when an object has changed since the page looked at it.
    func perform(_ step: ReviewStep) throws -> [ReviewObject] {
        var before: [ReviewObject] = []
        var after: [ReviewObject] = []
        var added = newCount
        for (place, change) in step.changes.enumerated() {
            let name = "changes[\(place)]"
            var object: ReviewObject
            if let key = change.key {
                object = try self.object(key)
                guard object.version == change.version else { throw Self.conflict(object) }
                guard !before.contains(where: { $0.key == key }) else {
                    throw Refusal.wrong("\(name).key: expected each object once, found \(key)")
                }
                before.append(object)
            } else {
                added += 1
                guard let image = change.fields["image"]?.integer,
                    file.images.indices.contains(image)
                else {
                    throw Refusal.wrong("\(name).image: expected the place of an image")
                }
                object = ReviewObject(key: "n\(added)", image: image, category: nil, box: [])
                var absent = object
                absent.state = .deleted
                before.append(absent)
                guard change.fields["box"] != nil else {
                    throw Refusal.wrong("\(name).box: expected a box of the new object")
                }
                object.isChanged = true
            }
            try apply(change.fields, to: &object, name)
            object.seconds += step.seconds / Double(step.changes.count)
            object.version = version + 1
            after.append(object)
        }
        try log.add(step.kind, author: author, before: before, after: after)
        version += 1
        newCount = added
        for object in after { changed[object.key] = object }
        return after
    }

    private func apply(
        _ fields: JSONValue, to object: inout ReviewObject, _ name: String
    ) throws {
        let size = try images.size(of: object.image)
        if let value = fields["state"] {
            guard let state = value.text.flatMap(ReviewObject.State.init) else {
                throw Refusal.wrong("\(name).state: expected a state, found \(value.snippet)")
            }
            object.state = state
        }
        if let value = fields["box"] {
            guard let box = value.numbers, box.count == 4, box[2] > 0, box[3] > 0,
                Box(cocoX: box[0], y: box[1], width: box[2], height: box[3]).clipped(to: size)
                    != nil
            else {
                throw Refusal.wrong(
                    "\(name).box: expected [x, y, width, height] with pixels of the image, which is "
                        + "\(size), found \(value.snippet)")
            }
            object.isChanged = object.isChanged || object.box != box
            object.box = box
        }
        if let value = fields["category"] {
            guard let category = value.integer, file.categories.indices.contains(category) else {
                throw Refusal.wrong(
                    "\(name).category: expected the place of a category, found \(value.snippet)")
            }
            object.isChanged = object.isChanged || object.category != category
            object.category = category
        }
        if let value = fields["counts"] {
            guard let text = value.text else {
                throw Refusal.wrong(
                    "\(name).counts: expected run lengths, found \(value.snippet)")
            }
            do {
                // Spelled anew: what is stored is canonical.
                let mask = try RLE(size: size, compressed: text)
                object.isChanged = object.isChanged || object.counts != mask.compressedString
                object.counts = mask.compressedString
            } catch {
                throw Refusal.wrong("\(name).counts: \(error)")
            }
        }
        if let score = fields["score"]?.number, (0...1).contains(score) { object.score = score }
    }

    /// Takes the last step back, or repeats the one that was taken back last.
    ///
    /// - Parameter head: the step that the page means.
    func turn(undo: Bool, head: Int?) throws -> [ReviewObject] {
        let heads = try log.heads()
        let expected = undo ? heads.undo : heads.redo
        guard let id = expected, let step = try log.step(id) else {
            throw Refusal(.conflict, undo ? "nothing to undo" : "nothing to redo")
        }
        guard head.map(Int64.init) == id else {
            throw Refusal(.conflict, "another window has gone on: look at its steps first")
        }
        let objects = (undo ? step.before : step.after).map { object in
            var object = object
            object.version = version + 1
            return object
        }
        try log.mark(id, undone: undo, objects: objects)
        version += 1
        for object in objects { changed[object.key] = object }
        return objects
    }

    private static func conflict(_ object: ReviewObject) -> Refusal {
        Refusal(.conflict, "\(object.key): another window has changed it meanwhile")
    }
}
