package import COCO
import Foundation
import Glibc

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

    /// Hash of a file's content, read in pieces.
    package static func hash(file path: String) throws(LabelingError) -> UInt64 {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .fileSystem(path: path, action: "open", errno: errno) }
        defer { close(descriptor) }
        var hasher = FNV1a()
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = buffer.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                throw .fileSystem(path: path, action: "read", errno: errno)
            }
            if count == 0 { return hasher.value }
            buffer.withUnsafeBytes {
                hasher.combine(UnsafeRawBufferPointer(rebasing: $0[..<count]))
            }
        }
    }
}

/// What a labelling run depends on, by name. Two runs with equal values give the same masks.
package struct RunFingerprint: Equatable, Sendable {
    package private(set) var entries: [(name: String, value: String)] = []

    package init() {}

    package mutating func add(_ name: String, _ value: some CustomStringConvertible) {
        entries.append((name, String(describing: value)))
    }

    /// The value of an entry.
    package subscript(name: String) -> String? { entries.first { $0.name == name }?.value }

    /// "batch size (was 4, is 8)" for every entry that differs.
    package func differences(from old: RunFingerprint) -> [String] {
        let before = Dictionary(
            old.entries.map { ($0.name, $0.value) }, uniquingKeysWith: { a, _ in a })
        let after = Dictionary(entries.map { ($0.name, $0.value) }, uniquingKeysWith: { a, _ in a })
        return Set(before.keys).union(after.keys).sorted().compactMap { name in
            let was = before[name] ?? "absent"
            let now = after[name] ?? "absent"
            return was == now ? nil : "\(name) (was \(was), is \(now))"
        }
    }

    package static func == (a: RunFingerprint, b: RunFingerprint) -> Bool {
        a.differences(from: b).isEmpty
    }

    var text: String { entries.map { "\($0.name)\t\($0.value)\n" }.joined() }

    init(text: String) {
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "\t", maxSplits: 1)
            if parts.count == 2 { entries.append((String(parts[0]), String(parts[1]))) }
        }
    }
}
