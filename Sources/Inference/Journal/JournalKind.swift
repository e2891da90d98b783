import Foundation

/// Whose part of a run a journal holds, as its name says.
package enum JournalKind: String, Sendable {
    case rank, shard

    package func path(_ part: String, forOutput output: String) -> String {
        "\(output).\(rawValue)-\(part).journal"
    }

    /// The journals of this kind beside an output file, by name.
    package func paths(besides output: String) -> [String] {
        let url = URL(fileURLWithPath: output)
        let folder = url.deletingLastPathComponent()
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return entries.filter {
            $0.hasPrefix(url.lastPathComponent + "." + rawValue + "-")
                && $0.hasSuffix(".journal")
        }.sorted().map { folder.appendingPathComponent($0).path }
    }
}
