import Annotations
import Files

/// What the numbers in label images stand for: `categories.csv` says it, or a data set's custom.
struct LabelLegend {
    /// In the order of the table.
    private var categories: [(number: Int, name: String, id: RecordID?)] = []
    private var places: [Int: Int] = [:]
    private let customary: [Int: String]
    /// The number of pixels that count for nothing.
    private(set) var void: Int
    /// The table, if there is one.
    let path: String?

    /// Labels above it have no room in the formats.
    private static let limit = 1_000_000

    /// - Parameters:
    ///   - folders: where the table may lie.
    ///   - customary: the names that numbers have where there is none.
    /// - Throws: ``AnnotationError/problem(_:)`` that names the table's line.
    init(in folders: [String], customary: [Int: String] = [:]) throws {
        self.customary = customary
        void = 255
        guard
            let table = try SideTable(
                CategoryLegend.fileName, in: folders, columns: ["value", "id", "name"])
        else {
            path = nil
            return
        }
        path = table.path
        var void: Int?
        var names: Set<String> = []
        var ids: Set<RecordID> = []
        for (line, fields) in table.rows {
            guard let number = Int(fields[0]), (0...Self.limit).contains(number) else {
                throw table.problem(
                    line, field: "value", expected: "a whole number up to \(Self.limit)",
                    found: fields[0].quoted)
            }
            if fields[1].isEmpty, fields[2] == "void" {
                void = number
                continue
            }
            // The background needs no line, and is no category if it has one.
            if number == 0 { continue }
            guard !fields[2].isEmpty, names.insert(fields[2]).inserted else {
                throw table.problem(
                    line, field: "name", expected: "a name of its own", found: fields[2].quoted)
            }
            let id =
                fields[1].isEmpty ? nil : Int64(fields[1]).map(RecordID.integer) ?? .text(fields[1])
            if let id, !ids.insert(id).inserted {
                throw table.problem(
                    line, field: "id", expected: "an id of its own", found: "\(id)")
            }
            guard places.updateValue(categories.count, forKey: number) == nil else {
                throw table.problem(
                    line, field: "value", expected: "a number of its own", found: "\(number)")
            }
            categories.append((number, fields[2], id))
        }
        self.void = void ?? (categories.contains { $0.number > 254 } ? 65_535 : 255)
    }

    /// The legend of a table that something else has read.
    ///
    /// - Parameter categories: each with a number of its own.
    init(_ categories: [(number: Int, name: String, id: RecordID?)], path: String) {
        self.categories = categories
        self.path = path
        for (place, category) in categories.enumerated() { places[category.number] = place }
        customary = [:]
        void = -1
    }

    /// Makes the categories of the table those of a data set, also those that no pixel has.
    func declare(in records: inout ImportedRecords) {
        for category in categories { _ = records.category(category.name, id: category.id) }
    }

    /// The place of the category of a number; nil if the table does not have it. Without a table
    /// numbers have their customary names, or are their own.
    func category(_ number: Int, in records: inout ImportedRecords) -> Int32? {
        if path == nil { return records.category(customary[number] ?? "\(number)") }
        return places[number].map { records.category(categories[$0].name) }
    }

    /// For messages.
    var expectation: String { "a number that \(path ?? "the legend") has" }
}
