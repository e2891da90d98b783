package import Annotations
import Files
import Foundation
import Specs

/// Files that mal writes into a folder that may hold others': each is named in the folder's
/// manifest, and only an unchanged one is ever replaced.
package enum OwnFiles {
    /// Refuses names under which something stands that is not mal's, or has changed since.
    package static func check(_ names: some Sequence<String>, in folder: String) throws {
        var manifest: Manifest?
        for name in names {
            let path = folder + "/" + name
            var status = stat()
            guard lstat(path, &status) == 0 else { continue }
            let known = manifest ?? Manifest(folder)
            manifest = known
            guard known.entry(name) != nil else {
                throw LabelingError.wrongUse(
                    "\(path): mal did not write what is there, or it has changed since; move it away"
                )
            }
        }
    }

    /// Refuses links, folders and devices under names where a file will be replaced.
    static func requirePlain(_ names: [String], in folder: String) throws {
        for name in names {
            var status = stat()
            guard lstat(folder + "/" + name, &status) == 0, status.st_mode & S_IFMT != S_IFREG
            else { continue }
            throw LabelingError.wrongUse(
                "\(folder)/\(name): a link or folder is there; move it away")
        }
    }

    /// Removes the temporary files that a killed process left of some files. Whoever calls this has
    /// the lock of what they belong to.
    package static func clearLeftovers(of names: some Sequence<String>, in folder: String) {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let left = entries.filter { $0.hasPrefix(".") && $0.hasSuffix(".partial") }
        guard !left.isEmpty else { return }
        let names = Set(names)
        for entry in left {
            // .NAME.0123456789abcdef.partial
            let parts = entry.dropFirst().split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count > 2, parts[parts.count - 2].utf8.count == 16,
                names.contains(parts.dropLast(2).joined(separator: "."))
            else { continue }
            unlink(folder + "/" + entry)
        }
    }

    /// Writes a whole file under a temporary name, notes it and renames it into place; never through
    /// a link.
    package static func write(_ bytes: some Collection<UInt8>, to path: String) throws {
        var file = try OutputFile(path, followsLinks: false)
        try file.write(bytes)
        try file.commit(noting: !OutputFile.isStream(path))
    }

    package static func write(_ text: String, to path: String) throws {
        try write(text.utf8, to: path)
    }

    /// Removes a file of an earlier run, if it is mal's.
    package static func remove(_ path: String) {
        let folder = path.folderPath
        let manifest = Manifest(folder.isEmpty ? "." : folder)
        if manifest.entry(path.fileName) != nil { unlink(path) }
    }
}

/// What stands at the output of a labelling run.
package struct StandingOutput {
    /// The same command made the file, which has not changed since.
    package let isDone: Bool

    /// - Parameters:
    ///   - run: what is about to be written.
    ///   - startsAfresh: replaces a file of mal's, whatever run made it.
    ///   - ignored: an entry that may differ.
    /// - Throws: `LabelingError` for what must not be replaced.
    package init(
        _ path: String, run: RunFingerprint, mayReplace: Bool, startsAfresh: Bool = false,
        ignoring ignored: String? = nil
    ) throws {
        guard !OutputFile.isStream(path) else {
            throw LabelingError.wrongUse(
                "the output \(path) is a pipe or device; give a file, to which an interrupted run "
                    + "can come back, and `mal convert` to write that to a pipe")
        }
        let place = try OutputPlace(path)
        var status = stat()
        isDone = try {
            guard stat(place.path, &status) == 0 else { return false }
            guard status.st_mode & S_IFMT == S_IFREG else {
                throw LabelingError.wrongUse(
                    "the output \(path) is a folder; give a file name")
            }
            guard let entry = Manifest(place.folder).entry(place.name), let text = entry.run else {
                if mayReplace { return false }
                throw LabelingError.wrongUse(
                    "the output \(path) is there, and mal did not make it, or it has changed since; "
                        + "--overwrite replaces it")
            }
            let differences = run.differences(from: RunFingerprint(text: text)).filter {
                ignored == nil || !$0.hasPrefix(ignored! + " (")
            }
            if differences.isEmpty, !startsAfresh { return true }
            guard differences.isEmpty || mayReplace || startsAfresh else {
                throw LabelingError.wrongUse(
                    "the output \(path) is there, of another run: "
                        + differences.joined(separator: "; ") + "; --overwrite replaces it")
            }
            return false
        }()
        let folder = path.folderPath
        let names = Self.sidecars(path).map { $0.fileName }
        try OwnFiles.requirePlain(names, in: folder.isEmpty ? "." : folder)
        guard !isDone, !mayReplace else { return }
        try OwnFiles.check(names, in: folder.isEmpty ? "." : folder)
    }

    /// Puts in order what a killed process left beside an output and among its overlays.
    package static func clearLeftovers(_ request: LabelRequest, _ file: AnnotationFile) {
        let folder = request.outputPath.folderPath
        OwnFiles.clearLeftovers(
            of: (sidecars(request.outputPath) + [request.featuresPath].compactMap { $0 }).map {
                $0.fileName
            }, in: folder.isEmpty ? "." : folder)
        if let directory = request.overlaysDirectory {
            OwnFiles.clearLeftovers(
                of: OverlayNames(file).all.compactMap { $0 }, in: directory)
        }
    }

    /// What lies beside an output, and may be replaced with it.
    static func sidecars(_ path: String) -> [String] {
        [UnlabelledFile.path(forOutput: path), CleanupFile.path(forOutput: path)]
    }
}

