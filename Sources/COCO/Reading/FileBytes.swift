import CJSON
import Foundation

/// The content of a file, followed by the padding that the JSON reader may look at.
///
/// Read once into memory rather than mapped: a file that shrinks under a mapping ends the process,
/// and one that changes would no longer be the one that was checked.
struct FileBytes: Sendable {
    private let storage: [UInt8]
    let count: Int

    init(path: String) throws(COCOError) {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { throw .unreadable(path: path, reason: Self.reason(errno)) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else {
            throw .unreadable(path: path, reason: Self.reason(errno))
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: throw .unreadable(path: path, reason: "expected a JSON file, found a folder")
        default:
            throw .unreadable(path: path, reason: "expected a JSON file, found a device or pipe")
        }
        let size = Int(status.st_size)
        guard size <= Int(CJ_MAX_LENGTH) else {
            throw .unreadable(
                path: path, reason: "expected at most 4 GB (\(CJ_MAX_LENGTH) bytes), found \(size)")
        }
        var failure: Int32 = 0
        storage = [UInt8](unsafeUninitializedCapacity: size + Int(CJ_PADDING)) { buffer, count in
            while count < size {
                let got = Foundation.read(file, buffer.baseAddress! + count, size - count)
                if got < 0, errno == EINTR { continue }
                if got < 0 { failure = errno }
                if got <= 0 { break }
                count += got
            }
            for index in 0..<Int(CJ_PADDING) { buffer[count + index] = 0 }
            count += Int(CJ_PADDING)
        }
        count = storage.count - Int(CJ_PADDING)
        guard failure == 0 else { throw .unreadable(path: path, reason: Self.reason(failure)) }
        guard count > 0 else { throw .unreadable(path: path, reason: "the file is empty") }
        if let mark = Self.byteOrderMark(storage) {
            throw .unreadable(
                path: path,
                reason: "expected JSON in UTF-8 without a byte order mark, found \(mark)")
        }
    }

    /// The content without the padding.
    func withBytes<Result, Failure: Error>(
        _ body: (UnsafeBufferPointer<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try storage.withUnsafeBufferPointer { (bytes) throws(Failure) in
            try body(UnsafeBufferPointer(rebasing: bytes[..<count]))
        }
    }

    func text(_ range: Range<Int>) -> String { String(decoding: storage[range], as: UTF8.self) }

    /// Line and column (in bytes) of a position, both from 1.
    func place(of offset: Int) -> (line: Int, column: Int) {
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
