import Glibc

/// A 64-bit hash of bytes, eight at a time: of image files, model files and the files of a checkpoint.
///
/// Each step maps states one to one, so two files of one length that differ in eight bytes that
/// belong together never have the same hash; others do by chance, once in 2⁶⁴. Not a defence
/// against forgery.
package struct ContentHash: Sendable {
    private var state: UInt64 = 0x9e37_79b9_7f4a_7c15

    package init() {}

    /// - Parameter bytes: of all calls but the last, a multiple of eight.
    package mutating func combine(_ bytes: UnsafeRawBufferPointer) {
        var hash = state
        var place = 0
        while place + 8 <= bytes.count {
            hash ^= UInt64(
                littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
            hash &*= 0x9fb2_1c65_1e98_df25
            hash ^= hash >> 32
            place += 8
        }
        for byte in bytes[place...] {
            hash = (hash ^ UInt64(byte)) &* 0x9fb2_1c65_1e98_df25
            hash ^= hash >> 32
        }
        state = hash
    }

    /// The hash of all bytes so far.
    package var value: UInt64 { state }

    package static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var hasher = ContentHash()
        hasher.combine(bytes)
        return hasher.value
    }

    package static func hash(_ bytes: [UInt8]) -> UInt64 {
        bytes.withUnsafeBytes { hash($0) }
    }

    /// Hash of a file's content, read in pieces.
    package static func hash(file path: String) throws(LabelingError) -> UInt64 {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .fileSystem(path: path, action: "open", errno: errno) }
        defer { close(descriptor) }
        var hasher = ContentHash()
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            var count = 0
            while count < buffer.count {
                let got = buffer.withUnsafeMutableBytes {
                    read(descriptor, $0.baseAddress! + count, $0.count - count)
                }
                if got < 0, errno == EINTR { continue }
                guard got >= 0 else {
                    throw .fileSystem(path: path, action: "read", errno: errno)
                }
                if got == 0 { break }
                count += got
            }
            buffer.withUnsafeBytes {
                hasher.combine(UnsafeRawBufferPointer(rebasing: $0[..<count]))
            }
            if count < buffer.count { return hasher.value }
        }
    }

    /// 16 hexadecimal digits.
    package static func text(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
