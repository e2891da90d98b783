import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization

/// Reads bodies, and bounds what all of them take together.
final class RequestBodies: Sendable {
    private let limit: Int
    private let totalLimit: Int
    private let taken = Mutex(0)

    /// - Parameter limit: the most bytes of a body.
    init(limit: Int) {
        self.limit = limit
        totalLimit = max(512 << 20, 2 * limit)
    }

    /// Runs `use` on the bytes of a body.
    ///
    /// - Throws: ``Refusal`` with 413, or 429 when there is no memory for it.
    func withBytes<Result: Sendable>(
        of request: Request, _ use: ([UInt8]) async throws -> Result
    ) async throws -> Result {
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limit {
            throw tooLarge("\(length)")
        }
        var count = 0
        defer { taken.withLock { $0 -= count } }
        var bytes: [UInt8] = []
        do {
            for try await part in request.body {
                guard count + part.readableBytes <= limit else { throw tooLarge("more") }
                let hasRoom = taken.withLock {
                    guard $0 + part.readableBytes <= totalLimit else { return false }
                    $0 += part.readableBytes
                    return true
                }
                guard hasRoom else {
                    throw Refusal.busy("too many large requests at the same time")
                }
                count += part.readableBytes
                bytes.append(contentsOf: part.readableBytesView)
            }
        } catch {
            guard !(error is Refusal), !Task.isCancelled else { throw error }
            throw Refusal(
                .badRequest, "the body: \(error)",
                fields: [HTTPField(name: .connection, value: "close")])
        }
        return try await use(bytes)
    }

    /// The rest of the body is not waited for.
    private func tooLarge(_ found: String) -> Refusal {
        Refusal(
            .contentTooLarge, "the body: expected at most \(limit) bytes, found \(found)",
            fields: [HTTPField(name: .connection, value: "close")])
    }
}
