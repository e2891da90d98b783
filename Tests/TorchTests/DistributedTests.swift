import Foundation
import Synchronization
import TestSupport
import Testing
import Torch

/// Several ranks in one process, a thread each: c10d does not mind.
@Suite("Several processes")
struct DistributedTests {
    static let timeout = Duration.seconds(20)

    @Test("A store keeps values and counts, and a key that nobody sets is an error in time")
    func store() throws {
        let server = try SharedStore(
            host: "127.0.0.1", port: 0, isServer: true, timeout: Self.timeout)
        let client = try SharedStore(
            host: "127.0.0.1", port: server.port, timeout: Self.timeout)
        #expect(try !client.contains("a"))
        try server.set("a", [1, 2, 255, 0])
        // A store answers no `set`, so another connection may be ahead of it; this one waits.
        #expect(try client.value("a", timeout: Self.timeout) == [1, 2, 255, 0])
        #expect(try client.contains("a"))
        try client.set("empty", [])
        #expect(try server.value("empty", timeout: Self.timeout) == [])
        #expect(try client.add("n", 5) == 5)
        #expect(try server.add("n", -7) == -2)
        let start = ContinuousClock.now
        #expect(throws: TorchError.self) {
            try client.value("never", timeout: .milliseconds(200))
        }
        #expect(ContinuousClock.now - start < .seconds(10))
        // The connection still works after that.
        #expect(try client.add("n", 3) == 1)
    }

    @Test("A group of devices is for CUDA alone")
    func devicesOfCPU() {
        let id = [UInt8](repeating: 0, count: 128)
        let error = #expect(throws: TorchError.self) {
            try DeviceGroup(id: id, rank: 0, count: 1, device: .cpu)
        }
        #expect("\(error as Any)".contains("NCCL is for CUDA devices"))
    }

    @Test("One GPU's sum is its own", .enabled(if: Device.cudaIsAvailable))
    func devices() throws {
        let group = try DeviceGroup(
            id: DeviceGroup.makeID(), rank: 0, count: 1, device: .cuda(0))
        let vector = Tensor([1, 2, 3], [3], device: .cuda(0)).add(1)
        try group.startSum(vector).wait()
        try group.broadcast(vector, from: 0)
        #expect(vector.add(1).floats() == [3, 4, 5])
    }

    @Test("Nobody at the address is an error that names it")
    func nobody() throws {
        let port = try SharedStore(
            host: "127.0.0.1", port: 0, isServer: true, timeout: Self.timeout
        ).port
        let error = #expect(throws: TorchError.self) {
            try SharedStore(host: "127.0.0.1", port: port, timeout: .milliseconds(300))
        }
        #expect("\(try #require(error))".contains("\(port)"))
    }

    /// Runs `body` as each of `count` ranks; what each gives, in order.
    func ranks<Value: Sendable>(
        _ count: Int, _ body: @escaping @Sendable (ProcessGroup) throws -> Value
    ) throws -> [Value] {
        let server = try SharedStore(
            host: "127.0.0.1", port: 0, isServer: true, timeout: Self.timeout)
        let port = server.port
        let results = Results<Value>()
        let done = DispatchSemaphore(value: 0)
        for rank in 0..<count {
            Thread.detachNewThread {
                results.record(rank) {
                    let store = try SharedStore(
                        host: "127.0.0.1", port: port, timeout: Self.timeout)
                    let group = try ProcessGroup(
                        store, rank: rank, count: count, timeout: Self.timeout)
                    return try body(group)
                }
                done.signal()
            }
        }
        for _ in 0..<count { done.wait() }
        return try results.inOrder()
    }

    final class Results<Value: Sendable>: Sendable {
        private let found = Mutex<[Int: Result<Value, any Error>]>([:])

        func record(_ rank: Int, _ body: () throws -> Value) {
            let result = Result { try body() }
            found.withLock { $0[rank] = result }
        }

        func inOrder() throws -> [Value] {
            try found.withLock { $0 }.sorted { $0.key < $1.key }.map { try $0.value.get() }
        }
    }

    @Test("Sums and broadcasts give every rank the same", arguments: 1...4)
    func collectives(count: Int) throws {
        let found = try ranks(count) { group in
            let value = Float(group.rank + 1)
            let sum = Tensor([value, 10 * value, -value], [3])
            try group.sum(sum)
            let half = Tensor([value], [1]).to(.bfloat16)
            try group.sum(half)
            let exact = Tensor([group.rank == 0 ? 0.1 : 0], [1]).to(.float64)
            try group.sum(exact)
            let last = Tensor(bytes: [UInt8(group.rank), 7], [2])
            try group.broadcast(last, from: group.count - 1)
            return (sum.floats(), half.floats(), exact.floats(), last.bytes())
        }
        let total = Float(count * (count + 1) / 2)
        for (sum, half, exact, last) in found {
            #expect(sum == [total, 10 * total, -total])
            #expect(half == [total])
            #expect(exact == [0.1])
            #expect(last == [UInt8(count - 1), 7])
        }
    }

    @Test("Tensors cross in flat vectors and come back in their shapes")
    func buckets() throws {
        let tensors = [
            Tensor([1, 2, 3, 4, 5, 6], [2, 3]), Tensor([7], []), Tensor([8, 9], [2]),
            Tensor([Float](repeating: 1, count: 40), [40]),
        ]
        #expect(FlatBuckets(tensors, byteLimit: 36).ranges == [0..<3, 3..<4])
        #expect(FlatBuckets(tensors, byteLimit: 1 << 20).ranges == [0..<4])
        #expect(FlatBuckets([]).ranges.isEmpty)
        let vector = FlatBuckets.packed(tensors[..<3], as: .float32)
        #expect(vector.floats() == [1, 2, 3, 4, 5, 6, 7, 8, 9])
        let views = FlatBuckets.views(
            of: vector, shapes: tensors[..<3].map(\.shape), device: .cpu)
        #expect(views.map(\.shape) == [[2, 3], [], [2]])
        #expect(views[2].floats() == [8, 9])
        // One tensor alone is copied too: a sum in place must not reach it.
        let single = FlatBuckets.packed([tensors[2]], as: .float32)
        single.copy(from: Tensor([0, 0], [2]))
        #expect(tensors[2].floats() == [8, 9])
    }

    @Test(
        "An optimizer with a part of the parameters leaves the others, and keeps no state of them")
    func shard() {
        let parameters = (0..<3).map { ("p\($0)", Tensor([Float($0 + 1)], [1])) }
        let optimizer = AdamW(parameters, learningRate: 0.1)
        for (_, tensor) in parameters {
            tensor.requiresGradient = true
            tensor.gradient = Tensor([1], [1])
        }
        optimizer.ownPlaces = [1]
        optimizer.step()
        #expect(parameters[0].1.floats() == [1] && parameters[2].1.floats() == [3])
        #expect(parameters[1].1.floats() != [2])
        #expect(optimizer.exportState().map(\.name) == ["p1.exp_avg", "p1.exp_avg_sq", "p1.step"])
        #expect(optimizer.state(at: 0, makesFresh: false).isEmpty)
        optimizer.dropState(at: 1)
        #expect(optimizer.exportState().isEmpty)
    }
}
