import CTorch

/// A connection to the key-value store that the processes of a run share (c10d's TCPStore).
///
/// One thread at a time uses a connection, for a call that waits holds it. Not `Sendable`: another
/// thread opens its own.
public final class SharedStore {
    let handle: ct_store

    /// Connects, for at most `timeout`; with `isServer` this process keeps the store and serves it on
    /// all its addresses.
    ///
    /// - Parameter port: 0 lets a server choose; see ``port``.
    public init(
        host: String, port: Int, isServer: Bool = false, timeout: Duration
    ) throws(TorchError) {
        var made: ct_store?
        try communicate(
            ct_store_open(
                host, Int32(clamping: port), isServer, timeout.wholeMilliseconds, &made))
        guard let made else { trap("a store") }
        handle = made
    }

    deinit { ct_store_close(handle) }

    /// The port that the store is served on.
    public var port: Int { Int(ct_store_port(handle)) }

    public func set(_ key: String, _ value: [UInt8]) throws(TorchError) {
        try communicate(ct_store_set(handle, key, value, Int64(value.count)))
    }

    /// The value of `key`, which somebody sets within `timeout`.
    public func value(_ key: String, timeout: Duration) throws(TorchError) -> [UInt8] {
        var bytes: UnsafeRawPointer?
        var count: Int64 = 0
        try communicate(ct_store_get(handle, key, timeout.wholeMilliseconds, &bytes, &count))
        defer { ct_free(bytes) }
        return Array(UnsafeRawBufferPointer(start: bytes, count: Int(count)))
    }

    /// Whether somebody has set `key`.
    public func contains(_ key: String) throws(TorchError) -> Bool {
        var result = false
        try communicate(ct_store_has(handle, key, &result))
        return result
    }

    /// Adds to a number that begins at 0, and gives the sum. No two processes get the same one.
    @discardableResult
    public func add(_ key: String, _ amount: Int) throws(TorchError) -> Int {
        var result: Int64 = 0
        try communicate(ct_store_add(handle, key, Int64(amount), &result))
        return Int(result)
    }
}

/// Throws what a call between processes reports: the other side is not ours to trap on.
func communicate(_ status: ct_status) throws(TorchError) {
    if status != CT_OK { throw .communication(String(cString: ct_last_error())) }
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
    /// Checks that several processes can work together with the libtorch that was found: the classes
    /// for it are tied to the version this program was built for.
    public static func checkDistributed() throws(TorchError) {
        if ct_distributed_check() != CT_OK {
            throw .unusableLibrary(String(cString: ct_last_error()))
        }
    }
}
