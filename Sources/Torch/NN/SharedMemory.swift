import CTorch
import Dispatch

/// Memory that threads use in different places.
struct Shared<Pointer>: @unchecked Sendable {
    let start: Pointer

    init(_ start: Pointer) { self.start = start }
}

/// Calls `body` for equal parts of `places`, on as many threads as an operator may use.
func inParallel(_ places: Range<Int64>, _ body: @Sendable (Range<Int64>) -> Void) {
    inParallel(places) { _, part in body(part) }
}

/// The same with `scratch` numbers of memory for each thread; `body` is not called if there is no memory.
func inParallel(
    _ places: Range<Int64>, scratch: Int64,
    _ body: @Sendable (Range<Int64>, UnsafeMutablePointer<Float>) -> Void
) {
    let memory = Tensor.empty([min(Libtorch.threadCount, places.count), Int(scratch)])
    guard let start = memory.start(of: Float.self) else { return }
    inParallel(places) { thread, part in body(part, start.start + Int(thread * scratch)) }
    withExtendedLifetime(memory) {}
}

private func inParallel(
    _ places: Range<Int64>, _ body: @Sendable (_ thread: Int64, Range<Int64>) -> Void
) {
    let threads = Int64(min(Libtorch.threadCount, places.count))
    DispatchQueue.concurrentPerform(iterations: Int(threads)) { thread in
        let (thread, count) = (Int64(thread), Int64(places.count))
        let (start, end) = (count * thread / threads, count * (thread + 1) / threads)
        body(thread, places.lowerBound + start..<places.lowerBound + end)
    }
}

/// The elements of tensors in host memory; nil for placeholders of ``withRecoverableMemory(_:)``.
func withFloats<Result>(
    _ tensor: Tensor, _ body: (UnsafePointer<Float>?) throws -> Result
) rethrows -> Result {
    try tensor.withBytes { bytes in
        try body(
            bytes.count == tensor.count * 4 ? bytes.bindMemory(to: Float.self).baseAddress : nil)
    }
}

func withFloats<Result>(
    _ first: Tensor?, _ second: Tensor?,
    _ body: (UnsafePointer<Float>?, UnsafePointer<Float>?) throws -> Result
) rethrows -> Result {
    func withSecond(_ first: UnsafePointer<Float>?) throws -> Result {
        guard let second else { return try body(first, nil) }
        return try withFloats(second) { try body(first, $0) }
    }
    guard let first else { return try withSecond(nil) }
    return try withFloats(first, withSecond)
}

extension Tensor {
    /// The first element of a contiguous tensor, valid while the tensor is; nil for a placeholder.
    func start<Element>(of type: Element.Type) -> Shared<UnsafeMutablePointer<Element>>? {
        ct_data(handle).map { Shared($0.assumingMemoryBound(to: type)) }
    }
}
