import Foundation
import MaskAutoLabeler
import Serving
import Testing

/// A server with the small model on a free port, for the time of a test.
func withServer(
    _ change: (inout ServerOptions) -> Void = { _ in },
    _ body: (HTTPClient) async throws -> Void
) async throws {
    var options = ServerOptions()
    options.listen = "127.0.0.1:0"
    options.model = .tiny
    options.labeler.device = .cpu
    options.labeler.threads = 1
    change(&options)
    let server = try await MaskServer(options)
    let (urls, source) = AsyncStream<String>.makeStream()
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
            defer { source.finish() }
            try await server.run { source.yield($0) }
        }
        var iterator = urls.makeAsyncIterator()
        let url = try #require(await iterator.next())
        try await body(HTTPClient(url: url))
        group.cancelAll()
    }
}

/// The demo's photographs.
enum Demo {
    static let images =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path + "/Demo/images"

    static func bytes(_ name: String) throws -> Data {
        try Data(contentsOf: URL(fileURLWithPath: images + "/" + name))
    }
}

/// A folder that is gone when the value is.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "mal-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
