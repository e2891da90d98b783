import CDistributed
package import Torch

/// A connection to the key-value store that the processes of a run share (c10d's TCPStore).
///
/// What is kept there is sealed with the run's secret (HMAC-SHA-256 over names and values): what a stranger
/// wrote is an error of whoever reads it, never a value.
///
/// One thread at a time uses a connection, for a call that waits holds it. Not `Sendable`: another
/// thread opens its own.
package final class SharedStore {
    let handle: ct_store

    package enum Role: Sendable {
        case joins
        /// This process keeps the store. With `locally` only this machine reaches it.
        case serves(locally: Bool)
        /// A launcher keeps the store, and this process says whose it is.
        case signs
    }

    /// Connects.
    ///
    /// - Parameters:
    ///   - port: 0 lets a server choose; see ``port``.
    ///   - secret: of the run, 16 bytes or more; none keeps nobody out.
    ///   - timeout: of connecting. A store that is not there, or not the run's, is told within 3 s.
    /// - Throws: `TorchError.stranger` where the port is taken or the store another run's, `.notYet` where
    ///   something else answers, `.communication` where nothing does.
    package init(
        host: String, port: Int, role: Role = .joins, secret: [UInt8] = [], timeout: Duration
    ) throws(TorchError) {
        var made: ct_store?
        var isLocal = false
        let wanted: ct_store_role
        switch role {
        case .joins: wanted = CT_STORE_JOIN
        case .serves(let locally): (wanted, isLocal) = (CT_STORE_SERVE, locally)
        case .signs: wanted = CT_STORE_SIGN
        }
        try communicate(
            ct_store_open(
                host, Int32(clamping: port), wanted, isLocal, secret, Int64(secret.count),
                timeout.wholeMilliseconds, &made))
        guard let made else { trap("a store") }
        handle = made
    }

    deinit { ct_store_close(handle) }

    /// The port that the store is served on.
    package var port: Int { Int(ct_store_port(handle)) }

    package func set(_ key: String, _ value: [UInt8]) throws(TorchError) {
        try communicate(ct_store_set(handle, key, value, Int64(value.count)))
    }

    /// The value of `key`, which somebody sets within `timeout`.
    package func value(_ key: String, timeout: Duration) throws(TorchError) -> [UInt8] {
        var bytes: UnsafeRawPointer?
        var count: Int64 = 0
        try communicate(ct_store_get(handle, key, timeout.wholeMilliseconds, &bytes, &count))
        defer { ct_free(bytes) }
        return Array(UnsafeRawBufferPointer(start: bytes, count: Int(count)))
    }

    /// Whether somebody has set `key`.
    package func contains(_ key: String) throws(TorchError) -> Bool {
        var result = false
        try communicate(ct_store_has(handle, key, &result))
        return result
    }

    /// Adds to a number that begins at 0, and gives the sum. No two processes get the same one.
    @discardableResult
    package func add(_ key: String, _ amount: Int) throws(TorchError) -> Int {
        var result: Int64 = 0
        try communicate(ct_store_add(handle, key, Int64(amount), &result))
        return Int(result)
    }
}

/// Throws what a call between processes reports: the other side is not ours to trap on.
func communicate(_ status: ct_status) throws(TorchError) {
    guard status != CT_OK else { return }
    let message = String(cString: ct_last_error())
    switch status {
    case CT_STRANGER: throw .stranger(message)
    case CT_NOT_YET: throw .notYet(message)
    default: throw .communication(message)
    }
}

extension Duration {
    fileprivate var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }

    /// For the shim, which wants at least a millisecond.
    var wholeMilliseconds: Int64 { max(1, milliseconds) }
}

extension Libtorch {
    /// HMAC-SHA-256 of `bytes`.
    package static func hmac(_ bytes: [UInt8], secret: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        ct_hmac(secret, Int64(secret.count), bytes, Int64(bytes.count), &digest)
        return digest
    }

    /// Checks that several processes can work together with the libtorch that was found: the classes
    /// for it are tied to the version this program was built for.
    package static func checkDistributed() throws(TorchError) {
        if ct_distributed_check() != CT_OK {
            throw .unusableLibrary(String(cString: ct_last_error()))
        }
    }
}
