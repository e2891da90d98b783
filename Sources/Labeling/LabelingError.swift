import Foundation
import Glibc

/// What can go wrong outside our own code while labelling or evaluating.
public enum LabelingError: Error, Equatable, Sendable, CustomStringConvertible {
    case fileSystem(path: String, action: String, errno: Int32)
    /// Another process holds the journal.
    case journalBusy(path: String)
    /// The journal was written with other inputs or options; each difference is named.
    case journalChanged(path: String, differences: [String])
    case journalUnreadable(path: String, reason: String)
    case noJournal(path: String)
    /// The input failed validation; the problems are in printing order, `total` counts them all.
    case invalidInput(summary: String, problems: [String], total: Int)
    case outOfMemory(batchSize: Int, cropSize: Int, reason: String)
    case interrupted(done: Int, total: Int)
    case wrongUse(String)

    public var description: String {
        switch self {
        case .fileSystem(let path, let action, let code):
            return "\(path): cannot \(action): \(String(cString: strerror(code)))"
        case .journalBusy(let path):
            return "\(path): another mal process is writing this output; wait for it or choose "
                + "another --out"
        case .journalChanged(let path, let differences):
            return "\(path): an unfinished run is there, and it was started differently: "
                + differences.joined(separator: "; ")
                + ". Repeat the first command to continue it, or add --fresh to start over"
        case .journalUnreadable(let path, let reason):
            return "\(path): not a journal of mal (\(reason)); remove it or add --fresh"
        case .noJournal(let path):
            return "\(path): nothing to resume there; leave --resume out to start"
        case .invalidInput(let summary, let problems, let total):
            let more = total > problems.count ? ["… and \(total - problems.count) more"] : []
            return ([summary] + problems.map { "  " + $0 } + more.map { "  " + $0 })
                .joined(separator: "\n")
        case .outOfMemory(let batchSize, let cropSize, let reason):
            return "out of memory with a batch of \(batchSize) at crop \(cropSize): \(reason). "
                + "Use a smaller --crop-size or a smaller model"
        case .interrupted(let done, let total):
            return "stopped after \(done) of \(total) boxes; nothing is lost: the same command "
                + "continues from here"
        case .wrongUse(let message):
            return message
        }
    }
}
