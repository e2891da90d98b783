import Files
import Foundation
import GRDB

/// The steps of a review, in a SQLite file beside the masks. A step is there for good when the function that adds it
/// returns.
struct ReviewLog: Sendable {
    struct Step: Sendable {
        let id: Int64
        let before: [ReviewObject]
        let after: [ReviewObject]
    }

    private let database: DatabaseQueue
    let path: String

    /// Beside the masks, whatever name they were given by.
    static func path(forMasks path: String) throws(FileError) -> String {
        try OutputPlace(path).path + ".review.sqlite"
    }

    /// Opens the log.
    ///
    /// - Parameters:
    ///   - fingerprint: of the masks that are reviewed.
    ///   - begins: makes the log where there is none.
    /// - Throws: `FileError`; ``ServingError/wrongOption(_:)`` for a log of other masks.
    init(path: String, fingerprint: String, begins: Bool) throws {
        self.path = path
        guard begins || access(path, F_OK) == 0 else {
            throw FileError.unreadable(
                path: path, reason: "there is no such file: these masks have not been reviewed yet")
        }
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { database in
            // What is committed survives a power cut too.
            try database.execute(sql: "PRAGMA journal_mode = WAL")
            try database.execute(sql: "PRAGMA synchronous = FULL")
        }
        do {
            database = try DatabaseQueue(path: path, configuration: configuration)
            try database.write { database in
                try database.execute(
                    sql: """
                        CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
                        CREATE TABLE IF NOT EXISTS steps (
                            id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL,
                            author TEXT NOT NULL, at REAL NOT NULL, before TEXT NOT NULL,
                            after TEXT NOT NULL, undone INTEGER NOT NULL DEFAULT 0);
                        CREATE INDEX IF NOT EXISTS undone ON steps (undone, id);
                        CREATE TABLE IF NOT EXISTS objects (key TEXT PRIMARY KEY, value TEXT NOT NULL);
                        """)
                try database.execute(
                    sql: "INSERT OR IGNORE INTO meta VALUES ('masks', ?)", arguments: [fingerprint])
            }
        } catch {
            throw FileError.unreadable(
                path: path, reason: "it can't be used as the review's log: \(Self.words(error))")
        }
        let known = try reading {
            try String.fetchOne($0, sql: "SELECT value FROM meta WHERE key = 'masks'")
        }
        guard known == fingerprint else {
            throw ServingError.wrongOption(
                "\(path): it is the review of other masks; the masks have changed since. Move it "
                    + "away to begin anew")
        }
    }

    private static func words(_ error: any Error) -> String {
        switch error {
        case let error as DatabaseError: error.message ?? "error \(error.resultCode.rawValue)"
        case is DecodingError, is RowDecodingError: "a record in it is damaged"
        default: "\(error)"
        }
    }

    private func reading<Result>(_ body: (Database) throws -> Result) throws -> Result {
        do {
            return try database.read(body)
        } catch {
            throw FileError.unreadable(path: path, reason: Self.words(error))
        }
    }

    private func writing(_ body: (Database) throws -> Void) throws {
        do {
            try database.write(body)
        } catch {
            throw FileError.unwritable(path: path, reason: Self.words(error))
        }
    }

    /// What has been touched, as it is now.
    func objects() throws -> [ReviewObject] {
        try reading {
            try String.fetchAll($0, sql: "SELECT value FROM objects").map(Self.object)
        }
    }

    /// The numbers of the step that undo would take back and of the one that redo would repeat.
    func heads() throws -> (undo: Int64?, redo: Int64?) {
        try reading { try Self.heads($0) }
    }

    private static func heads(_ database: Database) throws -> (undo: Int64?, redo: Int64?) {
        (
            try Int64.fetchOne(database, sql: "SELECT MAX(id) FROM steps WHERE undone = 0"),
            try Int64.fetchOne(database, sql: "SELECT MIN(id) FROM steps WHERE undone = 1")
        )
    }

    func add(
        _ kind: String, author: String, before: [ReviewObject], after: [ReviewObject]
    ) throws {
        try writing { database in
            // What was undone can't be repeated after something else.
            try database.execute(sql: "DELETE FROM steps WHERE undone = 1")
            try database.execute(
                sql: """
                    INSERT INTO steps (kind, author, at, before, after) VALUES (?, ?, ?, ?, ?)
                    """,
                arguments: [
                    kind, author, Date().timeIntervalSince1970, Self.text(before), Self.text(after),
                ])
            try Self.store(after, in: database)
        }
    }

    /// Marks a step as undone or repeated, with the objects as they are then.
    func mark(_ step: Int64, undone: Bool, objects: [ReviewObject]) throws {
        try writing { database in
            try database.execute(
                sql: "UPDATE steps SET undone = ? WHERE id = ?", arguments: [undone, step])
            try Self.store(objects, in: database)
        }
    }

    func step(_ id: Int64) throws -> Step? {
        try reading { database in
            guard
                let row = try Row.fetchOne(
                    database, sql: "SELECT before, after FROM steps WHERE id = ?", arguments: [id])
            else { return nil }
            return Step(
                id: id, before: try Self.objects(row.decode(forColumn: "before")),
                after: try Self.objects(row.decode(forColumn: "after")))
        }
    }

    private static func store(_ objects: [ReviewObject], in database: Database) throws {
        for object in objects {
            try database.execute(
                sql: "INSERT OR REPLACE INTO objects VALUES (?, ?)",
                arguments: [object.key, text(object)])
        }
    }

    private static func text(_ value: some Encodable) throws -> String {
        String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
    }

    private static func object(_ text: String) throws -> ReviewObject {
        try JSONDecoder().decode(ReviewObject.self, from: Data(text.utf8))
    }

    private static func objects(_ text: String) throws -> [ReviewObject] {
        try JSONDecoder().decode([ReviewObject].self, from: Data(text.utf8))
    }
}
