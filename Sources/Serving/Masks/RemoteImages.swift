import Files
import Foundation
import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOPosix

/// Images that requests name by a URL. Only hosts that were allowed are asked, by plain HTTP, and no redirect is
/// followed: what a request names can't reach anything else.
struct RemoteImages: Sendable {
    private struct Host: Hashable {
        let name: String
        let port: Int

        init?(_ parts: URLComponents?) {
            guard let parts, let name = parts.host, !name.isEmpty, parts.user == nil,
                parts.password == nil, (1...65_535).contains(parts.port ?? 80)
            else { return nil }
            self.name = name.trimmingCharacters(in: ["[", "]"]).lowercased()
            port = parts.port ?? 80
        }
    }

    private let hosts: Set<Host>
    private static let byteLimit = 256 << 20
    private static let connectLimit = TimeAmount.seconds(10)

    /// - Parameter hosts: each `HOST`, for port 80, or `HOST:PORT`.
    init(_ hosts: [String]) throws(ServingError) {
        var known: Set<Host> = []
        for text in hosts {
            guard !text.contains(where: { "/?#@".contains($0) }),
                let host = Host(URLComponents(string: "http://" + text))
            else { throw .wrongOption("--allow-host must be HOST or HOST:PORT, is \(text.quoted)") }
            known.insert(host)
        }
        self.hosts = known
    }

    /// The bytes of an image, which count as long as `hold` lives.
    ///
    /// - Throws: ``Refusal``, `CancellationError`.
    func read(_ url: String, _ hold: MemoryBudget.Hold) async throws -> [UInt8] {
        let parts = URLComponents(string: url)
        guard let parts, parts.scheme?.lowercased() == "http", let host = Host(parts),
            hosts.contains(host)
        else {
            throw Refusal.wrong(
                "\(url.quoted): expected a URL http://HOST/… with a host of --allow-host")
        }
        do {
            return try await fetch(parts, from: host, hold)
        } catch {
            guard !(error is Refusal), !(error is CancellationError) else { throw error }
            throw Refusal.wrong("\(url.quoted): \(printable("\(error)"))")
        }
    }

    private func fetch(
        _ parts: URLComponents, from host: Host, _ hold: MemoryBudget.Hold
    ) async throws -> [UInt8] {
        let path = parts.percentEncodedPath
        let request = HTTPRequest(
            method: .get, scheme: "http",
            authority: (host.name.contains(":") ? "[\(host.name)]" : host.name)
                + (host.port == 80 ? "" : ":\(host.port)"),
            path: (path.isEmpty ? "/" : path)
                + (parts.percentEncodedQuery.map { "?" + $0 } ?? ""),
            headerFields: [.accept: "image/*", .connection: "close", .userAgent: "mal"])
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(Self.connectLimit)
            .connect(host: host.name, port: host.port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    try channel.pipeline.syncOperations.addHandler(HTTP1ToHTTPClientCodec())
                    return try NIOAsyncChannel<HTTPResponsePart, HTTPRequestPart>(
                        wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            // In one piece, because a server may answer and close as soon as it has the head.
            try await outbound.write(contentsOf: [.head(request), .end(nil)])
            var bytes: [UInt8] = []
            for try await part in inbound {
                switch part {
                case .head(let head) where head.status.kind == .informational: continue
                case .head(let head):
                    guard head.status == .ok else {
                        throw Refusal.wrong(
                            "\(parts.string?.quoted ?? host.name): expected the answer 200, found "
                                + "\(head.status.code)")
                    }
                case .body(let buffer):
                    guard bytes.count + buffer.readableBytes <= Self.byteLimit else {
                        throw Refusal.wrong(
                            "\(parts.string?.quoted ?? host.name): expected at most "
                                + "\(Self.byteLimit) bytes, found more")
                    }
                    try hold.add(buffer.readableBytes)
                    bytes.append(contentsOf: buffer.readableBytesView)
                case .end: return bytes
                }
            }
            try Task.checkCancellation()
            throw Refusal.wrong("\(parts.string?.quoted ?? host.name): the answer has no end")
        }
    }
}
