import Distributed
import Specs
import Testing

@Suite("Who a process is among those of a run")
struct RankEnvironmentTests {
    static let secret = "00112233445566778899aabbccddeeff"
    static let torchrun = [
        "RANK": "3", "LOCAL_RANK": "1", "WORLD_SIZE": "4", "MASTER_ADDR": "node0",
        "MASTER_PORT": "29500", "TORCHELASTIC_USE_AGENT_STORE": "True",
        "TORCHELASTIC_RESTART_COUNT": "2", "MAL_RUN_SECRET": secret,
    ]

    @Test("torchrun's environment, a pod's, and none")
    func reads() throws {
        let rank = try #require(try RankEnvironment(Self.torchrun))
        #expect(rank.rank == 3 && rank.localRank == 1 && rank.worldSize == 4)
        #expect(rank.masterAddress == "node0" && rank.masterPort == 29500)
        #expect(rank.launcherKeepsStore && rank.attempt == "2" && rank.launcher == nil)
        let pod = try #require(
            try RankEnvironment([
                "RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "m", "MASTER_PORT": "23456",
                "MAL_RUN_SECRET": Self.secret + "\n",
            ]))
        #expect(pod.localRank == 0 && !pod.launcherKeepsStore)
        #expect(try RankEnvironment(["MASTER_ADDR": "m", "WORLD_SIZE": "2"]) == nil)
        // One alone needs nobody's address.
        #expect(try RankEnvironment(["RANK": "0", "WORLD_SIZE": "1"])?.worldSize == 1)
    }

    @Test(
        "What cannot be is said with the variable and what was expected",
        arguments: [
            ("WORLD_SIZE", nil, "WORLD_SIZE is not"), ("WORLD_SIZE", "0", "1 to 65536"),
            ("RANK", "4", "must be 0 to 3, is \"4\""), ("RANK", "-1", "must be 0 to 3"),
            ("MASTER_ADDR", nil, "MASTER_ADDR is not set"),
            ("MASTER_PORT", "seven", "MASTER_PORT in the environment must be 1 to 65535"),
            ("RANK", nil, "LOCAL_RANK is set"),
        ] as [(String, String?, String)])
    func refuses(name: String, value: String?, message: String) throws {
        var environment = Self.torchrun
        environment[name] = value
        let error = #expect(throws: LabelingError.self) { try RankEnvironment(environment) }
        #expect("\(try #require(error))".contains(message))
    }

    @Test("A launcher tells every process who it is")
    func plan() throws {
        let plan = try LaunchPlan(processCount: 2, environment: [:])
        #expect(plan.worldSize == 2 && plan.firstRank == 0)
        let told = plan.environment(localRank: 1, port: 4321, inherited: [:])
        let rank = try #require(try RankEnvironment(told))
        #expect(rank.rank == 1 && rank.worldSize == 2 && rank.masterPort == 4321)
        #expect(rank.launcher != nil && rank.isOnOneMachine)
        // 128 random bits, the same for all ranks of a run, others for the next.
        let text = try #require(told["MAL_RUN_SECRET"])
        #expect(text.count == 32 && text.allSatisfy { $0.isHexDigit })
        #expect(plan.environment(localRank: 0, port: 1, inherited: [:])["MAL_RUN_SECRET"] == text)
        let next = try LaunchPlan(processCount: 2, environment: [:])
        #expect(next.environment(localRank: 0, port: 1, inherited: [:])["MAL_RUN_SECRET"] != text)
        #expect(told["OMP_NUM_THREADS"] != nil)
        let own = plan.environment(
            localRank: 0, port: 1, inherited: ["OMP_NUM_THREADS": "7"])
        #expect(own["OMP_NUM_THREADS"] == nil)
        #expect((1...65535).contains(try plan.port()))
    }

    @Test("TAO's environment of several machines")
    func tao() throws {
        let environment = [
            "NODE_RANK": "1", "NUM_GPU_PER_NODE": "4", "WORLD_SIZE": "2", "MASTER_ADDR": "n0",
            "MASTER_PORT": "29500", "MAL_RUN_SECRET": Self.secret,
        ]
        let plan = try LaunchPlan(processCount: 1, environment: environment)
        #expect(plan.processCount == 4 && plan.worldSize == 8 && plan.firstRank == 4)
        #expect(try plan.port() == 29500)
        let told = plan.environment(
            localRank: 3, port: try plan.port(), inherited: [:])
        // Each machine has a launcher of its own.
        #expect(told["MAL_RUN_SECRET"] == nil)
        #expect(told["RANK"] == "7" && told["MASTER_ADDR"] == "n0" && told["LOCAL_RANK"] == "3")
        #expect(throws: LabelingError.self) {
            try LaunchPlan(processCount: 1, nodeCount: 2, environment: [:])
        }
        #expect(throws: LabelingError.self) {
            try LaunchPlan(processCount: 1, environment: ["NODE_RANK": "2", "WORLD_SIZE": "2"])
        }
    }

    @Test(
        "Several machines need a secret, in the environment or a file; a bad one is not shown"
    )
    func secrets() throws {
        let folder = try TemporaryFolder()
        var environment = Self.torchrun
        environment["MAL_RUN_SECRET"] = nil
        func error() throws -> String {
            "\(try #require(#expect(throws: LabelingError.self) { try RankEnvironment(environment) }))"
        }
        #expect(try error().contains("set MAL_RUN_SECRET"))
        environment["MAL_RUN_SECRET_FILE"] = folder.path + "/none"
        #expect(try error().contains("none (MAL_RUN_SECRET_FILE): cannot be read"))
        environment["MAL_RUN_SECRET_FILE"] = try folder.file("secret", Self.secret + "\n")
        #expect(try RankEnvironment(environment)?.isOnOneMachine == false)
        for bad in [
            "", "00112233", Self.secret + "0", String(Self.secret.dropLast()) + "g", "/dev/zero",
        ] {
            environment[bad.hasPrefix("/") ? "MAL_RUN_SECRET_FILE" : "MAL_RUN_SECRET"] = bad
            if bad.hasPrefix("/") { environment["MAL_RUN_SECRET"] = nil }
            let text = try error()
            #expect(text.contains("32 hexadecimal digits"))
            #expect(bad.count < 8 || bad.hasPrefix("/") || !text.contains(bad))
        }
        environment["MAL_RUN_SECRET_FILE"] = nil
        // Nobody else is in it, or so torchrun says.
        environment["LOCAL_WORLD_SIZE"] = "4"
        #expect(try RankEnvironment(environment)?.masterAddress == "node0")
        environment["TORCHELASTIC_USE_AGENT_STORE"] = nil
        #expect(try RankEnvironment(environment)?.masterAddress == "127.0.0.1")
        var tao = [
            "NODE_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "n0", "MASTER_PORT": "29500",
        ]
        #expect(throws: LabelingError.self) { try LaunchPlan(processCount: 1, environment: tao) }
        tao["MAL_RUN_SECRET"] = Self.secret
        #expect(try LaunchPlan(processCount: 1, environment: tao).worldSize == 2)
    }

    @Test("A spec's num_gpus asks for processes, unless this is one of them already")
    func spec() throws {
        func plan(_ overrides: [String], _ environment: [String: String] = [:]) throws
            -> LaunchPlan?
        {
            try LaunchPlan(
                specPath: nil, overrides: overrides, settings: [], command: .train,
                environment: environment)
        }
        #expect(try plan([]) == nil)
        #expect(try plan(["train.num_gpus=3"])?.worldSize == 3)
        #expect(try plan(["train.num_gpus=2", "train.gpu_ids=[5,6]"])?.processCount == 2)
        #expect(try plan(["train.num_gpus=3"], Self.torchrun) == nil)
    }
}
