import COCO
import Foundation
import Glibc
package import Imaging

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
/// batch, so a resumed run repeats whole batches and the network sees the same batches as in an
/// undisturbed run: that is what makes the final files equal byte for byte.
///
/// File: the magic line, then frames of (payload length UInt32, FNV-1a UInt64, payload), all little
/// endian. The first payload is the fingerprint as text; each further one is a batch.
package final class LabelJournal {
    private static let magic = Array("mal journal 2\n".utf8)
    /// A frame is one batch; anything larger than this is damage.
    private static let largestFrame = 1 << 30

    package let path: String
    private let descriptor: Int32
    private var end: Int
    private var lastSync = ContinuousClock.now
    /// Entry offset by annotation index; 0 = none.
    private var offsets: [Int]
    package private(set) var completedBatches: Set<Int> = []
    /// What the results depend on.
    package private(set) var fingerprint: RunFingerprint

    /// Opens or creates the journal at `path`; one process at a time (flock).
    package init(
        path: String, fingerprint: RunFingerprint, mode: JournalMode, annotationCount: Int
    ) throws(LabelingError) {
        self.path = path
        self.fingerprint = fingerprint
        offsets = [Int](repeating: 0, count: annotationCount)
        end = 0
        if mode == .resume, access(path, F_OK) != 0 { throw .noJournal(path: path) }
        descriptor = open(
            path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            guard errno != ELOOP else {
                throw .wrongUse(
                    "\(path): the journal's place is taken by a link, which mal does not follow; "
                        + "move it away")
            }
            throw .fileSystem(path: path, action: "create the journal", errno: errno)
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw .wrongUse("\(path): the journal's place is taken by a pipe or device")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { throw .journalBusy(path: path) }
        if mode == .fresh {
            try requireJournal()
            try truncate(to: 0)
        }
        if try readExisting(expecting: fingerprint) { try truncate(to: end) }
        if end == 0 {
            try truncate(to: 0)
            try writeAll(Self.magic)
            try appendFrame(Array(fingerprint.text.utf8))
        }
    }

    /// Starting afresh drops a journal, never another's file.
    private func requireJournal() throws(LabelingError) {
        var status = stat()
        let begin = Array("mal journal ".utf8)
        guard fstat(descriptor, &status) == 0 else {
            throw .fileSystem(path: path, action: "stat", errno: errno)
        }
        let length = min(begin.count, Int(status.st_size))
        guard try read(at: 0, count: length) == Array(begin.prefix(length)) else {
            throw .wrongUse("\(path): is there and is no journal of mal; move it away")
        }
    }

    /// Opens a journal for reading: what a run, which may be going on, has put into it so far.
    package init(reading path: String, annotationCount: Int) throws(LabelingError) {
        self.path = path
        offsets = [Int](repeating: 0, count: annotationCount)
        end = 0
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .fileSystem(path: path, action: "open", errno: errno) }
        fingerprint = RunFingerprint()
        guard try readExisting(expecting: nil) else {
            throw .journalUnreadable(path: path, reason: "it has no whole beginning")
        }
    }

    deinit { close(descriptor) }

    package func hasResult(annotation: Int) -> Bool { offsets[annotation] != 0 }

    /// Adds a batch. It survives the process from here on, and the machine within a second.
    package func append(
        batch: Int, results: [(annotation: Int, outcome: BoxOutcome)]
    ) throws(LabelingError) {
        var payload = ByteWriter()
        payload.put(UInt32(batch))
        payload.put(UInt32(results.count))
        var entryOffsets: [(Int, Int)] = []
        for (annotation, outcome) in results {
            entryOffsets.append((annotation, payload.bytes.count))
            payload.put(UInt32(annotation))
            switch outcome {
            case .mask(let counts, let area, let size, let iou, let notes):
                payload.put(UInt8(0))
                payload.put(UInt32(size.height))
                payload.put(UInt32(size.width))
                payload.put(UInt64(area))
                payload.put((iou ?? .nan).bitPattern)
                var body = ByteWriter()
                body.put(counts)
                body.put(notes)
                payload.put(body.bytes)
            case .unlabelled(let reason):
                payload.put(UInt8(1))
                payload.put(UInt32(0))
                payload.put(UInt32(0))
                payload.put(UInt64(0))
                payload.put(Double.nan.bitPattern)
                payload.put(Array(reason.utf8))
            }
        }
        let start = end + Self.frameHeader
        try appendFrame(payload.bytes)
        for (annotation, offset) in entryOffsets { offsets[annotation] = start + offset }
        completedBatches.insert(batch)
        if ContinuousClock.now - lastSync > .milliseconds(900) { try sync() }
    }

    package func sync() throws(LabelingError) {
        guard fdatasync(descriptor) == 0 else {
            throw .fileSystem(path: path, action: "flush", errno: errno)
        }
        lastSync = .now
    }

    /// The stored outcome, read back from the file; nil when there is none yet.
    package func outcome(annotation: Int) throws(LabelingError) -> BoxOutcome? {
        guard offsets[annotation] != 0 else { return nil }
        var reader = ByteReader(try read(at: offsets[annotation], count: Self.entryHeader))
        _ = reader.take(UInt32.self)
        let kind = reader.take(UInt8.self)
        let size = Size(height: Int(reader.take(UInt32.self)), width: Int(reader.take(UInt32.self)))
        let area = Int(clamping: reader.take(UInt64.self))
        let iou = Double(bitPattern: reader.take(UInt64.self))
        let length = Int(reader.take(UInt32.self))
        let bytes = try read(at: offsets[annotation] + Self.entryHeader, count: length)
        guard kind == 0 else { return .unlabelled(reason: String(decoding: bytes, as: UTF8.self)) }
        var body = ByteReader(bytes)
        return .mask(
            counts: body.takeBytes(), area: area, size: size, iou: iou.isNaN ? nil : iou,
            notes: body.takeNotes())
    }

    /// The output is in place: the journal has done its work.
    package func remove() { unlink(path) }

    // MARK: file

    private static let frameHeader = 4 + 8
    private static let entryHeader = 4 + 1 + 4 + 4 + 8 + 8 + 4

    private func appendFrame(_ payload: [UInt8]) throws(LabelingError) {
        var frame = ByteWriter()
        frame.put(UInt32(payload.count))
        frame.put(FNV1a.hash(payload))
        frame.bytes += payload
        try writeAll(frame.bytes)
    }

    private func writeAll(_ bytes: [UInt8]) throws(LabelingError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                pwrite(descriptor, $0.baseAddress! + done, $0.count - done, off_t(end + done))
            }
            if count < 0 {
                if errno == EINTR { continue }
                throw .fileSystem(path: path, action: "write", errno: errno)
            }
            done += count
        }
        end += bytes.count
    }

    private func truncate(to length: Int) throws(LabelingError) {
        guard ftruncate(descriptor, off_t(length)) == 0 else {
            throw .fileSystem(path: path, action: "truncate", errno: errno)
        }
    }

    private func read(at offset: Int, count: Int) throws(LabelingError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = bytes.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress! + done, count - done, off_t(offset + done))
            }
            if got < 0, errno == EINTR { continue }
            guard got > 0 else {
                throw .fileSystem(path: path, action: "read", errno: got < 0 ? errno : EIO)
            }
            done += got
        }
        return bytes
    }

    /// Reads whole frames; what follows the last whole one was being written when the process died,
    /// and is left out.
    ///
    /// - Parameter expected: nil takes the fingerprint that is there.
    /// - Returns: whether there is a whole beginning.
    private func readExisting(expecting expected: RunFingerprint?) throws(LabelingError) -> Bool {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw .fileSystem(path: path, action: "stat", errno: errno)
        }
        let length = Int(status.st_size)
        if length == 0 { return false }
        let magicLength = min(length, Self.magic.count)
        let begin = try read(at: 0, count: magicLength)
        guard begin == Array(Self.magic.prefix(magicLength)) else {
            let isOurs = begin.starts(with: "mal journal ".utf8)
            throw .journalUnreadable(
                path: path,
                reason: isOurs ? "another version of mal wrote it" : "it does not begin like one")
        }
        var position = Self.magic.count
        var isHeader = true
        while let payload = try frame(at: position, fileLength: length) {
            if isHeader {
                let old = RunFingerprint(text: String(decoding: payload, as: UTF8.self))
                let differences = expected?.differences(from: old) ?? []
                guard differences.isEmpty else {
                    throw .journalChanged(path: path, differences: differences)
                }
                fingerprint = old
                isHeader = false
            } else {
                index(payload, at: position + Self.frameHeader)
            }
            position += Self.frameHeader + payload.count
        }
        // Without a whole header nothing was recorded: begin anew.
        if isHeader { return false }
        end = position
        return true
    }

    private func frame(at position: Int, fileLength: Int) throws(LabelingError) -> [UInt8]? {
        guard position + Self.frameHeader <= fileLength else { return nil }
        var header = ByteReader(try read(at: position, count: Self.frameHeader))
        let length = Int(header.take(UInt32.self))
        let hash = header.take(UInt64.self)
        guard length <= Self.largestFrame, position + Self.frameHeader + length <= fileLength else {
            return nil
        }
        let payload = try read(at: position + Self.frameHeader, count: length)
        return FNV1a.hash(payload) == hash ? payload : nil
    }

    private func index(_ payload: [UInt8], at base: Int) {
        var reader = ByteReader(payload)
        let batch = Int(reader.take(UInt32.self))
        let count = Int(reader.take(UInt32.self))
        for _ in 0..<count {
            let offset = reader.position
            let annotation = Int(reader.take(UInt32.self))
            reader.position += Self.entryHeader - 8
            let length = Int(reader.take(UInt32.self))
            reader.position += length
            guard reader.position <= payload.count, annotation < offsets.count else { return }
            offsets[annotation] = base + offset
        }
        completedBatches.insert(batch)
    }
}

