public import MaskAutoLabeler

import Foundation

/// What `mal serve` may be told.
public struct ServerOptions: Sendable {
    public var listen = "127.0.0.1:8080"
    public var model = MaskLabeler.Model.default
    public var labeler = MaskLabeler.Options()
    /// Folders whose images a request may name.
    public var imageFolders: [String] = []
    /// Hosts, as `HOST` or `HOST:PORT`, of which a request may name images by an `http` URL.
    public var allowedHosts: [String] = []
    /// File whose first line is the token that every request must bring.
    public var tokenFile: String?
    /// The most requests that wait; one more is refused with 429.
    public var maxQueue = 64
    /// The most bytes of a request's body.
    public var maxBodyBytes = 64 << 20
    /// The most bytes that the bodies, image files and answers of all requests take together, if that is more than
    /// ``maxBodyBytes``.
    public var maxHeldBytes = 512 << 20
    /// The most pixels of an image, and of all images that are decoded at the same time.
    public var maxPixels = 100_000_000
    /// The most boxes of a request.
    public var maxBoxes = 1_000
    /// Seconds after which a request is given up.
    public var timeout = 60.0
    /// The most connections at the same time.
    public var maxConnections = 256

    public init() {}

    /// - Throws: ``ServingError/wrongOption(_:)``.
    func check() throws(ServingError) {
        func check(_ name: String, _ value: Int, _ range: ClosedRange<Int>) throws(ServingError) {
            guard range.contains(value) else {
                throw .wrongOption(
                    "--\(name) must be \(range.lowerBound) to \(range.upperBound), is \(value)")
            }
        }
        try check("max-queue", maxQueue, 0...100_000)
        try check("max-body", maxBodyBytes, 1_024...4 << 30)
        try check("max-pixels", maxPixels, 1...4_000_000_000)
        try check("max-held", maxHeldBytes, 1_024...1 << 40)
        // A label picture has no higher numbers.
        try check("max-boxes", maxBoxes, 1...65_535)
        try check("max-connections", maxConnections, 1...65_536)
        guard timeout >= 0.1, timeout <= 86_400 else {
            throw .wrongOption("--timeout must be 0.1 to 86400 seconds, is \(timeout)")
        }
    }

    /// The token of ``tokenFile``; nil without one.
    func token() throws -> String? {
        guard let tokenFile else { return nil }
        let bytes = try SafeFile.read(tokenFile, limit: 4096)
        let token =
            String(decoding: bytes, as: UTF8.self).split(
                separator: "\n", omittingEmptySubsequences: false
            ).first.map { $0.trimmingCharacters(in: .whitespaces) } ?? ""
        guard token.utf8.count >= 16, token.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw ServingError.wrongOption(
                "\(tokenFile): expected a token of at least 16 printable ASCII characters, found "
                    + "\(token.utf8.count) bytes")
        }
        return token
    }
}

/// Where a server listens.
struct ListenAddress: Equatable {
    let host: String
    let port: Int

    /// `host:port`, `[::1]:port`.
    init(_ text: String) throws(ServingError) {
        guard let colon = text.lastIndex(of: ":"),
            let port = Int(text[text.index(after: colon)...]),
            (0...65_535).contains(port)
        else {
            throw .wrongOption(
                "--listen must be HOST:PORT with a port of 0 to 65535, is \(text.debugDescription)")
        }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard !host.isEmpty else {
            throw .wrongOption("--listen must be HOST:PORT, is \(text.debugDescription)")
        }
        // The name is not asked for: what it stands for may change.
        self.host = host == "localhost" ? "127.0.0.1" : host
        self.port = port
    }

    func url(port: Int) -> String { "http://\(host.contains(":") ? "[\(host)]" : host):\(port)" }

    var isLoopback: Bool { Self.isLoopback(host) }

    /// Whether a name in a request's Host field is this machine's own.
    static func isLoopback(_ host: String) -> Bool {
        if host == "localhost" || host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil } && parts[0] == "127"
    }
}
