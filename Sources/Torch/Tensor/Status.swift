import CTorch

/// The one place where a status of the shim becomes a trap or an error.
///
/// A failing operator is our mistake and traps with its name and libtorch's message. Memory and devices
/// are the exception: inside ``withRecoverableMemory(_:)`` the shim reports no failure but gives
/// placeholders, and the closure's end throws.
@inline(__always)
func check(_ status: ct_status, _ what: @autoclosure () -> String) {
    if status != CT_OK, !ct_recovery_lose(status, nil) { trap(what()) }
}

/// Notes that there was no memory for `what`, which libtorch knows nothing of: the
/// ``withRecoverableMemory(_:)`` around it throws. Traps outside of one.
package func loseMemory(for what: String) {
    let reason = "no memory for \(what)"
    if !ct_recovery_lose(CT_OUT_OF_MEMORY, reason) { trap("memory", reason: reason) }
}

/// Ends the process with what failed and why, which is libtorch's reason unless it is given.
package func trap(_ what: String, reason: String? = nil) -> Never {
    fatalError("\(what): \(reason ?? String(cString: ct_last_error()))")
}

/// Ends the process because an operator is missing, or with it all of libtorch.
func trapUnresolved(_ name: String) -> Never {
    if ct_start() != CT_OK { trap("libtorch") }
    trap("operator \(name)", reason: "this libtorch does not have it")
}

/// Runs `body`, in which a failed allocation of tensor memory ends in
/// ``TorchError/outOfMemory(_:)`` instead of a trap, and a failed device in
/// ``TorchError/deviceFailed(_:)``.
///
/// After the failure `body` runs on to its end: its operators then give tensors of the right shape
/// without memory, cost next to nothing, and read out as zeros. So whatever `body` computed or wrote
/// in place is to be discarded when this throws. Calls may nest. The mode belongs to the calling
/// thread, so `body` is synchronous.
package func withRecoverableMemory<Result>(_ body: () throws -> Result) throws -> Result {
    let previous = ct_recovery_begin()
    let result: Swift.Result<Result, any Error>
    do { result = .success(try body()) } catch { result = .failure(error) }
    let message = String(cString: ct_recovery_message())
    switch ct_recovery_end(previous) {
    case CT_OUT_OF_MEMORY: throw TorchError.outOfMemory(message)
    case CT_DEVICE_FAILED:
        // What follows is advice to programmers.
        throw TorchError.deviceFailed(String(message.prefix { $0 != "\n" }))
    default: return try result.get()
    }
}

/// Whether memory was lost inside the ``withRecoverableMemory(_:)`` this thread is in. What is
/// computed now must not be kept.
package var isMemoryLost: Bool { ct_recovery_lost() }

/// Whether a message of libtorch, cuDNN, cuBLAS or CUDA's driver says that memory ran out.
package func meansOutOfMemory(_ message: String) -> Bool { ct_means_out_of_memory(message) }

/// The library underneath.
package enum Libtorch {
    /// Checks that the libtorch found at run time fits this program.
    ///
    /// Called by a program at its start for a clear message; any first use of a tensor checks too, and
    /// traps.
    package static func start() throws(TorchError) {
        if ct_start() != CT_OK {
            throw TorchError.unusableLibrary(String(cString: ct_last_error()))
        }
    }

    /// The version that was found, such as `2.13.0`.
    package static var version: String { String(cString: ct_version()) }

    /// The instructions that operators use on this processor, such as `AVX512`; `ATEN_CPU_CAPABILITY`
    /// changes them. Sums depend on them.
    package static var instructionSet: String { String(cString: ct_cpu_capability()) }

    /// Whether this processor multiplies half precision in tiles (Intel's AMX).
    package static var hasMatrixTiles: Bool { ct_has_matrix_tiles() }

    /// Whether float32 products and convolutions on CUDA devices may round their factors to TF32 (10 bits of
    /// fraction), for the whole process.
    package static func allowTF32(_ value: Bool) { ct_allow_tf32(value) }

    /// Of the calling task; 0 where nobody has said.
    @TaskLocal static var threads: Int32 = 0

    /// How many threads one operator of the calling task may use: what ``withThreads(_:isolation:_:)`` was
    /// told, else libtorch's choice (`OMP_NUM_THREADS`, or one a core).
    package static var threadCount: Int { threads > 0 ? Int(threads) : Int(ct_thread_count()) }

    /// Runs `body` with operators that may use `count` threads each, whatever other tasks use. Child tasks do as
    /// their parent does, detached ones as if nothing was said.
    ///
    /// - Parameter count: 1 or more; nil changes nothing.
    package static func withThreads<Result>(
        _ count: Int?, isolation: isolated (any Actor)? = #isolation,
        _ body: () async throws -> Result
    ) async rethrows -> Result {
        try await $threads.withValue(value(count), operation: body, isolation: isolation)
    }

    /// The same without waiting.
    package static func withThreads<Result>(
        _ count: Int?, _ body: () throws -> Result
    ) rethrows -> Result {
        try $threads.withValue(value(count), operation: body)
    }

    private static func value(_ count: Int?) -> Int32 {
        guard let count else { return threads }
        precondition(count >= 1, "a count of threads must be 1 or more, is \(count)")
        return Int32(clamping: count)
    }
}
