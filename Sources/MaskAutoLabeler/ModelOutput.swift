import Files
import Foundation
import Specs

/// The model file that a command writes: one process has it, and a file that is there stays unless it may be
/// replaced.
struct ModelOutput {
    let path: String
    private let overwrites: Bool
    private let lock: OutputLock

    /// - Throws: `LabelingError`; ``FileError`` where another process writes it.
    init(_ path: String, overwrites: Bool) throws {
        (self.path, self.overwrites) = (path, overwrites)
        try Self.requireFree(path, overwrites: overwrites)
        lock = try OutputLock(path)
    }

    /// Looks again, right before the file is written: another program may have made one meanwhile.
    func requireFree() throws { try Self.requireFree(path, overwrites: overwrites) }

    static func requireFree(_ path: String, overwrites: Bool) throws(LabelingError) {
        guard overwrites || access(path, F_OK) != 0 else {
            throw .wrongUse("the output \(path) is there; --overwrite replaces it")
        }
    }
}