extension LabelRequest {
    /// What a finished file was made of: it tells a command that is repeated from another.
    package func record(_ file: AnnotationFile) throws -> RunFingerprint {
        var record = try fingerprint(file)
        record.add("images", imageStamp(file))
        return record
    }

    /// Names, sizes and times of the images, which are not read for it.
    package func imageStamp(_ file: AnnotationFile) -> String {
        var hasher = FNV1a()
        for image in file.images {
            guard let name = try? image.relativePath() else { continue }
            var status = stat()
            let isThere = stat(imagesDirectory + "/" + name, &status) == 0
            let time = status.st_mtim
            let text = isThere ? "\(status.st_size) \(time.tv_sec) \(time.tv_nsec)" : "-"
            Array("\(name)\0\(text)\n".utf8).withUnsafeBytes { hasher.combine($0) }
        }
        return String(hasher.value, radix: 16)
    }
}

/// `OUT.unlabelled.jsonl`: a line a box without a mask.
package enum UnlabelledFile {
    package static func path(forOutput path: String) -> String { path + ".unlabelled.jsonl" }

    /// - Parameter box: its ids as JSON.
    package static func line(_ box: LabelSummary.Unlabelled) -> String {
        "{\"id\": \(box.id), \"image_id\": \(box.image), \"reason\": \(jsonText(box.reason))}\n"
    }

    /// The boxes of an earlier run; none where there is no file.
    package static func read(forOutput output: String) throws -> [LabelSummary.Unlabelled] {
        try jsonLines(path(forOutput: output)).compactMap { line in
            guard let id = jsonID(line["id"]), let reason = line["reason"] as? String else {
                return nil
            }
            return (jsonID(id), jsonID(line["image_id"]).map(jsonID) ?? "null", reason)
        }
    }
}

/// The objects of a JSON lines file; none when there is no such file.
package func jsonLines(_ path: String) throws -> [[String: Any]] {
    guard FileManager.default.fileExists(atPath: path) else { return [] }
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    return try data.split(separator: UInt8(ascii: "\n")).enumerated().map { index, line in
        guard
            let object = try? JSONSerialization.jsonObject(with: Data(line)) as? [String: Any]
        else {
            throw LabelingError.wrongUse(
                "\(path) line \(index + 1): expected a JSON object; move the file away to go on "
                    + "without it")
        }
        return object
    }
}

/// An id as JSON lines have it.
package func jsonID(_ value: Any?) -> RecordID? {
    if let text = value as? String { return .text(text) }
    guard let number = value as? NSNumber else { return nil }
    return Int64(exactly: number).map { .integer($0) } ?? .large("\(number)")
}
