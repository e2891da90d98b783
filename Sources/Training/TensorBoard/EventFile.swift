import Files
import Foundation
import Specs
import SwiftProtobuf

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
        var event = Mal_Tensorboard_Event()
        event.fileVersion = "brain.Event:2"
        try write(&event, step: 0)
    }

    /// Adds `event`, now, in one write.
    func write(_ event: inout Mal_Tensorboard_Event, step: Int) throws {
        event.wallTime = Date().timeIntervalSince1970
        event.step = Int64(step)
        do {
            try file.write(contentsOf: Self.record(try event.serializedBytes()))
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
