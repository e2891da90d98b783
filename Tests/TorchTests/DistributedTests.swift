import Distributed
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
            host: "127.0.0.1", port: 0, role: .serves(locally: true), timeout: Self.timeout)
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
            host: "127.0.0.1", port: 0, role: .serves(locally: true), timeout: Self.timeout
        ).port
        let error = #expect(throws: TorchError.self) {
            try SharedStore(host: "127.0.0.1", port: port, timeout: .milliseconds(300))
        }
        #expect("\(try #require(error))".contains("\(port)"))
    }

    @Test("HMAC-SHA-256 is that of RFC 4231, cases 1, 2 and 6")
    func hmac() {
        func hex(_ bytes: [UInt8]) -> String {
            bytes.map { String(Int($0) + 256, radix: 16).dropFirst() }.joined()
        }
        #expect(
            hex(Libtorch.hmac(Array("Hi There".utf8), secret: [UInt8](repeating: 0x0b, count: 20)))
                == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
        #expect(
            hex(
                Libtorch.hmac(
                    Array("what do ya want for nothing?".utf8), secret: Array("Jefe".utf8)))
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        let long = "Test Using Larger Than Block-Size Key - Hash Key First"
        #expect(
            hex(Libtorch.hmac(Array(long.utf8), secret: [UInt8](repeating: 0xaa, count: 131)))
                == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
    }

    @Test("Another run's store, a port in use and another program's are told within 3 s")
    func strangers() throws {
        let secret = [UInt8](repeating: 1, count: 16)
        let server = try SharedStore(
            host: "127.0.0.1", port: 0, role: .serves(locally: true), secret: secret,
            timeout: Self.timeout)
        let start = ContinuousClock.now
        func error(_ port: Int, _ role: SharedStore.Role, _ secret: [UInt8]) -> TorchError? {
            #expect(throws: TorchError.self) {
                try SharedStore(
                    host: "127.0.0.1", port: port, role: role, secret: secret, timeout: Self.timeout
                )
            }
        }
        guard case .stranger(let other)? = error(server.port, .joins, [2]),
            case .stranger(let taken)? = error(server.port, .serves(locally: true), secret)
        else {
            Issue.record("not told")
            return
        }
        #expect(other.contains("belongs to another run"))
        #expect(taken.contains("port \(server.port) of 127.0.0.1 is in use"))
        let silent = try RawPeer.listening()
        guard case .notYet(let text)? = error(silent.port, .joins, secret) else {
            Issue.record("not told")
            return
        }
        #expect(text.contains("127.0.0.1:\(silent.port) is taken, but no store answers"))
        #expect(ContinuousClock.now - start < .seconds(8))
    }

    @Test("What a stranger writes into the store is refused, values and numbers; the rest stays")
    func forgeries() throws {
        let secret = [UInt8](repeating: 7, count: 16)
        let server = try SharedStore(
            host: "127.0.0.1", port: 0, role: .serves(locally: true), secret: secret,
            timeout: Self.timeout)
        try server.set("a", [1])
        try server.add("n", 3)
        let stranger = try RawPeer.connected(to: server.port)
        // Where he knows the name, which he could read off the wire.
        stranger.set("a", secret: secret, Array("forged".utf8))
        stranger.set("n", secret: secret, Array("4000000".utf8))
        // Under the plain names nobody looks.
        stranger.set(raw: "/b", [9])
        stranger.send([UInt8](repeating: 255, count: 3000))
        Thread.sleep(forTimeInterval: 0.2)
        for attempt in 0..<2 {
            let error = #expect(throws: TorchError.self) {
                if attempt == 0 {
                    _ = try server.value("a", timeout: Self.timeout)
                } else {
                    try server.add("n", 1)
                }
            }
            #expect("\(try #require(error))".contains("a stranger wrote into the run's store"))
        }
        #expect(try !server.contains("b"))
        try server.set("a", [2])
        #expect(try server.value("a", timeout: Self.timeout) == [2])
        // The sign of the run too.
        try RawPeer.connected(to: server.port).set(raw: "/mal", [0])
        Thread.sleep(forTimeInterval: 0.2)
        #expect(throws: TorchError.self) {
            try SharedStore(
                host: "127.0.0.1", port: server.port, secret: secret, timeout: Self.timeout)
        }
    }

    @Test("Many who count at once get each their own number")
    func counting() throws {
        let results = Results<[Int]>()
        let server = try SharedStore(
            host: "127.0.0.1", port: 0, role: .serves(locally: true), timeout: Self.timeout)
        let port = server.port
        let done = DispatchSemaphore(value: 0)
        for place in 0..<4 {
            Thread.detachNewThread {
                results.record(place) {
                    let store = try SharedStore(
                        host: "127.0.0.1", port: port, timeout: Self.timeout)
                    return try (0..<100).map { _ in try store.add("n", 1) }
                }
                done.signal()
            }
        }
        for _ in 0..<4 { done.wait() }
        #expect(try results.inOrder().flatMap { $0 }.sorted() == Array(1...400))
    }

    @Test("A store of one machine is at its loopback address alone")
    func loopback() throws {
        let server = try SharedStore(
            host: "127.0.0.1", port: 0, role: .serves(locally: true), timeout: Self.timeout)
        #expect(throws: RawPeer.Unreachable.self) {
            try RawPeer.connected(to: server.port, at: "127.0.0.2")
        }
    }

    /// Runs `body` as each of `count` ranks; what each gives, in order.
    func ranks<Value: Sendable>(
        _ count: Int, _ body: @escaping @Sendable (ProcessGroup) throws -> Value
    ) throws -> [Value] {
        let server = try SharedStore(
            host: "127.0.0.1", port: 0, role: .serves(locally: true), timeout: Self.timeout)
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
