import Files
import Foundation
import Glibc
import Specs

/// The bytes of a journal: a magic line, then frames of (payload length UInt32, hash UInt64, payload).
struct JournalFile {
    static let magic = Array("mal journal 3\n".utf8)
    /// In front of a payload, in bytes.
    static let header = 4 + 8
    /// A frame is one batch; anything larger than this is damage.
    private static let largest = 1 << 30

    let path: String
    let descriptor: Int32
    /// Where the next frame goes.
    var end = 0

    init(path: String, descriptor: Int32) {
        self.path = path
        self.descriptor = descriptor
    }

    /// Empties the file and gives it its first line.
    mutating func begin() throws {
        end = 0
        try truncate(to: 0)
        try writeAll(Self.magic)
    }

    /// Appends a frame with a single write.
    /// - Returns: where its payload begins.
    mutating func append(_ payload: [UInt8]) throws -> Int {
        var frame = ByteWriter()
        frame.put(UInt32(payload.count))
        frame.put(ContentHash.hash(payload))
        frame.bytes += payload
        let start = end + Self.header
        try writeAll(frame.bytes)
        return start
    }

    func sync() throws {
        guard fdatasync(descriptor) == 0 else {
            throw FileError.fileSystem(path: path, action: "flush", errno: errno)
        }
    }

    /// In bytes.
    func length() throws -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw FileError.fileSystem(path: path, action: "stat", errno: errno)
        }
        return Int(status.st_size)
    }

    /// Starting afresh drops a journal, never another's file.
    func requireJournal() throws {
        let begin = Array("mal journal ".utf8)
        let length = min(begin.count, try length())
        guard try read(at: 0, count: length) == Array(begin.prefix(length)) else {
            throw LabelingError.wrongUse("\(path): is there and is no journal of mal; move it away")
        }
    }

    /// Whether the first line is there, as far as the file goes.
    func requireMagic(length: Int) throws {
        let begin = try read(at: 0, count: min(length, Self.magic.count))
        guard begin == Array(Self.magic.prefix(begin.count)) else {
            throw LabelingError.journalUnreadable(
                path: path,
                reason: begin.starts(with: "mal journal ".utf8)
                    ? "another version of mal wrote it, which can't be continued"
                    : "it does not begin like one")
        }
    }

    /// - Returns: nil where the file ends before the frame does; `isWhole` tells whether its hash is right.
    func frame(
        at position: Int, fileLength: Int = .max
    ) throws -> (payload: [UInt8], isWhole: Bool)? {
        guard position + Self.header <= fileLength else { return nil }
        do {
            var header = ByteReader(try read(at: position, count: Self.header))
            let length = Int(header.take(UInt32.self))
            let hash = header.take(UInt64.self)
            guard length <= Self.largest, length <= fileLength - position - Self.header
            else { return nil }
            let payload = try read(at: position + Self.header, count: length)
            return (payload, ContentHash.hash(payload) == hash)
        } catch LabelingError.journalDamaged {
            return nil
        }
    }

    private mutating func writeAll(_ bytes: [UInt8]) throws {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                pwrite(descriptor, $0.baseAddress! + done, $0.count - done, off_t(end + done))
            }
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError.fileSystem(path: path, action: "write", errno: errno)
            }
            done += count
        }
        end += bytes.count
    }

    func truncate(to length: Int) throws {
        guard ftruncate(descriptor, off_t(length)) == 0 else {
            throw FileError.fileSystem(path: path, action: "truncate", errno: errno)
        }
    }

    /// - Throws: ``LabelingError/journalDamaged(path:offset:)`` where the file ends before.
    func read(at offset: Int, count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = bytes.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress! + done, count - done, off_t(offset + done))
            }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else {
                throw FileError.fileSystem(path: path, action: "read", errno: errno)
            }
            guard got > 0 else { throw LabelingError.journalDamaged(path: path, offset: offset) }
            done += got
        }
        return bytes
    }
}
