import Files
import Glibc
import Specs

/// A port of the loopback address that nobody uses now.
func freePort() throws -> Int {
    let probe = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(probe) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(probe, $0, length) == 0 && getsockname(probe, $0, &length) == 0
        }
    }
    guard probe >= 0, isBound else {
        throw FileError.fileSystem(path: "127.0.0.1", action: "find a free port", errno: errno)
    }
    return Int(UInt16(bigEndian: address.sin_port))
}
