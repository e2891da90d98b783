import Files
import Foundation
import Glibc
package import Imaging
import Specs

/// What became of one box.
package enum BoxOutcome: Equatable, Sendable {
    /// `counts` is COCO's compressed RLE at the image's size, `area` the number of mask pixels.
    case mask(
        counts: [UInt8], area: Int, size: Size, iou: Double?, notes: MaskNotes = MaskNotes())
    case unlabelled(reason: String)
}

/// How a run treats a journal that is already there.
public enum JournalMode: Sendable {
    /// Continue a run that was started the same way, else begin.
    case automatic
    case resume
    case fresh
}

/// The results so far, beside the output file: framed, checksummed, append-only. A frame holds one
/// batch and says of which boxes and images, so that it counts only where the same boxes go through
/// the network together again and their images are what they were: that is what makes the final files
/// of resumed and undisturbed runs equal byte for byte.
///
/// A payload of its ``JournalFile`` begins with its ``Kind``; all numbers are little endian.
package final class LabelJournal {
    private enum Kind: UInt8 {
        /// The fingerprint as text; first in every journal.
        case fingerprint = 1
        /// What computes, as text: one when the journal is begun, one whenever it changes.
        case environment
        /// A bit for each image of the boxes file: whether it could be used. Likewise.
        case usableImages
        /// Images with their identities, then results.
        case batch
    }

    /// A batch's place in the file and its part of `identities`.
    private struct Frame {
        let payload: Range<Int>
        let entryCount: Int
        let identities: Range<Int>
    }

    package let path: String
    private var file: JournalFile
    private var lastSync = ContinuousClock.now
    /// Entry offset by annotation index; 0 = none.
    private var offsets: [Int]
    /// By annotation index: the frame of that entry; -1 = none.
    private var frameOfAnnotation: [Int32]
    private var frames: [Frame] = []
    private var identities: [(image: Int, identity: ImageIdentity)] = []
    /// What the results depend on.
    package private(set) var fingerprint: RunFingerprint
    /// What computed the latest results.
    package private(set) var environment: RunFingerprint?
    /// How what computes now differs from what did before.
    package private(set) var environmentDifferences: [String] = []
    /// Which images the run that wrote last could use; nil before ``continueWith(usableImages:)``.
    package private(set) var usableImages: [Bool]?
    /// Where batches were found damaged when the journal was opened; they count as not done.
    package private(set) var damagedPlaces: [Int] = []

    /// Opens or creates the journal at `path`; one process at a time (flock).
    ///
    /// - Parameters:
    ///   - environment: what computes from here on.
    ///   - isStrict: refuses a journal of another environment.
    package init(
        path: String, fingerprint: RunFingerprint, environment now: RunFingerprint,
        mode: JournalMode, isStrict: Bool = false, annotationCount: Int
    ) throws {
        self.path = path
        self.fingerprint = fingerprint
        offsets = [Int](repeating: 0, count: annotationCount)
        frameOfAnnotation = [Int32](repeating: -1, count: annotationCount)
        if mode == .resume, access(path, F_OK) != 0 { throw LabelingError.noJournal(path: path) }
        let descriptor = open(
            path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            guard errno != ELOOP else {
                throw LabelingError.wrongUse(
                    "\(path): the journal's place is taken by a link, which mal does not follow; "
                        + "move it away")
            }
            throw FileError.fileSystem(path: path, action: "create the journal", errno: errno)
        }
        file = JournalFile(path: path, descriptor: descriptor)
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw LabelingError.wrongUse(
                "\(path): the journal's place is taken by a pipe or device")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw LabelingError.journalBusy(path: path)
        }
        if mode == .fresh {
            try file.requireJournal()
            try file.truncate(to: 0)
        }
        if try readExisting(expecting: fingerprint) {
            try file.truncate(to: file.end)
        } else {
            try file.begin()
            try append(.fingerprint, Array(fingerprint.text.utf8))
        }
        environmentDifferences = environment.map { now.differences(from: $0) } ?? []
        guard !isStrict || environmentDifferences.isEmpty else {
            throw LabelingError.journalChanged(path: path, differences: environmentDifferences)
        }
        if environment != now { try append(.environment, Array(now.text.utf8)) }
        environment = now
    }

    /// Opens a journal for reading: what a run, which may be going on, has put into it so far.
    package init(reading path: String, annotationCount: Int) throws {
        self.path = path
        offsets = [Int](repeating: 0, count: annotationCount)
        frameOfAnnotation = [Int32](repeating: -1, count: annotationCount)
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw FileError.fileSystem(path: path, action: "open", errno: errno)
        }
        file = JournalFile(path: path, descriptor: descriptor)
        fingerprint = RunFingerprint()
        guard try readExisting(expecting: nil) else {
            throw LabelingError.journalUnreadable(path: path, reason: "it has no whole beginning")
        }
    }

    deinit { close(file.descriptor) }

    /// Notes which images of the boxes file can be used from here on.
    ///
    /// - Returns: which could be used before; nil in a new journal.
    package func continueWith(usableImages now: [Bool]) throws -> [Bool]? {
        let before = usableImages
        if before != now {
            var bits = ByteWriter()
            bits.put(UInt32(now.count))
            bits.bytes += stride(from: 0, to: now.count, by: 8).map { start in
                now[start..<min(start + 8, now.count)].reversed()
                    .reduce(0) { $0 << 1 | ($1 ? 1 : 0) }
            }
            try append(.usableImages, bits.bytes)
        }
        usableImages = now
        return before
    }

    /// Whether there is a result, of whichever batch.
    package func hasResult(annotation: Int) -> Bool { offsets[annotation] != 0 }

    /// The images of the batch that gave `annotation` its result, as they were then; empty without one.
    package func images(
        ofBatchOf annotation: Int
    ) -> ArraySlice<(image: Int, identity: ImageIdentity)> {
        let frame = frameOfAnnotation[annotation]
        return frame < 0 ? [] : identities[frames[Int(frame)].identities]
    }

    /// Whether `annotations`, and no others, went through the network together for their results.
    package func holds(batchOf annotations: some Collection<Int>) -> Bool {
        guard let first = annotations.first else { return true }
        let frame = frameOfAnnotation[first]
        return frame >= 0 && frames[Int(frame)].entryCount == annotations.count
            && annotations.allSatisfy { frameOfAnnotation[$0] == frame }
    }

    /// Adds a batch. It survives the process from here on, and the machine within a second.
    ///
    /// - Parameter images: those of its boxes, as they were read.
    package func append(
        results: [(annotation: Int, outcome: BoxOutcome)],
        images: [(image: Int, identity: ImageIdentity)]
    ) throws {
        var payload = ByteWriter()
        payload.put(UInt32(images.count))
        for (image, identity) in images {
            payload.put(UInt32(image))
            payload.put(identity)
        }
        payload.put(UInt32(results.count))
        for (annotation, outcome) in results {
            var entry = ByteWriter()
            entry.put(UInt32(annotation))
            switch outcome {
            case .mask(let counts, let area, let size, let iou, let notes):
                entry.put(UInt8(0))
                entry.put(UInt32(size.height))
                entry.put(UInt32(size.width))
                entry.put(UInt64(area))
                entry.put((iou ?? .nan).bitPattern)
                var body = ByteWriter()
                body.put(counts)
                body.put(notes)
                entry.put(body.bytes)
            case .unlabelled(let reason):
                entry.put(UInt8(1))
                entry.put(UInt32(0))
                entry.put(UInt32(0))
                entry.put(UInt64(0))
                entry.put(Double.nan.bitPattern)
                entry.put(Array(reason.utf8))
            }
            payload.put(ContentHash.hash(entry.bytes))
            payload.bytes += entry.bytes
        }
        let start = try append(.batch, payload.bytes)
        index([Kind.batch.rawValue] + payload.bytes, at: start)
        if ContinuousClock.now - lastSync > .milliseconds(900) { try sync() }
    }

    package func sync() throws {
        try file.sync()
        lastSync = .now
    }

    /// The stored outcome, read back from the file; nil when there is none yet.
    ///
    /// - Throws: ``LabelingError/journalDamaged(path:offset:)`` for other bytes than were written.
    package func outcome(annotation: Int) throws -> BoxOutcome? {
        let offset = offsets[annotation]
        guard offset != 0 else { return nil }
        let frame = frames[Int(frameOfAnnotation[annotation])]
        let damaged = LabelingError.journalDamaged(path: path, offset: offset)
        guard offset + Self.entryHeader <= frame.payload.upperBound else { throw damaged }
        let header = try file.read(at: offset, count: Self.entryHeader)
        var reader = ByteReader(header)
        let hash = reader.take(UInt64.self)
        let owner = Int(reader.take(UInt32.self))
        let kind = reader.take(UInt8.self)
        let size = Size(height: Int(reader.take(UInt32.self)), width: Int(reader.take(UInt32.self)))
        let area = Int(clamping: reader.take(UInt64.self))
        let iou = Double(bitPattern: reader.take(UInt64.self))
        let length = Int(reader.take(UInt32.self))
        guard owner == annotation,
            offset + Self.entryHeader + length <= frame.payload.upperBound
        else { throw damaged }
        let bytes = try file.read(at: offset + Self.entryHeader, count: length)
        guard ContentHash.hash(header[8...] + bytes) == hash else { throw damaged }
        guard kind == 0 else { return .unlabelled(reason: String(decoding: bytes, as: UTF8.self)) }
        var body = ByteReader(bytes)
        return .mask(
            counts: body.takeBytes(), area: area, size: size, iou: iou.isNaN ? nil : iou,
            notes: body.takeNotes())
    }

    /// Reads all batches again, for whatever happened to the file meanwhile; damaged ones are forgotten.
    ///
    /// - Returns: where they were.
    package func recheck() throws -> [Int] {
        var damaged: Set<Int32> = []
        for (index, frame) in frames.enumerated()
        where try file.frame(at: frame.payload.lowerBound - JournalFile.header)?.isWhole != true {
            damaged.insert(Int32(index))
        }
        guard !damaged.isEmpty else { return [] }
        for annotation in offsets.indices where damaged.contains(frameOfAnnotation[annotation]) {
            offsets[annotation] = 0
            frameOfAnnotation[annotation] = -1
        }
        return damaged.sorted().map { frames[Int($0)].payload.lowerBound - JournalFile.header }
    }

    /// The output is in place: the journal has done its work.
    package func remove() { unlink(path) }

    /// Removes what is left of a process that died before its journal had a fingerprint: nothing is in it. Anything
    /// else that is at `path`, and a journal that a process holds, stays.
    package static func removeUnbegun(_ path: String) {
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let file = JournalFile(path: path, descriptor: descriptor)
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            status.st_size <= JournalFile.magic.count,
            flock(descriptor, LOCK_EX | LOCK_NB) == 0,
            (try? file.requireMagic(length: Int(status.st_size))) != nil
        else { return }
        unlink(path)
    }

    // MARK: file

    private static let entryHeader = 8 + 4 + 1 + 4 + 4 + 8 + 8 + 4

    @discardableResult
    private func append(_ kind: Kind, _ content: [UInt8]) throws -> Int {
        try file.append([kind.rawValue] + content)
    }

    /// Reads whole frames. What follows the last whole one was being written when the process died, and
    /// is left out; damaged ones before it are stepped over.
    ///
    /// - Parameter expected: nil takes the fingerprint that is there.
    /// - Returns: whether there is a whole beginning.
    private func readExisting(expecting expected: RunFingerprint?) throws -> Bool {
        let length = try file.length()
        if length == 0 { return false }
        try file.requireMagic(length: length)
        var position = JournalFile.magic.count
        var skipped: [Int] = []
        while let (payload, isWhole) = try file.frame(at: position, fileLength: length) {
            let start = position + JournalFile.header
            // Without a whole header nothing is known of the rest: begin anew.
            let isHeader = isWhole && payload.first == Kind.fingerprint.rawValue
            if file.end == 0, !isHeader {
                damagedPlaces = [position]
                return false
            }
            if isWhole {
                try take(payload, at: start, expecting: expected)
                damagedPlaces += skipped
                skipped = []
                file.end = start + payload.count
            } else {
                skipped.append(position)
            }
            position = start + payload.count
        }
        return file.end > 0
    }

    private func take(
        _ payload: [UInt8], at start: Int, expecting expected: RunFingerprint?
    ) throws {
        let content = payload.dropFirst()
        switch payload.first.flatMap(Kind.init) {
        case .fingerprint:
            let old = RunFingerprint(text: String(decoding: content, as: UTF8.self))
            let differences = expected?.differences(from: old) ?? []
            guard differences.isEmpty else {
                throw LabelingError.journalChanged(path: path, differences: differences)
            }
            fingerprint = old
        case .environment:
            environment = RunFingerprint(text: String(decoding: content, as: UTF8.self))
        case .usableImages:
            var reader = ByteReader(Array(content))
            let count = min(Int(reader.take(UInt32.self)), 8 * content.count)
            let bits = content.dropFirst(4)
            usableImages = (0..<count).map { place in
                let byte = bits.startIndex + place / 8
                return byte < bits.endIndex && bits[byte] >> UInt8(place % 8) & 1 == 1
            }
        case .batch: index(payload, at: start)
        case nil: return
        }
    }

    /// - Parameter payload: of a batch, its kind first.
    private func index(_ payload: [UInt8], at base: Int) {
        var reader = ByteReader(payload)
        reader.position = 1
        let firstIdentity = identities.count
        for _ in 0..<reader.take(UInt32.self) {
            guard reader.position < payload.count else { return }
            identities.append((Int(reader.take(UInt32.self)), reader.takeIdentity()))
        }
        let count = Int(reader.take(UInt32.self))
        let frame = Int32(frames.count)
        frames.append(
            Frame(
                payload: base..<base + payload.count, entryCount: count,
                identities: firstIdentity..<identities.count))
        for _ in 0..<count {
            let offset = reader.position
            reader.position += 8
            let annotation = Int(reader.take(UInt32.self))
            reader.position += Self.entryHeader - 8 - 4 - 4
            let length = Int(reader.take(UInt32.self))
            reader.position += length
            guard reader.position <= payload.count, annotation < offsets.count else { return }
            offsets[annotation] = base + offset
            frameOfAnnotation[annotation] = frame
        }
    }
}
