package import Annotations
package import Files
import Foundation
import Specs

extension FNV1a {
    /// Hash of annotations as they were read: of a COCO file its content, of other formats the COCO
    /// document that they came to.
    package static func hash(_ file: AnnotationFile) -> UInt64 {
        file.withContent { bytes in
            var hasher = FNV1a()
            hasher.combine(bytes)
            return hasher.value
        }
    }
}

/// What a labelling run depends on, by name. Two runs with equal values give the same masks.
package struct RunFingerprint: Equatable, Sendable {
    package private(set) var entries: [(name: String, value: String)] = []

    package init() {}

    package init(_ values: [String: String]) {
        entries = values.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    package var values: [String: String] {
        Dictionary(entries.map { ($0.name, $0.value) }, uniquingKeysWith: { a, _ in a })
    }

    package mutating func add(_ name: String, _ value: some CustomStringConvertible) {
        entries.append((name, String(describing: value)))
    }

    /// The value of an entry.
    package subscript(name: String) -> String? { entries.first { $0.name == name }?.value }

    /// "batch size (was 4, is 8)" for every entry that differs, and the name alone where values are long.
    package func differences(from old: RunFingerprint) -> [String] {
        let (before, after) = (old.values, values)
        // Where the images lie makes no difference: a journal knows each by its content. Older ones have this entry.
        let names = Set(before.keys).union(after.keys).subtracting(["images folder"])
        return names.sorted().compactMap { name in
            let was = before[name] ?? "absent"
            let now = after[name] ?? "absent"
            guard was != now else { return nil }
            return was.count + now.count > 200
                ? name : printable("\(name) (was \(was), is \(now))", limit: 300)
        }
    }

    package static func == (a: RunFingerprint, b: RunFingerprint) -> Bool {
        a.differences(from: b).isEmpty
    }

    package var text: String { entries.map { "\($0.name)\t\($0.value)\n" }.joined() }

    package init(text: String) {
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "\t", maxSplits: 1)
            if parts.count == 2 { entries.append((String(parts[0]), String(parts[1]))) }
        }
    }
}
