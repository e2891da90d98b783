import Glibc

/// A 64-bit hash of bytes, eight at a time: of image files, model files and the files of a checkpoint.
///
/// Each step, which is that of XXH64, maps states one to one, so two files of one length that differ
/// in eight bytes that belong together never have the same hash; others do by chance, once in 2⁶⁴.
/// Not a defence against forgery.
package struct ContentHash: Sendable {
    private var state: UInt64 = 0x9e37_79b9_7f4a_7c15

    package init() {}

    /// - Parameter bytes: of all calls but the last, a multiple of eight.
    package mutating func combine(_ bytes: UnsafeRawBufferPointer) {
        var hash = state
        var place = 0
        while place + 8 <= bytes.count {
            let word = bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)
            hash = Self.step(hash, UInt64(littleEndian: word))
            place += 8
        }
        for byte in bytes[place...] { hash = Self.step(hash, UInt64(byte)) }
        state = hash
    }

    private static func step(_ hash: UInt64, _ word: UInt64) -> UInt64 {
        let sum = hash &+ word &* 0xc2b2_ae3d_27d4_eb4f
        return (sum << 31 | sum >> 33) &* 0x9e37_79b1_85eb_ca87
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
    package static func hash(file path: String) throws(FileError) -> UInt64 {
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
