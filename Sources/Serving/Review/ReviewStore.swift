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
    /// Of each annotation; looked up once, because the index needs all of them.
    private let scores: [Double?]

    /// Greater numbers in the log are not this program's.
    private static let maxNumber = 1 << 48

    init(_ file: AnnotationFile, log: ReviewLog, images: ReviewImages, author: String) throws {
        self.file = file
        self.log = log
        self.images = images
        self.author = author
        let scoreKey = file.anyAnnotationHas("mask_score") ? "mask_score" : "score"
        scores = file.annotations.map { file.number(scoreKey, of: $0) }
        for object in try log.objects() {
            try Self.check(object, file, log)
            changed[object.key] = object
            version = max(version, object.version)
            newCount = max(newCount, object.newNumber ?? 0)
        }
    }

    /// - Throws: `FileError` for what can't be an object of these masks.
    private static func check(
        _ object: ReviewObject, _ file: AnnotationFile, _ log: ReviewLog
    ) throws(FileError) {
        let isKnown =
            if let number = object.newNumber {
                (1...maxNumber).contains(number)
            } else {
                annotation(of: object.key, in: file) != nil
            }
        guard isKnown, file.images.indices.contains(object.image), object.box.count == 4,
            object.category.map(file.categories.indices.contains) ?? true,
            (0...maxNumber).contains(object.version)
        else {
            throw .unreadable(
                path: log.path, reason: "\(object.key.quoted) can't be an object of these masks")
        }
    }

    // MARK: Looking

    /// All objects in short, as the page sorts and filters them:
    /// `[key, image, category, score, state, is changed]`.
    func index() throws -> String {
        var text = TextBuffer()
        text.append("{\"objects\":[")
        var isFirst = true
        func add(_ object: ReviewObject) {
            text.append(isFirst ? "[" : ",\n[")
            isFirst = false
            text.append(json: object.key)
            text.append(",\(object.image),")
            text.append(object.category.map { "\($0)" } ?? "null")
            text.append("," + (object.score.map { jsonNumber($0) } ?? "null"))
            text.append(",\"\(object.state.rawValue)\",\(object.isChanged)]")
        }
        for annotation in file.annotations where annotation.imageIndex != nil {
            let original = original(annotation)
            add(changed[original.key] ?? original)
        }
        for object in changes where object.newNumber != nil { add(object) }
        text.append("],")
        let names = file.categories.map { jsonText($0.name ?? "\($0.id)") }
        text.append("\"categories\":[\(names.joined(separator: ","))],")
        let paths = file.images.map { jsonText($0.fileName) }
        text.append("\"images\":[\(paths.joined(separator: ","))],")
        text.append("\"seconds\":\(changed.values.map(\.seconds).reduce(0, +)),")
        text.append("\"heads\":\(try heads().json)}")
        return String(decoding: text.bytes, as: UTF8.self)
    }

    /// - Throws: ``Refusal`` for a key that is none.
    func object(_ key: String) throws -> ReviewObject {
        if let object = changed[key] { return object }
        guard let annotation = Self.annotation(of: key, in: file) else {
            throw Refusal(.notFound, "\(printable(key)): there is no such object")
        }
        return original(annotation)
    }

    /// The mask that an object has now; nil without one.
    ///
    /// - Throws: `AnnotationError` for a mask of the file that can't be read or has another size.
    func counts(of object: ReviewObject) throws -> String? {
        try object.counts ?? originalCounts(of: object)
    }

    private func originalCounts(of object: ReviewObject) throws -> String? {
        guard let annotation = Self.annotation(of: object.key, in: file) else { return nil }
        return try file.truth(of: annotation, imageSize: images.size(of: object.image))?
            .compressedString
    }

    private static func annotation(
        of key: String, in file: AnnotationFile
    ) -> AnnotationRecord? {
        guard key.hasPrefix("a"), let place = Int(key.dropFirst()),
            file.annotations.indices.contains(place), file.annotations[place].imageIndex != nil,
            key == "a\(place)"
        else { return nil }
        return file.annotations[place]
    }

    /// As the file has it.
    private func original(_ annotation: AnnotationRecord) -> ReviewObject {
        ReviewObject(
            key: "a\(annotation.index)", image: annotation.imageIndex ?? 0,
            category: annotation.categoryIndex,
            box: [annotation.x, annotation.y, annotation.width, annotation.height],
            score: scores[annotation.index])
    }

    func heads() throws -> JSONValue {
        let heads = try log.heads()
        return [
            "undo": heads.undo.map { JSONValue(Int($0)) } ?? .null,
            "redo": heads.redo.map { JSONValue(Int($0)) } ?? .null,
        ]
    }

    /// What was looked at, in the order of the last steps.
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
                try apply(change.fields, to: &object, name)
            } else {
                added += 1
                object = try newObject(added, change.fields, name)
                var absent = object
                absent.state = .deleted
                before.append(absent)
            }
            object.seconds += step.seconds / Double(step.changes.count)
            object.author = author
            object.version = version + 1
            after.append(object)
        }
        try log.add(step.kind, author: author, before: before, after: after)
        version += 1
        newCount = added
        for object in after { changed[object.key] = object }
        return after
    }

    private func newObject(
        _ number: Int, _ fields: JSONValue, _ name: String
    ) throws -> ReviewObject {
        guard let image = fields["image"]?.integer, file.images.indices.contains(image) else {
            throw Refusal.wrong("\(name).image: expected the place of an image")
        }
        guard fields["box"] != nil else {
            throw Refusal.wrong("\(name).box: expected a box of the new object")
        }
        guard fields["category"] != nil || file.categories.isEmpty else {
            throw Refusal.wrong("\(name).category: expected a category of the new object")
        }
        var object = ReviewObject(key: "n\(number)", image: image, category: nil, box: [])
        try apply(fields, to: &object, name)
        return object
    }

    private func apply(
        _ fields: JSONValue, to object: inout ReviewObject, _ name: String
    ) throws {
        if let value = fields["state"] {
            guard let state = value.text.flatMap(ReviewObject.State.init) else {
                throw Refusal.wrong("\(name).state: expected a state, found \(value.snippet)")
            }
            object.state = state
        }
        if let value = fields["box"] {
            let size = try images.size(of: object.image)
            guard let box = value.numbers, box.count == 4, box[2] > 0, box[3] > 0,
                Box(cocoX: box[0], y: box[1], width: box[2], height: box[3]).clipped(to: size)
                    != nil
            else {
                throw Refusal.wrong(
                    "\(name).box: expected [x, y, width, height] with pixels of the image, which is "
                        + "\(size), found \(value.snippet)")
            }
            object.box = box
        }
        if let value = fields["category"] {
            guard let category = value.integer, file.categories.indices.contains(category) else {
                throw Refusal.wrong(
                    "\(name).category: expected the place of a category, found \(value.snippet)")
            }
            object.category = category
        }
        if let value = fields["counts"] {
            guard let text = value.text else {
                throw Refusal.wrong(
                    "\(name).counts: expected run lengths, found \(value.snippet)")
            }
            let mask: RLE
            do {
                mask = try RLE(size: images.size(of: object.image), compressed: text)
            } catch {
                guard error is AnnotationError else { throw error }
                throw Refusal.wrong("\(name).counts: \(error)")
            }
            // Spelled anew, so that equal masks are equal. What is the file's again keeps its spelling there.
            let isOriginal = try? originalCounts(of: object) == mask.compressedString
            object.counts = isOriginal ?? false ? nil : mask.compressedString
        }
        if let score = fields["score"]?.number, (0...1).contains(score) { object.score = score }
        object.isChanged = differs(object)
    }

    /// Whether its mask, box or category is another than the file's.
    private func differs(_ object: ReviewObject) -> Bool {
        guard let annotation = Self.annotation(of: object.key, in: file) else { return true }
        let original = original(annotation)
        return object.counts != nil || object.box != original.box
            || object.category != original.category
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
        let objects = try (undo ? step.before : step.after).map { object in
            try Self.check(object, file, log)
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
