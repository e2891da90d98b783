import HTTPTypes
import Hummingbird
import NIOCore
import NIOHTTPTypes
import Synchronization

/// What a connection and the request that it brings know of each other.
final class Connection: Sendable {
    private let closing = Mutex<(isClosed: Bool, handler: (@Sendable () -> Void)?)>((false, nil))

    /// `handler` is called when the client goes, or at once when it has gone.
    func onClose(_ handler: (@Sendable () -> Void)?) {
        let isClosed = closing.withLock {
            $0.handler = handler
            return $0.isClosed
        }
        if isClosed { handler?() }
    }

    func close() {
        let handler = closing.withLock {
            $0.isClosed = true
            return $0.handler
        }
        handler?()
    }
}

/// Ends connections whose client has gone, does not take its answer, or goes on sending what nobody reads.
final class ConnectionHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    let connection = Connection()
    private let writeLimit: TimeAmount
    private var writing: Scheduled<Void>?
    /// Requests that have begun to come and are not answered.
    private var openCount = 0
    /// Whether a request has not come to its end.
    private var isReading = false
    private var isWriting = false
    private var isLast = false

    init(writeLimit: TimeAmount) { self.writeLimit = writeLimit }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            openCount += 1
            isReading = true
            isLast = isLast || head.headerFields[.connection]?.lowercased() == "close"
            if head.headerFields[.expect]?.lowercased() == "100-continue" {
                writeContinue(context)
            }
        case .body: break
        case .end: isReading = false
        }
        context.fireChannelRead(data)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // A client that sends nothing more may wait for its answer, or have gone. What is sent to one that has
        // gone comes back as an error, which closes the channel.
        if case ChannelEvent.inputClosed = event, openCount > 0, !isReading {
            writeContinue(context)
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        writing?.cancel()
        connection.close()
        context.fireChannelInactive()
    }

    private func writeContinue(_ context: ChannelHandlerContext) {
        guard !isWriting else { return }
        context.writeAndFlush(
            wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(var head):
            isWriting = true
            // The rest of a body that nobody has read is not waited for.
            isLast = isLast || isReading
            if isLast { head.headerFields[.connection] = "close" }
            isLast = head.headerFields[.connection] == "close"
            let channel = context.channel
            writing = context.eventLoop.scheduleTask(in: writeLimit) { channel.close(promise: nil) }
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .body:
            context.write(data, promise: promise)
        case .end:
            (isWriting, openCount) = (false, openCount - 1)
            let promise = promise ?? context.eventLoop.makePromise()
            let timer = writing
            let (channel, isLast) = (context.channel, isLast)
            promise.futureResult.whenComplete { _ in
                timer?.cancel()
                guard isLast else { return }
                channel.close(mode: .output, promise: nil)
                // The client may be sending still, and would lose the answer.
                channel.eventLoop.scheduleTask(in: .seconds(5)) { channel.close(promise: nil) }
            }
            context.write(data, promise: promise)
        }
    }
}

@available(*, unavailable)
extension ConnectionHandler: Sendable {}

/// What comes with every request.
struct ServingContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }

    /// nil when the client has gone: a channel that is closed has no handlers.
    private var connection: Connection? {
        get async {
            let channel = channel
            return try? await channel.eventLoop.submit {
                try channel.pipeline.syncOperations.handler(type: ConnectionHandler.self).connection
            }.get()
        }
    }

    /// Runs `work` until its time is up or its client has gone.
    ///
    /// - Throws: ``Refusal`` with 504; `CancellationError` when the client has gone.
    func limited<Result: Sendable>(
        to seconds: Double, _ work: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        guard let connection = await connection else { throw CancellationError() }
        let task = Task { try await work() }
        let lateness = Lateness()
        connection.onClose { task.cancel() }
        defer { connection.onClose(nil) }
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await Task.sleep(for: .seconds(seconds))
                lateness.isLate.store(true, ordering: .relaxed)
                task.cancel()
            }
            defer { group.cancelAll() }
            do {
                return try await withTaskCancellationHandler {
                    try await task.value
                } onCancel: {
                    task.cancel()
                }
            } catch {
                guard lateness.isLate.load(ordering: .relaxed) else { throw error }
                throw Refusal(
                    .gatewayTimeout, "no answer within \(seconds) seconds: it was given up")
            }
        }
    }
}

private final class Lateness: Sendable {
    let isLate = Atomic<Bool>(false)
}
