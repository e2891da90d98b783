import Files
import Glibc
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import MaskAutoLabeler
import NIOCore
import ServiceLifecycle
public import Specs
import UnixSignals

/// `mal serve`: masks over HTTP, for programs and labelling tools (docs/serve.md).
public final class MaskServer: Sendable {
    private let options: ServerOptions
    private let address: ListenAddress
    private let token: String?
    private let service: MaskService
    private let metrics = Metrics()
    private let bodies: RequestBodies
    private let onEvent: RunEventHandler
    private let start = ContinuousClock.now

    /// Checks the options and loads the model.
    ///
    /// - Throws: ``ServingError``, `FileError`, and what `MaskLabeler` throws.
    public init(_ options: ServerOptions, onEvent: @escaping RunEventHandler = { _ in })
        async throws
    {
        try options.check()
        self.options = options
        self.onEvent = onEvent
        address = try ListenAddress(options.listen)
        token = try options.token()
        guard token != nil || address.isLoopback else {
            throw ServingError.wrongOption(
                "--listen \(options.listen) is open to other machines: give --token-file too")
        }
        bodies = RequestBodies(limit: options.maxBodyBytes, heldLimit: options.maxHeldBytes)
        let labeler = try await MaskLabeler(
            model: options.model, options: options.labeler, onEvent: onEvent)
        service = try MaskService(options, labeler: labeler, metrics: metrics)
    }

    /// Serves until the task is cancelled or the process gets SIGTERM or Ctrl-C; what has come by then is answered.
    ///
    /// - Parameter onListening: called with the server's address once it listens.
    /// - Throws: ``ServingError/cannotListen(address:reason:)``.
    public func run(onListening: @escaping @Sendable (_ url: String) -> Void) async throws {
        try await HTTPRunner(
            address: address, maxConnections: options.maxConnections, timeout: options.timeout
        ).run(router: router, onListening: onListening)
    }

    // MARK: Routes

    private var router: Router<ServingContext> {
        let router = Router(context: ServingContext.self)
        router.add(
            middleware: Gatekeeper(
                token: token,
                methods: [
                    "/": [.get], "/health": [.get], "/ready": [.get], "/metrics": [.get],
                    "/openapi.json": [.get], "/v1/masks": [.post], "/setup": [.post],
                    "/predict": [.post], "/webhook": [.post], "/versions": [.get],
                    "/cvat": [.post],
                ], open: ["/", "/health", "/ready"], metrics: metrics,
                onError: { [onEvent] in onEvent(.warning($0)) }))
        for path in ["/", "/health"] {
            router.get(.init(path)) { _, _ in Response.json(["status": "UP"]) }
        }
        // The model is loaded before the server listens.
        router.get("/ready") { _, _ in Response.json(["status": "ready"]) }
        router.get("/metrics") { [self] _, _ in
            Response.text(
                metrics.text(
                    waiting: await service.queue.waitingCount,
                    uptime: (ContinuousClock.now - start) / .seconds(1)),
                type: "text/plain; version=0.0.4")
        }
        router.get("/openapi.json") { _, _ in
            Response.bytes(PackageResources.openapi_json, type: "application/json")
        }
        router.post("/v1/masks") { [self] request, context in
            try await limited(context) { [self] in try await masks(request, $0) }
        }
        addTools(to: router)
        return router
    }

    private func addTools(to router: Router<ServingContext>) {
        let version = JSONValue.text(LabelStudioBackend.version)
        // Label Studio tells what it knows and what its users do; nothing is learnt from it.
        for (path, answer) in [
            ("/setup", ["model_version": version]), ("/webhook", [:] as JSONValue),
        ] {
            router.post(.init(path)) { [self] request, context in
                try await limited(context) { [self] in
                    _ = try await bodies.bytes(of: request, $0)
                    return .json(answer)
                }
            }
        }
        router.get("/versions") { _, _ in Response.json(["versions": [version]]) }
        let studio = LabelStudioBackend(
            service: service, maxBoxes: options.maxBoxes, onEvent: onEvent)
        router.post("/predict") { [self] request, context in
            try await limited(context) { [self] in
                let json = try await JSONValue(json: bodies.bytes(of: request, $0), $0)
                let text = try await studio.predict(json, $0)
                return .large(ByteBuffer(string: text), type: "application/json", $0)
            }
        }
        let cvat = CVATInteractor(service: service)
        router.post("/cvat") { [self] request, context in
            try await limited(context) { [self] in
                let json = try await JSONValue(json: bodies.bytes(of: request, $0), $0)
                let bytes = try await cvat.mask(json, $0)
                return .large(ByteBuffer(bytes: bytes), type: "application/json", $0)
            }
        }
    }

