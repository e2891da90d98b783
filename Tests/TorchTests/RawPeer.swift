import Distributed
import Foundation
import Glibc
import Torch

/// A socket that speaks c10d's protocol by hand, as a stranger would, or nothing.
final class RawPeer {
    struct Unreachable: Error {}

    private let socket: Int32
    private(set) var port = 0

    private init() throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard socket >= 0 else { throw Unreachable() }
    }

    deinit { close(socket) }

    /// Takes connections and never answers.
    static func listening() throws -> RawPeer {
        let peer = try RawPeer()
        guard peer.with("127.0.0.1", 0, bind), listen(peer.socket, 8) == 0 else {
            throw Unreachable()
        }
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(peer.socket, $0, &length)
            }
        }
        peer.port = Int(UInt16(bigEndian: address.sin_port))
        return peer
    }

    static func connected(to port: Int, at host: String = "127.0.0.1") throws -> RawPeer {
        let peer = try RawPeer()
        guard peer.with(host, port, connect) else { throw Unreachable() }
        // VALIDATE and its number.
        peer.send([0] + number(UInt32(0x3C85_F7CE)))
        return peer
    }

    func send(_ bytes: [UInt8]) {
        _ = Glibc.send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    /// Sets the value under a name as it is on the wire.
    func set(raw name: String, _ value: [UInt8]) {
        send(
            [1] + Self.number(UInt64(name.utf8.count)) + Array(name.utf8)
                + Self.number(UInt64(value.count)) + value)
    }

    /// Sets the value under the name that the secret makes of a key.
    func set(_ key: String, secret: [UInt8], _ value: [UInt8]) {
        let name = Libtorch.hmac(Array("n\(key)".utf8), secret: secret)
            .map { String(Int($0) + 256, radix: 16).dropFirst() }.joined()
        set(raw: "/" + name, value)
    }

    private static func number(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }

    private func with(
        _ host: String, _ port: Int, _ body: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Bool {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr(host)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
