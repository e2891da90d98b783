import CFuzz
import Foundation

/// One thing that is fuzzed: how its inputs are made and what reads them.
struct Reader {
    let name: String
    let generate: (_ random: inout Random) -> [UInt8]
    /// Throws where the reader refuses the input.
    let read: (_ input: [UInt8], _ index: Int) throws -> Void

    /// The readers by name, each made only when it is needed.
    static let all: [(name: String, make: @Sendable (Places) throws -> Reader)] = [
        ("rle", { try rle($0) }), ("polygon", { try polygon($0) }), ("coco", { try coco($0) }),
        ("pth", { try pth($0) }), ("safetensors", { try safetensors($0) }),
        ("jpeg", { try jpeg($0) }), ("png", { try png($0) }), ("webp", { try webp($0) }),
        ("tiff", { try tiff($0) }), ("bmp", { try bmp($0) }), ("spec", { try spec($0) }),
        ("override", { try override($0) }), ("formats", { try formats($0) }),
    ]

    static func named(_ name: String, _ places: Places) throws -> Reader {
        if name == "faults" { return faults(places) }
        guard let found = all.first(where: { $0.name == name }) else {
            throw WrongUse("no reader is called \(name)")
        }
        return try found.make(places)
    }
}

/// Folders that the readers need.
struct Places {
    /// Of the repository, for its fixtures.
    let root: String
    /// For files that are read by path; best in memory.
    let scratch: String

    /// The files below `folder` whose names begin and end so, no larger than `limit` bytes, in the
    /// order of their names.
    func corpus(
        _ folder: String, prefix: String = "", suffix: String = "", limit: Int = 20_000
    ) throws -> [[UInt8]] {
        let names = try FileManager.default.contentsOfDirectory(atPath: root + "/" + folder)
        let chosen = names.filter { $0.hasPrefix(prefix) && $0.hasSuffix(suffix) }.sorted()
        return try chosen.map { try bytes("\(folder)/\($0)") }.filter { $0.count <= limit }
    }

    func bytes(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: root + "/" + name)))
    }

    /// Writes the input where a reader can open it by path.
    func write(_ bytes: [UInt8]) -> String {
        let path = scratch + "/input"
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        var done = 0
        while done < bytes.count {
            let written = bytes.withUnsafeBytes {
                Glibc.write(file, $0.baseAddress! + done, bytes.count - done)
            }
            guard written > 0 else { cf_fail("\(path) cannot be written") }
            done += written
        }
        guard file >= 0, close(file) == 0 else { cf_fail("\(path) cannot be written") }
        return path
    }
}

struct WrongUse: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// Ends the process, which is a finding, unless what must hold does.
func require(_ condition: Bool, _ message: @autoclosure () -> String) {
    if !condition { cf_fail(message()) }
}
