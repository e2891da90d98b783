import Files
import Foundation
import Glibc
import Specs

/// The folder of a training run.
///
///     model_epoch_EEE_step_SSSSS/   a checkpoint: student, teacher, optimizer .safetensors,
///                                   state.json, spec.yaml
///     model_latest, model_best      links to two of them
///     metrics.jsonl, status.json, events.out.tfevents.*
///
/// A checkpoint has its name only when it is whole: it is written under a name that begins with a
/// dot and renamed.
package final class RunDirectory {
    package let path: String
    private var lock: Int32 = -1
    private static let savingPrefix = ".saving-"
    private static let oldPrefix = ".old-"
    private static let replacedPrefix = ".replaced-"
    private static let links = ["model_latest", "model_best"]
    private static let prefixes = [savingPrefix, oldPrefix, replacedPrefix]

    /// Makes the folder and takes it: two runs in one folder would mix.
    ///
    /// - Parameter isOwn: false on processes that leave the folder to another of their run; it may
    ///   not even be on their machine.
    package init(_ path: String, isOwn: Bool = true) throws {
        self.path = path
        guard isOwn else { return }
        try makeDirectory(path)
        let name = path + "/.lock"
        lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard lock >= 0 else {
            throw FileError.fileSystem(path: name, action: "create", errno: errno)
        }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            close(lock)
            lock = -1
            throw LabelingError.wrongUse(
                "\(path): another mal train is writing there; wait for it or choose another "
                    + "results_dir")
        }
        for entry in entries {
            for prefix in Self.prefixes where entry.hasPrefix(prefix) {
                // Only what has a name that a run gives is mal's own.
                let name = String(entry.dropFirst(prefix.count))
                guard Self.step(of: name) != nil || Self.links.contains(name) else { continue }
                // A kill came before the new one had the name: the old one gets it back.
                if prefix == Self.replacedPrefix,
                    rename(path + "/" + entry, path + "/" + name) == 0
                {
                    continue
                }
                try? FileManager.default.removeItem(atPath: path + "/" + entry)
            }
        }
    }

    deinit { if lock >= 0 { close(lock) } }

    private var entries: [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    }

    /// The whole checkpoints, oldest first.
    package var checkpoints: [(step: Int, path: String)] {
        entries.compactMap { name in
            guard let step = Self.step(of: name),
                access(path + "/" + name + "/state.json", F_OK) == 0
            else { return nil }
            return (step, path + "/" + name)
        }.sorted { $0.step < $1.step }
    }

    /// TAO's names: the epoch from 0, the step over the whole run.
    package static func name(epoch: Int, step: Int) -> String {
        String(format: "model_epoch_%03d_step_%05d", epoch, step)
    }

    private static func step(of name: String) -> Int? {
        let parts = name.split(separator: "_")
        guard parts.count == 5, let epoch = Int(parts[2]), let step = Int(parts[4]),
            name == Self.name(epoch: epoch, step: step)
        else { return nil }
        return step
    }

    /// Calls `write` with a fresh folder and then gives that folder its name.
    /// - Returns: the path of the checkpoint.
    package func save(
        epoch: Int, step: Int, _ write: (String) throws -> Void
    ) throws -> String {
        let name = Self.name(epoch: epoch, step: step)
        let unfinished = path + "/" + Self.savingPrefix + name
        let final = path + "/" + name
        let files = FileManager.default
        try? files.removeItem(atPath: unfinished)
        do {
            try makeDirectory(unfinished)
            try write(unfinished)
            flush(unfinished)
            if access(final, F_OK) == 0 {
                // rename does not replace a folder that has something in it.
                let old = path + "/" + Self.replacedPrefix + name
                guard rename(final, old) == 0 else {
                    throw FileError.fileSystem(path: final, action: "replace", errno: errno)
                }
                try place(unfinished, final)
                try? files.removeItem(atPath: old)
            } else {
                try place(unfinished, final)
            }
        } catch {
            try? files.removeItem(atPath: unfinished)
            throw error
        }
        try link("model_latest", to: name)
        return final
    }

    private func place(_ unfinished: String, _ final: String) throws {
        guard rename(unfinished, final) == 0 else {
            throw FileError.fileSystem(path: final, action: "rename into place", errno: errno)
        }
        flush(path)
    }

    /// Makes `name` point at a checkpoint, at no moment at nothing.
    package func link(_ name: String, to target: String) throws {
        let temporary = path + "/" + Self.savingPrefix + name
        unlink(temporary)
        guard symlink(target, temporary) == 0, rename(temporary, path + "/" + name) == 0 else {
            throw FileError.fileSystem(path: path + "/" + name, action: "link", errno: errno)
        }
        flush(path)
    }

    /// Whether a checkpoint lies in this folder.
    package func holds(_ checkpoint: String) -> Bool {
        func resolved(_ path: String) -> String {
            URL(fileURLWithPath: path).resolvingSymlinksInPath().path
        }
        return resolved(checkpoint.folderPath) == resolved(path)
    }

    /// Points `model_latest` and `model_best` at what they are to point at: a kill may have come between
    /// a checkpoint and its links.
    ///
    /// - Parameter best: the step of the best checkpoint; nil where it is not known.
    package func restoreLinks(best: Int?) throws {
        let all = checkpoints
        let wanted = [
            ("model_latest", all.last), ("model_best", all.first { $0.step == best }),
        ]
        for (name, checkpoint) in wanted {
            let current = try? FileManager.default.destinationOfSymbolicLink(
                atPath: path + "/" + name)
            if let checkpoint {
                let target = checkpoint.path.fileName
                if current != target { try link(name, to: target) }
            } else if current != nil, access(path + "/" + name, F_OK) != 0 {
                unlink(path + "/" + name)
            }
        }
    }

    /// Removes all checkpoints but the newest `count` and the one of step `best`; 0 keeps all.
    package func prune(keeping count: Int, best: Int?) {
        guard count > 0 else { return }
        for checkpoint in checkpoints.dropLast(count) where checkpoint.step != best {
            // Under another name first, so that half of one is never taken for a whole.
            let name = checkpoint.path.fileName
            let old = path + "/" + Self.oldPrefix + name
            guard rename(checkpoint.path, old) == 0 else { continue }
            try? FileManager.default.removeItem(atPath: old)
        }
    }

    private func flush(_ folder: String) {
        let handle = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard handle >= 0 else { return }
        fsync(handle)
        close(handle)
    }
}