/// Little-endian writing of the journal's few types.
private struct ByteWriter {
    var bytes: [UInt8] = []

    mutating func put(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func put(_ value: [UInt8]) {
        put(UInt32(value.count))
        bytes += value
    }

    mutating func put(_ notes: MaskNotes) {
        put(UInt32(notes.features?.values.count ?? 0))
        for value in notes.features?.values ?? [] { put(value.bitPattern) }
        put(UInt8(notes.cleanup == nil ? 0 : 1))
        guard let cleanup = notes.cleanup else { return }
        put(UInt64(cleanup.outsidePixels))
        put(UInt64(cleanup.islands))
        put(UInt64(cleanup.holes))
        put(UInt64(cleanup.changedPixels))
        put(cleanup.changedCounts)
    }
}

/// Reading of what `ByteWriter` wrote. Past the end it gives zeros: a forged file must not trap.
private struct ByteReader {
    let bytes: [UInt8]
    var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func take<T: FixedWidthInteger>(_ type: T.Type) -> T {
        let size = MemoryLayout<T>.size
        guard position >= 0, position <= bytes.count - size else {
            position = bytes.count
            return 0
        }
        defer { position += size }
        return bytes.withUnsafeBytes {
            T(littleEndian: $0.loadUnaligned(fromByteOffset: position, as: T.self))
        }
    }

    mutating func takeBytes() -> [UInt8] {
        let length = min(Int(take(UInt32.self)), bytes.count - position)
        defer { position += length }
        return Array(bytes[position..<position + length])
    }

    mutating func takeNotes() -> MaskNotes {
        var notes = MaskNotes()
        let count = Int(take(UInt32.self))
        if count == MaskFeatures.names.count {
            notes.features = MaskFeatures(
                values: (0..<count).map { _ in Float(bitPattern: take(UInt32.self)) })
        }
        guard take(UInt8.self) == 1 else { return notes }
        notes.cleanup = CleanupRecord(
            outsidePixels: Int(clamping: take(UInt64.self)),
            islands: Int(clamping: take(UInt64.self)), holes: Int(clamping: take(UInt64.self)),
            changedCounts: [])
        notes.cleanup?.changedPixels = Int(clamping: take(UInt64.self))
        notes.cleanup?.changedCounts = takeBytes()
        return notes
    }
}
