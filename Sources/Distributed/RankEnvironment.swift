public import Specs

/// What a process of a run tells its program, on another thread than the run's.
public enum RankEvent: Sendable {
    /// It has not met the others yet, and why.
    case waits(String)
    /// Another process is lost, and this one waits for it in a call that nothing ends from within. A program
    /// ends its process here; where it does not, the call goes on waiting, for a day at most.
    case lost(LabelingError)
}

/// Who this process is among those of its run, as torchrun, `mal launch`, PyTorchJob or an sbatch file
/// say it in the environment.
public struct RankEnvironment: Sendable {
    /// From 0, over all machines.
    public let rank: Int
    /// From 0, on this machine.
    public let localRank: Int
    public let worldSize: Int
    public let masterAddress: String
    public let masterPort: Int
    /// Whether the launcher keeps the store (torchrun's agent does), not rank 0.
    public let launcherKeepsStore: Bool
    /// How often the launcher has started the ranks over; apart in the store.
    public let attempt: String

    /// Whether no other machine takes part: nothing outside this one needs to reach the store.
    public let isOnOneMachine: Bool

    /// What the processes of the run know and strangers do not; empty: anybody on this machine may take part.
    let secret: [UInt8]

    /// The process that started this one and ends with it; nil for other launchers, who see to it.
    public let launcher: Int32?

    /// The variable in which `mal launch` says its process id.
    static let launcherKey = "MAL_LAUNCHER_PID"

    /// What a process ends with that lost another while it waited for it; for its launcher.
    public static let lossExitCode: Int32 = 75

    /// Whether another process tells the run's story.
    package var isQuiet: Bool { rank > 0 }

    package let onEvent: @Sendable (RankEvent) -> Void

    /// Nil when the environment does not tell: the process is alone.
    ///
    /// - Throws: `LabelingError.wrongUse` for an environment that cannot be.
    public init?(
        _ environment: [String: String],
        onEvent: @escaping @Sendable (RankEvent) -> Void = { _ in }
    ) throws {
        self.onEvent = onEvent
        guard environment["RANK"] != nil else {
            guard environment["LOCAL_RANK"] == nil else {
                throw LabelingError.wrongUse(
                    "LOCAL_RANK is set in the environment, but RANK is not; set both, as "
                        + "docs/scale-out.md shows, or neither")
            }
            return nil
        }
        func number(_ name: String, in range: ClosedRange<Int>) throws -> Int {
            guard let text = environment[name] else {
                throw LabelingError.wrongUse(
                    "RANK is set in the environment, but \(name) is not; docs/scale-out.md shows what "
                        + "a rank needs")
            }
            guard let value = Int(text), range.contains(value) else {
                throw LabelingError.wrongUse(
                    "\(name) in the environment must be \(range.lowerBound) to "
                        + "\(range.upperBound), is \"\(text)\"")
            }
            return value
        }
        worldSize = try number("WORLD_SIZE", in: 1...65536)
        rank = try number("RANK", in: 0...worldSize - 1)
        // A pod of a PyTorchJob has one process, and says no local rank.
        localRank =
            environment["LOCAL_RANK"] == nil ? 0 : try number("LOCAL_RANK", in: 0...worldSize - 1)
        launcher = environment[Self.launcherKey].flatMap(Int32.init)
        attempt = environment["TORCHELASTIC_RESTART_COUNT"] ?? "0"
        launcherKeepsStore = environment["TORCHELASTIC_USE_AGENT_STORE"] == "True"
        guard worldSize > 1 else {
            (masterAddress, masterPort, isOnOneMachine, secret) = ("", 0, true, [])
            return
        }
        guard let address = environment["MASTER_ADDR"], !address.isEmpty else {
            throw LabelingError.wrongUse(
                "WORLD_SIZE is \(worldSize), but MASTER_ADDR is not set: the name or address of "
                    + "the machine of rank 0")
        }
        masterPort = try number("MASTER_PORT", in: 1...65535)
        let isLoopback = ["localhost", "::1"].contains(address) || address.hasPrefix("127.")
        // torchrun and others say how many processes are here.
        isOnOneMachine = isLoopback || environment["LOCAL_WORLD_SIZE"] == "\(worldSize)"
        // Rank 0 serves the store there, whatever the machine's name stands for.
        masterAddress = isOnOneMachine && !isLoopback && !launcherKeepsStore ? "127.0.0.1" : address
        secret = try RunSecret(environment)?.bytes ?? []
        guard isOnOneMachine || !secret.isEmpty else {
            throw LabelingError.wrongUse(RunSecret.missing)
        }
    }
}
