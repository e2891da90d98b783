import Foundation

/// The journals that several processes wrote of one run, as one.
package struct JournalSet {
    package let journals: [LabelJournal]

    package init(_ journals: [LabelJournal]) { self.journals = journals }

    /// The first journal's outcome: where two have one they are equal.
    package func outcome(annotation: Int) throws(LabelingError) -> BoxOutcome? {
        for journal in journals where journal.hasResult(annotation: annotation) {
            return try journal.outcome(annotation: annotation)
        }
        return nil
    }

    package var completedBatches: Set<Int> {
        journals.reduce(into: []) { $0.formUnion($1.completedBatches) }
    }

    package func remove() {
        for journal in journals { journal.remove() }
    }

    /// The journals of ranks or shards beside an output file, by name.
    package static func paths(besides output: String, kind: JournalKind) -> [String] {
        let url = URL(fileURLWithPath: output)
        let folder = url.deletingLastPathComponent()
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return entries.filter {
            $0.hasPrefix(url.lastPathComponent + "." + kind.rawValue + "-")
                && $0.hasSuffix(".journal")
        }.sorted().map { folder.appendingPathComponent($0).path }
    }
}

/// Whose part of a run a journal holds, as its name says.
package enum JournalKind: String, Sendable {
    case rank, shard

    package func path(_ part: String, forOutput output: String) -> String {
        "\(output).\(rawValue)-\(part).journal"
    }
}
