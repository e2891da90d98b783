import Foundation
package import Specs

/// Which processes a launcher starts on this machine, and what it tells them.
package struct LaunchPlan: Sendable {
    /// On this machine.
    package let processCount: Int
    package let worldSize: Int
    package let firstRank: Int
    private let masterAddress: String
    /// Nil: any free one, for all ranks are here.
    private let masterPort: Int?
    /// Nil: all ranks get it from the environment, as the other machines' ranks do.
    private let secret: String?

    /// - Parameters:
    ///   - processCount: on each machine; TAO's `NUM_GPU_PER_NODE` goes before.
    ///   - nodeCount: machines; TAO's `WORLD_SIZE`, which counts machines, goes before.
    ///   - environment: more than one machine needs `NODE_RANK`, `MASTER_ADDR`, `MASTER_PORT`.
    package init(
        processCount: Int, nodeCount: Int = 1, environment: [String: String]
    ) throws {
        func number(_ name: String, _ range: ClosedRange<Int>) throws -> Int? {
            guard let text = environment[name] else { return nil }
            guard let value = Int(text), range.contains(value) else {
                throw LabelingError.wrongUse(
                    "\(name) in the environment must be \(range.lowerBound) to "
                        + "\(range.upperBound), is \"\(text)\"")
            }
            return value
        }
        guard let node = try number("NODE_RANK", 0...65535) else {
            guard nodeCount == 1 else {
                throw LabelingError.wrongUse(
                    "\(nodeCount) machines: set NODE_RANK (from 0), MASTER_ADDR and MASTER_PORT in the "
                        + "environment and give the command on each of them, or use a launcher "
                        + "(docs/scale-out.md)")
            }
            self.processCount = processCount
            (worldSize, firstRank) = (processCount, 0)
            (masterAddress, masterPort, secret) = ("127.0.0.1", nil, RunSecret().text)
            return
        }
        let nodes = try number("WORLD_SIZE", 1...65536) ?? nodeCount
        let count = try number("NUM_GPU_PER_NODE", 1...1024) ?? processCount
        guard node < nodes else {
            throw LabelingError.wrongUse("NODE_RANK is \(node), but there are \(nodes) machines")
        }
        self.processCount = count
        worldSize = nodes * count
        firstRank = node * count
        guard nodes > 1 else {
            (masterAddress, masterPort, secret) = ("127.0.0.1", nil, RunSecret().text)
            return
        }
        guard let address = environment["MASTER_ADDR"],
            let port = try number("MASTER_PORT", 1...65535)
        else {
            throw LabelingError.wrongUse(
                "\(nodes) machines need MASTER_ADDR and MASTER_PORT in the environment: where rank 0 "
                    + "is to be found")
        }
        (masterAddress, masterPort, secret) = (address, port, nil)
        guard try RunSecret(environment) != nil else {
            throw LabelingError.wrongUse(RunSecret.missing)
        }
    }

    /// What the spec of a command asks for; nil where this process does the work itself: a rank
    /// already, or the only one.
    package init?(
        specPath: String?, overrides: [String], settings: [SpecSetting], command: Spec.Command,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws {
        guard environment["RANK"] == nil else { return nil }
        let spec = try Spec.read(
            path: specPath, overrides: overrides, settings: settings, command: command,
            environment: environment
        ).spec
        let gpus = spec.gpus(for: command)
        try self.init(
            processCount: gpus.deviceIDs.count == gpus.count ? gpus.count : gpus.deviceIDs.count,
            nodeCount: gpus.nodeCount, environment: environment)
        guard worldSize > 1 else { return nil }
    }

    /// A free port of this machine for rank 0, when nobody chose one.
    package func port() throws -> Int {
        if let masterPort { return masterPort }
        return try freePort()
    }

    /// What the process `localRank` of this machine is told.
    package func environment(
        localRank: Int, port: Int, inherited: [String: String]
    ) -> [String: String] {
        var environment = [
            "RANK": "\(firstRank + localRank)", "LOCAL_RANK": "\(localRank)",
            "WORLD_SIZE": "\(worldSize)", "MASTER_ADDR": masterAddress, "MASTER_PORT": "\(port)",
            RankEnvironment.launcherKey: "\(ProcessInfo.processInfo.processIdentifier)",
        ]
        if let secret { environment[RunSecret.key] = secret }
        // Each would take all cores.
        if inherited["OMP_NUM_THREADS"] == nil {
            let cores = ProcessInfo.processInfo.activeProcessorCount
            environment["OMP_NUM_THREADS"] = "\(max(1, cores / processCount))"
        }
        return environment
    }
}
