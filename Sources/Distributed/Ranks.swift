import Files
import Foundation
package import Specs
package import Torch

/// The processes of a run that does one work together, seen from one of them. All make the same calls
/// in the same order.
///
/// A call that fails because of another process throws `LabelingError.rankLost`, which names it.
package final class Ranks {
    private let meeting: RankMeeting
    private let group: ProcessGroup
    private var deviceGroup: DeviceGroup?
    /// Where large vectors have to be to cross: the CPU, unless devices are connected.
    package private(set) var vectorDevice = Device.cpu

    package var rank: Int { meeting.environment.rank }
    package var count: Int { meeting.environment.worldSize }
    /// Whether this process writes the run's files.
    package var isFirst: Bool { rank == 0 }

    /// A collective waits for the slowest, who may be writing a checkpoint: the watch, not this, finds
    /// out who hangs.
    private static let patience = Duration.seconds(24 * 3600)

    /// Meets the other processes.
    ///
    /// - Parameters:
    ///   - timeout: after which a process that gives no sign of life counts as lost.
    ///   - onLoss: called on another thread before this process is ended because another is lost.
    package init(
        _ environment: RankEnvironment, timeout: Duration,
        onLoss: @escaping @Sendable (String) -> Void = { _ in }
    ) throws {
        meeting = try RankMeeting(environment, timeout: timeout, .together(onLoss: onLoss))
        do {
            group = try ProcessGroup(
                meeting.store, prefix: meeting.keys.prefix + "group", rank: environment.rank,
                count: environment.worldSize, timeout: Self.patience)
        } catch TorchError.communication(let reason) {
            throw meeting.blamed(for: reason)
        }
    }

    // MARK: Collectives

    /// The sums over all processes; exact where all but one have 0.
    package func sums(_ values: [Double]) throws -> [Double] {
        let tensor = Tensor([values.count], .float64) { memory in
            values.withUnsafeBytes { memory.copyMemory(from: $0) }
        }
        try attempt { try group.sum(tensor) }
        return tensor.withBytes { Array($0.bindMemory(to: Double.self)) }
    }

    /// Whether it is so for any process.
    package func any(_ isSo: Bool) throws -> Bool { try sums([isSo ? 1 : 0])[0] > 0 }

    /// Lets large vectors cross from one process's GPU to the other's by NCCL, not over the hosts' memory.
    ///
    /// - Returns: on every process why not, when one of them cannot.
    package func connect(_ device: Device) throws -> String? {
        let host = ProcessInfo.processInfo.hostName
        let places = try gather(device == .cpu ? "" : "\(host) \(device)")
        guard !places.contains(""), Set(places).count == count else {
            return "not every process has a GPU of its own"
        }
        var reason: String?
        func attempted<Result>(_ body: () throws -> Result) -> Result? {
            do { return try body() } catch {
                reason = "\(error)"
                return nil
            }
        }
        let id = try fromFirst(isFirst ? attempted(DeviceGroup.makeID) ?? [] : [])
        let made =
            id.isEmpty
            ? nil
            : attempted { try DeviceGroup(id: id, rank: rank, count: count, device: device) }
        let reasons = try gather(made == nil ? reason ?? "rank 0 cannot make a group" : "")
        if let reason = reasons.first(where: { !$0.isEmpty }) {
            return printable(reason, limit: 400)
        }
        deviceGroup = made
        vectorDevice = device
        return nil
    }

    /// - Parameter tensor: on the CPU or on ``vectorDevice``.
    package func startSum(_ tensor: Tensor) throws -> PendingCollective {
        try attempt {
            guard let deviceGroup, tensor.device != .cpu else { return try group.startSum(tensor) }
            return try deviceGroup.startSum(tensor)
        }
    }

    package func finish(_ pending: PendingCollective) throws { try attempt(pending.wait) }

    /// - Parameter tensor: on the CPU or on ``vectorDevice``.
    package func broadcast(_ tensor: Tensor, from root: Int) throws {
        try attempt {
            guard let deviceGroup, tensor.device != .cpu else {
                return try group.broadcast(tensor, from: root)
            }
            try deviceGroup.broadcast(tensor, from: root)
        }
    }

    /// What each process gives, in the order of ranks.
    package func gather(_ bytes: [UInt8]) throws -> [[UInt8]] {
        var counts = [Double](repeating: 0, count: count)
        counts[rank] = Double(bytes.count)
        return try sums(counts).enumerated().map { root, count in
            guard let size = Int(exactly: count), (0...Self.largestMessage).contains(size) else {
                throw refused("a message of \(count) bytes", from: root)
            }
            guard size > 0 else { return [] }
            let tensor =
                root == rank ? Tensor(bytes: bytes, [size]) : Tensor.zeros([size], .uint8)
            try broadcast(tensor, from: root)
            return tensor.bytes()
        }
    }

    /// The same for what can be written as JSON.
    package func gather<Value: Codable>(_ value: Value) throws -> [Value] {
        try gather(Array(JSONEncoder().encode(value))).enumerated().map {
            try decoded($0, $1)
        }
    }

    /// What rank 0 gives.
    package func fromFirst<Value: Codable>(_ value: Value) throws -> Value {
        let all = try gather(isFirst ? Array(JSONEncoder().encode(value)) : [])
        return try decoded(0, all[0])
    }

    private func decoded<Value: Codable>(_ root: Int, _ bytes: [UInt8]) throws -> Value {
        do {
            return try JSONDecoder().decode(Value.self, from: Data(bytes))
        } catch {
            throw refused("\(bytes.count) bytes that are no \(Value.self)", from: root)
        }
    }

    /// The sums of two counts.
    package func sums(_ first: Int, _ second: Int) throws -> (Int, Int) {
        let found = try sums([Double(first), Double(second)])
        let range = 0...Self.largestMessage
        let counts = found.compactMap { Int(exactly: $0) }.filter(range.contains)
        guard counts.count == 2 else { throw refused("counts that are \(found) together") }
        return (counts[0], counts[1])
    }

    /// For what cannot be: Gloo does not ask who sends it.
    package func refused(_ what: String, from root: Int? = nil) -> LabelingError {
        let place = root.map { "rank \($0)" } ?? "another rank"
        return .rankLost("rank \(rank) got \(printable(what)) from \(place)")
    }

    /// Bytes; more than anything that a run sends in words.
    private static let largestMessage = 1 << 31

    // MARK: Ends

    private func attempt<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch TorchError.communication(let reason) {
            throw meeting.blamed(for: reason)
        }
    }

    /// Tells the others why this process ends.
    package func fail(_ error: any Error) { meeting.fail(error) }

    /// The end of a run that went well.
    package func finish() throws {
        _ = try sums([0])
        try meeting.finish()
    }
}