    /// Runs `work` as long as a request may take, and counts what it holds until its answer is written.
    private func limited(
        _ context: ServingContext,
        _ work: @escaping @Sendable (MemoryBudget.Hold) async throws -> Response
    ) async throws -> Response {
        let hold = bodies.memory.makeHold()
        return try await context.limited(to: options.timeout) { try await work(hold) }
    }

    private func masks(_ request: Request, _ hold: MemoryBudget.Hold) async throws -> Response {
        let wantsPicture = try Self.wantsPicture(request.headers[.accept])
        let parsed = try await MaskRequest(
            body: bodies.bytes(of: request, hold),
            contentType: request.headers[.contentType] ?? "", maxBoxes: options.maxBoxes, hold)
        return try await service.masks(in: parsed.image, hold) { _ in
            parsed.items.map(\.box)
        } answer: { answer in
            if wantsPicture {
                let picture = try answer.labelPicture(hold)
                return .large(ByteBuffer(bytes: picture), type: "image/png", hold)
            }
            let text = try answer.json(parsed.items, tolerance: parsed.polygonTolerance, hold)
            return .large(ByteBuffer(string: text), type: "application/json", hold)
        }
    }

    /// JSON unless a picture is asked for before it.
    private static func wantsPicture(_ accept: String?) throws -> Bool {
        let types = (accept ?? "*/*").split(separator: ",").map {
            $0.prefix { $0 != ";" }.filter { $0 != " " }.lowercased()
        }
        for type in types {
            switch type {
            case "image/png", "image/*": return true
            case "application/json", "application/*", "*/*": return false
            default: continue
            }
        }
        throw Refusal(
            .notAcceptable,
            "Accept: expected application/json or image/png, found \((accept ?? "").quoted)")
    }
}

/// Runs a router on a socket.
struct HTTPRunner {
    let address: ListenAddress
    let maxConnections: Int
    let timeout: Double

    /// Seconds that a connection may be silent while the server waits for a request or its next part.
    private static let idleLimit = 20.0

    func run(
        router: Router<ServingContext>, onListening: @escaping @Sendable (_ url: String) -> Void
    ) async throws {
        let quiet = Logger(label: "mal") { _ in SwiftLogNoOpLogHandler() }
        let app = Application(
            router: router,
            server: .http1(
                configuration: .init(
                    additionalChannelHandlers: [
                        ConnectionHandler(writeLimit: .milliseconds(Int64(timeout * 2000)))
                    ], idleTimeout: .milliseconds(Int64(min(timeout, Self.idleLimit) * 1000)))),
            configuration: ApplicationConfiguration(
                address: .hostname(address.host, port: address.port), serverName: "mal",
                backlog: 1024,
                availableConnectionsDelegate: MaximumAvailableConnections(maxConnections)),
            onServerRunning: { channel in
                onListening(address.url(port: channel.localAddress?.port ?? address.port))
            }, logger: quiet)
        var configuration = ServiceGroupConfiguration(
            services: [app], gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet)
        configuration.maximumGracefulShutdownDuration = Duration.seconds(timeout + 5)
        do {
            try await ServiceGroup(configuration: configuration).run()
        } catch let error as IOError {
            throw ServingError.cannotListen(
                address: "\(address.host):\(address.port)",
                reason: String(cString: strerror(error.errnoCode)))
        } catch is CancellationError {
            return
        } catch let error as SocketAddressError {
            throw ServingError.cannotListen(
                address: "\(address.host):\(address.port)", reason: "\(error)")
        }
    }
}
