import Files
import Foundation
import Specs

/// A TensorBoard event file: records of length, checksum, `Event` message, checksum.
struct EventFile {
    let path: String
    private let file: FileHandle

    /// Makes a file of a new name in `directory`.
    init(directory: String) throws {
        let time = Int(Date().timeIntervalSince1970)
        var host = ProcessInfo.processInfo.hostName.filter { $0.isASCII && $0 != "/" }
        if host.isEmpty { host = "localhost" }
        var path = ""
        var file: FileHandle?
        for attempt in 0..<1000 where file == nil {
            path =
                directory + "/events.out.tfevents.\(time).\(host)"
                + ".\(ProcessInfo.processInfo.processIdentifier).\(attempt)"
            let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o644)
            if descriptor >= 0 {
                file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
            } else if errno != EEXIST {
                throw FileError.fileSystem(path: path, action: "create", errno: errno)
            }
        }
        guard let file else {
            throw FileError.fileSystem(path: path, action: "create", errno: EEXIST)
        }
        self.path = path
        self.file = file
        try write(.fileVersion, ProtobufMessage("brain.Event:2".utf8), step: 0)
    }

    /// What an event holds, by its field in TensorFlow's event.proto.
    enum Content: Int {
        case fileVersion = 3
        case summary = 5
        case sessionLog = 7
    }

    /// Adds an event, now, in one write.
    func write(_ content: Content, _ message: ProtobufMessage, step: Int) throws {
        var event = ProtobufMessage()
        event.add(1, double: Date().timeIntervalSince1970)
        if step != 0 { event.add(2, integer: step) }
        event.add(content.rawValue, message)
        do {
            try file.write(contentsOf: Self.record(event.bytes))
        } catch {
            throw FileError.fileSystem(path: path, action: "write", errno: errno == 0 ? EIO : errno)
        }
    }

    /// The framing of TFRecord files.
    static func record(_ payload: [UInt8]) -> Data {
        func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
            withUnsafeBytes(of: number.littleEndian, Array.init)
        }
        let length = bytes(UInt64(payload.count))
        var record = Data(capacity: payload.count + 16)
        record.append(contentsOf: length)
        record.append(contentsOf: bytes(CRC32C.masked(length)))
        record.append(contentsOf: payload)
        record.append(contentsOf: bytes(CRC32C.masked(payload)))
        return record
    }
}

/// A message of protocol buffers, field by field.
struct ProtobufMessage {
    private(set) var bytes: [UInt8] = []

    init(_ bytes: some Sequence<UInt8> = []) { self.bytes = Array(bytes) }

    mutating func add(_ field: Int, integer: Int) {
        append(varint: field << 3)
        append(varint: integer)
    }

    mutating func add(_ field: Int, double: Double) {
        append(varint: field << 3 | 1)
        withUnsafeBytes(of: double.bitPattern.littleEndian) { bytes += $0 }
    }

    mutating func add(_ field: Int, float: Float) {
        append(varint: field << 3 | 5)
        withUnsafeBytes(of: float.bitPattern.littleEndian) { bytes += $0 }
    }

    /// A message, a text or bytes.
    mutating func add(_ field: Int, _ message: ProtobufMessage) {
        append(varint: field << 3 | 2)
        append(varint: message.bytes.count)
        bytes += message.bytes
    }

    private mutating func append(varint value: Int) {
        var rest = UInt64(bitPattern: Int64(value))
        while rest > 0x7F {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}

/// The Castagnoli checksum, as TFRecord files have it.
package enum CRC32C {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in
            value & 1 == 1 ? 0x82F6_3B78 ^ (value >> 1) : value >> 1
        }
    }

    package static func checksum(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~UInt32(0)) { table[Int(($0 ^ UInt32($1)) & 0xFF)] ^ ($0 >> 8) }
    }

    /// Rotated and offset, so that a checksum of checksums means something.
    package static func masked(_ bytes: [UInt8]) -> UInt32 {
        let value = checksum(bytes)
        return ((value >> 15) | (value << 17)) &+ 0xA282_EAD8
    }
}
