import Annotations
import Files
import Foundation
import Imaging
import Inference
import Specs

/// What a review reads, keeps and writes; with its page or without.
struct Review: Sendable {
    let images: ReviewImages
    let store: ReviewStore
    private let writer: ReviewWriter
    private let options: ReviewOptions
    private let paths: RunPaths
    /// Of a result of these masks, in the folder's ``Manifest``.
    private let run: String
    /// Keeps the log to this process; nil for one that only looks.
    private let lock: OutputLock?

    /// - Parameter changes: keeps the log to this process, and begins it where there is none.
    /// - Throws: what reading annotations throws; ``ServingError``, `FileError`, and `LabelingError` for an output
    ///   that is an input.
    init(_ options: ReviewOptions, changes: Bool) throws {
        self.options = options
        let file = try AnnotationFile.read(path: options.masks)
        images = try ReviewImages(
            file, directory: options.images,
            options: DecodeOptions(
                maxPixels: options.maxPixels, applyEXIF: options.appliesEXIF))
        let log = try ReviewLog.path(forMasks: options.masks)
        var paths = RunPaths()
        paths.reads("masks", file)
        paths.readsImages(options.images, of: file)
        for end in ["", "-wal", "-shm"] { paths.reads("log", log + end) }
        if !OutputFile.isStream(options.output) { paths.writes("masks", options.output) }
        try paths.check()
        self.paths = paths
        lock = changes ? try OutputLock(log) : nil
        let fingerprint = String(file.withContent { ContentHash.hash($0) }, radix: 16)
        run = "review " + fingerprint
        store = try ReviewStore(
            file, log: ReviewLog(path: log, fingerprint: fingerprint, begins: changes),
            images: images, author: options.author)
        writer = ReviewWriter(file: file, images: images)
    }

    /// - Throws: `LabelingError` for an output that is an input, or that is not an earlier result of this review.
    func checkOutput() throws {
        guard !OutputFile.isStream(options.output) else { return }
        try paths.check()
        let place = try OutputPlace(options.output)
        guard !options.overwrites, access(place.path, F_OK) == 0,
            Manifest(place.folder).entry(place.name)?.run != run
        else { return }
        throw LabelingError.wrongUse(
            "the output \(options.output) is there, and is no result of this review, or it has "
                + "changed since; --overwrite replaces it; or name another file")
    }

    /// - Returns: what was done, in words.
    func save() async throws -> String {
        let path = options.output
        let lock = OutputFile.isStream(path) ? nil : try OutputLock(path)
        defer { withExtendedLifetime(lock) {} }
        let summary = try writer.write(await store.changes, to: path, run: run)
        return "\(path): \(summary.reviewed) reviewed, \(summary.changed) changed, "
            + "\(summary.added) added, \(summary.deleted) deleted"
    }
}
