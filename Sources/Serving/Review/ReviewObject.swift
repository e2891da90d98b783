import Annotations
import Imaging

/// An object as its reviewer has it now.
struct ReviewObject: Codable, Sendable, Equatable {
    enum State: String, Codable, Sendable {
        case pending, accepted, rejected, deleted
    }

    /// `a` and the place in the file's annotations, or `n` and the number of a new object.
    let key: String
    /// The place in the file's images.
    let image: Int
    /// The place in the file's categories.
    var category: Int?
    /// x, y, width, height.
    var box: [Double]
    /// The reviewer's mask, as ``RLE/compressedString`` of the image's size; nil where the file's stays.
    var counts: String?
    var score: Double?
    var state = State.pending
    /// Who made the last step.
    var author: String?
    /// What the reviewer has spent on it.
    var seconds = 0.0
    /// Whether its mask, box or category is another than the file's.
    var isChanged = false
    /// The number of the step that made it so; 0 for what nobody has touched.
    var version = 0

    /// The number of a new object; nil for one of the file.
    var newNumber: Int? { key.hasPrefix("n") ? Int(key.dropFirst()) : nil }

    /// - Parameter counts: of the mask that it has now, the reviewer's or the file's.
    func json(counts: String?) -> JSONValue {
        [
            "key": .text(key), "image": JSONValue(image),
            "category": category.map { JSONValue($0) } ?? .null,
            "box": .list(box.map { JSONValue($0) }), "counts": JSONValue(counts),
            "score": score.map { JSONValue($0) } ?? .null, "state": .text(state.rawValue),
            "seconds": JSONValue(seconds), "changed": .boolean(isChanged),
            "version": JSONValue(version),
        ]
    }
}

/// What a reviewer does in one step: new states of one or several objects.
struct ReviewStep: Sendable {
    struct Change: Sendable {
        /// nil for a new object.
        let key: String?
        /// That the page knew of.
        let version: Int
        let fields: JSONValue
    }

    let kind: String
    let seconds: Double
    let changes: [Change]

    private static let kinds: Set<String> = [
        "accept", "reject", "reopen", "box", "mask", "category", "new", "delete", "merge", "split",
    ]

    /// - Throws: ``Refusal``.
    init(_ json: JSONValue) throws {
        guard let kind = json["kind"]?.text, Self.kinds.contains(kind) else {
            throw Refusal.wrong(
                "kind: expected one of \(Self.kinds.sorted().joined(separator: ", ")), found "
                    + (json["kind"]?.snippet ?? "nothing"))
        }
        guard let list = json["changes"]?.list, (1...1_000).contains(list.count) else {
            throw Refusal.wrong("changes: expected 1 to 1000 changes")
        }
        self.kind = kind
        seconds = min(max(json["seconds"]?.number ?? 0, 0), 86_400)
        changes = try list.enumerated().map { place, change in
            guard change.isObject else {
                throw Refusal.wrong(
                    "changes[\(place)]: expected an object, found \(change.snippet)")
            }
            return Change(
                key: change["key"]?.text, version: change["version"]?.integer ?? 0, fields: change)
        }
    }
}
