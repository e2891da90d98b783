import HTTPTypes
import Hummingbird
import NIOCore

/// Reads bodies, and bounds what they take.
final class RequestBodies: Sendable {
    let memory: MemoryBudget
    private let limit: Int

    /// - Parameters:
    ///   - limit: the most bytes of a body.
    ///   - heldLimit: the most bytes of all that is held at the same time.
    init(limit: Int, heldLimit: Int = 512 << 20) {
        self.limit = limit
        memory = MemoryBudget(max(limit, heldLimit))
    }

    /// The bytes of a body, which count as long as `hold` lives.
    ///
    /// - Throws: ``Refusal`` with 413, or 429 when there is no memory for it.
    func bytes(of request: Request, _ hold: MemoryBudget.Hold) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        let length = request.headers[.contentLength].flatMap { UInt($0) }.map {
            Int(clamping: $0)
        }
        if let length {
            guard length <= limit else { throw tooLarge("\(length)") }
            // Who has room has it to the end: bodies that come at the same time don't starve each other.
            try hold.add(length)
            bytes.reserveCapacity(length)
        }
        do {
            for try await part in request.body {
                guard bytes.count + part.readableBytes <= limit else { throw tooLarge("more") }
                if length == nil { try hold.add(part.readableBytes) }
                bytes.append(contentsOf: part.readableBytesView)
            }
        } catch {
            guard !(error is Refusal), !Task.isCancelled else { throw error }
            throw Refusal(.badRequest, "the body: \(error)")
        }
        return bytes
    }

    private func tooLarge(_ found: String) -> Refusal {
        Refusal(
            .contentTooLarge, "the body: expected at most \(limit) bytes, found \(found)")
    }
}
