import CJSON
import Files
import Foundation

/// The content of a file, followed by the padding that the JSON reader may look at.
///
/// Read once into memory rather than mapped: a file that shrinks under a mapping ends the process,
/// and one that changes would no longer be the one that was checked.
package struct FileBytes: Sendable {
    private let storage: [UInt8]
    package let count: Int

    /// A byte order mark of UTF-8 is left out.
    ///
    /// - Throws: for what can't be JSON as well: an empty file, one in UTF-16.
    package init(path: String) throws {
        var bytes = try Self.load(
            path: path, kind: "JSON file", limit: Int(CJ_MAX_LENGTH), limitName: "4 GB",
            padding: Int(CJ_PADDING))
        if bytes.count > Int(CJ_PADDING) {
            switch Self.byteOrderMark(bytes) {
            case nil: break
            case "UTF-16":
                throw FileError.unreadable(
                    path: path, reason: "expected JSON in UTF-8, found UTF-16")
            default: bytes.removeFirst(3)
            }
        }
        storage = bytes
        count = storage.count - Int(CJ_PADDING)
        guard count > 0 else { throw FileError.unreadable(path: path, reason: "the file is empty") }
    }

    /// A document made in memory.
    ///
    /// - Parameter path: what it was made of, for the message when it is too long.
    package init(_ document: [UInt8], path: String) throws {
        guard document.count <= Int(CJ_MAX_LENGTH) else {
            throw FileError.unreadable(
                path: path,
                reason:
                    "expected records of at most 4 GB as COCO JSON, found \(document.count) bytes"
            )
        }
        count = document.count
        storage = document + [UInt8](repeating: 0, count: Int(CJ_PADDING))
    }

    /// The content of a text file without a byte order mark; it may be empty.
    package static func text(path: String, kind: String, limit: Int) throws -> [UInt8] {
        var bytes = try load(
            path: path, kind: kind, limit: limit, limitName: "\(limit >> 20) MiB", padding: 0)
        switch bytes.count < 3 ? nil : byteOrderMark(bytes) {
        case nil: return bytes
        case "UTF-16":
            throw FileError.unreadable(
                path: path, reason: "expected a \(kind) in UTF-8, found UTF-16")
        default:
            bytes.removeFirst(3)
            return bytes
        }
    }

    private static func load(
        path: String, kind: String, limit: Int, limitName: String, padding: Int
    ) throws -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { throw FileError.unreadable(path: path, reason: reason(errno)) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else {
            throw FileError.unreadable(path: path, reason: reason(errno))
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR:
            throw FileError.unreadable(path: path, reason: "expected a \(kind), found a folder")
        default:
            throw FileError.unreadable(
                path: path, reason: "expected a \(kind), found a device or pipe")
        }
        let size = Int(status.st_size)
        guard size <= limit else {
            throw FileError.unreadable(
                path: path, reason: "expected at most \(limitName) (\(limit) bytes), found \(size)")
        }
        var failure: Int32 = 0
        let storage = [UInt8](unsafeUninitializedCapacity: size + padding) { buffer, count in
            while count < size {
                let got = Foundation.read(file, buffer.baseAddress! + count, size - count)
                if got < 0, errno == EINTR { continue }
                if got < 0 { failure = errno }
                if got <= 0 { break }
                count += got
            }
            for index in 0..<padding { buffer[count + index] = 0 }
            count += padding
        }
        guard failure == 0 else { throw FileError.unreadable(path: path, reason: reason(failure)) }
        return storage
    }

    /// The content without the padding.
    package func withBytes<Result, Failure: Error>(
        _ body: (UnsafeBufferPointer<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try storage.withUnsafeBufferPointer { (bytes) throws(Failure) in
            try body(UnsafeBufferPointer(rebasing: bytes[..<count]))
        }
    }

    package func text(_ range: Range<Int>) -> String {
        String(decoding: storage[range], as: UTF8.self)
    }

    /// Line and column (in bytes) of a position, both from 1.
    package func place(of offset: Int) -> (line: Int, column: Int) {
        let before = storage[..<min(offset, count)]
        let line = before.reduce(into: 1) { $0 += $1 == UInt8(ascii: "\n") ? 1 : 0 }
        let start = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        return (line, before.count - start + 1)
    }

    private static func reason(_ code: Int32) -> String {
        String(cString: strerror(code)).lowercased()
    }

    private static func byteOrderMark(_ bytes: [UInt8]) -> String? {
        switch (bytes[0], bytes[1], bytes[2]) {
        case (0xEF, 0xBB, 0xBF): "UTF-8 with one"
        case (0xFF, 0xFE, _), (0xFE, 0xFF, _): "UTF-16"
        default: nil
        }
    }
}
