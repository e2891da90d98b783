import Files
import Foundation
import HTTPTypes
import Hummingbird
import Imaging
import MaskAutoLabeler
import Specs

/// Stands before all routes: who may ask, which methods there are, and what becomes of errors.
struct Gatekeeper: RouterMiddleware {
    typealias Context = ServingContext

    let token: String?
    /// The methods of each path; a path that ends in `*` stands for all below it.
    let methods: [String: [HTTPRequest.Method]]
    /// Paths that need no token: they tell whether the server lives, nothing else.
    let open: Set<String>
    let metrics: Metrics
    let onError: @Sendable (String) -> Void

    func handle(
        _ request: Request, context: ServingContext,
        next: (Request, ServingContext) async throws -> Response
    ) async throws -> Response {
        let start = ContinuousClock.now
        metrics.begin()
        let path = known(request.uri.path)
        var response: Response
        do {
            try check(request, path)
            response = try await next(request, context)
        } catch {
            response = self.response(to: error)
        }
        if response.headers[.cacheControl] == nil { response.headers[.cacheControl] = "no-store" }
        response.headers[values: .xContentTypeOptions] = ["nosniff"]
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        metrics.end(
            path: path ?? "other", status: Int(response.status.code), seconds: seconds)
        return response
    }

    private func known(_ path: String) -> String? {
        if methods[path] != nil { return path }
        return methods.keys.first { $0.hasSuffix("*") && path.hasPrefix($0.dropLast()) }
    }

    // MARK: Who may ask

    private func check(_ request: Request, _ path: String?) throws {
        try checkHost(request)
        guard let path, let allowed = methods[path] else {
            throw Refusal(.notFound, "\(printable(request.uri.path)): there is no such path")
        }
        if let token, !open.contains(path), !Self.brings(token, request) {
            throw Refusal(
                .unauthorized, "expected Authorization: Bearer TOKEN",
                fields: [HTTPField(name: .wwwAuthenticate, value: "Bearer")])
        }
        guard allowed.contains(request.method) else {
            let names = allowed.map(\.rawValue).joined(separator: ", ")
            throw Refusal(
                .methodNotAllowed, "\(path): expected \(names), found \(request.method.rawValue)",
                fields: [HTTPField(name: .allow, value: names)])
        }
    }

    /// A page of another site must not reach the server through a visitor's browser: neither by a name that it
    /// lets point here, nor by a request that needs no answer.
    private func checkHost(_ request: Request) throws {
        let authority = request.head.authority ?? ""
        if token == nil {
            var host = authority[...]
            if host.hasPrefix("["), let end = host.firstIndex(of: "]") {
                host = host[host.index(after: host.startIndex)..<end]
            } else if let colon = host.lastIndex(of: ":") {
                host = host[..<colon]
            }
            guard ListenAddress.isLoopback(String(host)) else {
                throw Refusal(
                    .misdirectedRequest,
                    "Host: expected this machine's own address, found \(authority.quoted)")
            }
        }
        if let origin = request.headers[.origin], origin != "http://" + authority,
            origin != "https://" + authority
        {
            throw Refusal(
                .forbidden,
                "Origin: requests of other sites' pages are not answered, found "
                    + origin.quoted)
        }
    }

    /// As a bearer, as Label Studio's and Django's `Token`, or as the password of Basic.
    private static func brings(_ token: String, _ request: Request) -> Bool {
        guard let field = request.headers[.authorization],
            let space = field.firstIndex(of: " ")
        else { return false }
        let value = String(field[field.index(after: space)...])
        switch field[..<space].lowercased() {
        case "bearer", "token": return isEqual(value, token)
        case "basic":
            guard let data = Data(base64Encoded: value) else { return false }
            let text = String(decoding: data, as: UTF8.self)
            return isEqual(
                text.firstIndex(of: ":").map { String(text[text.index(after: $0)...]) } ?? "", token
            )
        default: return false
        }
    }

    /// Takes as long wherever the first difference is.
    static func isEqual(_ given: String, _ token: String) -> Bool {
        let (given, token) = (Array(given.utf8), Array(token.utf8))
        var difference = given.count ^ token.count
        for place in token.indices {
            difference |= Int((place < given.count ? given[place] : 0) ^ token[place])
        }
        return difference == 0
    }

    // MARK: Errors

    private func response(to error: any Error) -> Response {
        let refusal = refusal(for: error)
        let body = JSONValue.object([
            "error": ["message": .text(refusal.message)]
        ])
        var response = Response.json(body, status: refusal.status)
        for field in refusal.fields { response.headers.append(field) }
        return response
    }

    private func refusal(for error: any Error) -> Refusal {
        switch error {
        case let error as Refusal: return error
        case let error as ImageError: return .wrong("\(error)")
        case is CancellationError:
            return Refusal(HTTPResponse.Status(code: 499), "the client has gone")
        case let error as HTTPError: return Refusal(error.status, error.body ?? "\(error.status)")
        case LabelingError.wrongUse(let message): return .wrong(message)
        case LabelingError.outOfMemory:
            return Refusal(.serviceUnavailable, "\(error)")
        default:
            onError("\(error)")
            return Refusal(.internalServerError, "the server failed; its log says why")
        }
    }
}

extension Response {
    static func json(_ body: JSONValue, status: HTTPResponse.Status = .ok) -> Response {
        text(body.json, type: "application/json", status: status)
    }

    static func text(
        _ text: String, type: String, status: HTTPResponse.Status = .ok
    ) -> Response {
        Response(
            status: status, headers: [.contentType: type],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    static func bytes(_ bytes: [UInt8], type: String) -> Response {
        Response(
            status: .ok, headers: [.contentType: type],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}
