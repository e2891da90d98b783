import Foundation
import Glibc

/// A client of a few lines, which can also send what is no HTTP.
struct HTTPClient: Sendable {
    struct Answer: Sendable {
        let status: Int
        let header: String
        let body: Data

        var text: String { String(decoding: body, as: UTF8.self) }
        var json: [String: Any]? {
            try? JSONSerialization.jsonObject(with: body) as? [String: Any]
        }
        /// The message of an error.
        var message: String { (json?["error"] as? [String: Any])?["message"] as? String ?? text }
    }

    let port: UInt16

    /// - Parameter url: `http://127.0.0.1:PORT`.
    init(url: String) { port = UInt16(url.split(separator: ":").last ?? "") ?? 0 }

    func get(_ path: String, fields: [String: String] = [:]) async throws -> Answer {
        try await request("GET", path, fields: fields, body: Data())
    }

    func post(
        _ path: String, _ json: Any, fields: [String: String] = [:]
    ) async throws -> Answer {
        var fields = fields
        fields["Content-Type"] = fields["Content-Type"] ?? "application/json"
        return try await request(
            "POST", path, fields: fields, body: JSONSerialization.data(withJSONObject: json))
    }

    func request(
        _ method: String, _ path: String, fields: [String: String], body: Data
    ) async throws -> Answer {
        var fields = fields
        fields["Host"] = fields["Host"] ?? "127.0.0.1:\(port)"
        fields["Content-Length"] = fields["Content-Length"] ?? "\(body.count)"
        fields["Connection"] = "close"
        var bytes = Data("\(method) \(path) HTTP/1.1\r\n".utf8)
        for (name, value) in fields { bytes += Data("\(name): \(value)\r\n".utf8) }
        return try await raw(bytes + Data("\r\n".utf8) + body)
    }

    /// What a client does when it has sent its bytes.
    enum Manner: Sendable {
        case waits
        /// Says that it sends nothing more.
        case halfCloses
        /// Sends a byte every 50 ms as long as the server lets it.
        case drips
        /// Does not wait for its answer.
        case leaves
    }

    /// Sends bytes and reads until the server closes.
    func raw(_ bytes: Data, _ manner: Manner = .waits) async throws -> Answer {
        let port = port
        var answer = try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(with: Result { try Self.exchange(bytes, port, manner) })
            }
        }
        let goOn = Data("HTTP/1.1 100 Continue\r\n\r\n".utf8)
        if answer.starts(with: goOn) { answer = Data(answer.dropFirst(goOn.count)) }
        let end = answer.range(of: Data("\r\n\r\n".utf8))
        let header = String(
            decoding: answer[..<(end?.lowerBound ?? answer.endIndex)], as: UTF8.self)
        let words = header.split(separator: " ")
        return Answer(
            status: words.count > 1 ? Int(words[1]) ?? 0 : 0, header: header,
            body: Data(answer[(end?.upperBound ?? answer.endIndex)...]))
    }

    private static func exchange(_ bytes: Data, _ port: UInt16, _ manner: Manner) throws -> Data {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(
            socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { throw POSIXError(.ECONNREFUSED) }
        bytes.withUnsafeBytes { raw in
            var sent = 0
            while sent < raw.count {
                let count = send(
                    socket, raw.baseAddress?.advanced(by: sent), raw.count - sent,
                    Int32(MSG_NOSIGNAL))
                guard count > 0 else { break }
                sent += count
            }
        }
        var answer = Data()
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        if manner == .leaves { return answer }
        if manner == .halfCloses { shutdown(socket, Int32(SHUT_WR)) }
        while true {
            if manner == .drips {
                var poll = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
                while Glibc.poll(&poll, 1, 50) == 0 { send(socket, "x", 1, Int32(MSG_NOSIGNAL)) }
            }
            let count = recv(socket, &buffer, buffer.count, 0)
            guard count > 0 else { return answer }
            answer.append(contentsOf: buffer[..<count])
        }
    }
}

/// Answers each connection's request with what `answer` makes of its path.
final class WebServer: Sendable {
    let port: UInt16
    private let socket: Int32

    init(_ answer: @escaping @Sendable (_ path: String) -> Data) throws {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, length) + listen(socket, 16) + getsockname(socket, $0, &length)
            }
        }
        guard status == 0 else { throw POSIXError(.EADDRINUSE) }
        port = UInt16(bigEndian: address.sin_port)
        self.socket = socket
        Thread.detachNewThread {
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            while case let connection = accept(socket, nil, nil), connection >= 0 {
                let count = max(0, recv(connection, &buffer, buffer.count, 0))
                let words = String(decoding: buffer[..<count], as: UTF8.self).split(separator: " ")
                answer(words.count > 1 ? String(words[1]) : "").withUnsafeBytes {
                    _ = send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                // Closing with something unread would reset the connection before the answer is there.
                shutdown(connection, Int32(SHUT_WR))
                while recv(connection, &buffer, buffer.count, 0) > 0 {}
                close(connection)
            }
        }
    }

    deinit {
        shutdown(socket, Int32(SHUT_RDWR))
        close(socket)
    }
}
