import ArgumentParser
import CProgram
import MaskModel
import Torch

/// As mal starts it; for a command's first line.
func startLibtorch() throws {
    program_let_gpu_memory_grow()
    program_let_idle_threads_sleep(CommandLine.unsafeArgv)
    program_tune_malloc()
    try Libtorch.start()
}

/// The network and the batch of a measurement, as `pytorch_baseline.py` names them.
struct NetworkOptions: ParsableArguments {
    enum Arch: String, ExpressibleByArgument, CaseIterable {
        case tiny, small, base, large
        case fanTinyHybrid = "fan_tiny_8_p4_hybrid"
        case fanSmallHybrid = "fan_small_12_p4_hybrid"
        case fanSmall = "fan_small_12_p16_224"

        func configuration() throws -> BackboneConfiguration {
            switch self {
            case .tiny: .tiny()
            case .small: .small()
            case .base: .base()
            case .large: .large()
            case .fanTinyHybrid, .fanSmallHybrid, .fanSmall: try .init(arch: rawValue)
            }
        }
    }

    enum Arithmetic: String, ExpressibleByArgument, CaseIterable {
        case none, fp16, bf16

        var dtype: DType {
            switch self {
            case .none: .float32
            case .fp16: .float16
            case .bf16: .bfloat16
            }
        }
    }

    @Option(help: "Size of the vision transformer, patch 16, or a FAN.")
    var arch = Arch.base

    @Option(help: "Side of the square crop in pixels.")
    var crop = 512

    @Option(help: "Crops a step.")
    var batch = 4

    @Option(help: "cpu or cuda.")
    var device = "cpu"

    @Option(help: "What autocast computes in.")
    var amp = Arithmetic.none

    @Option(help: "CPU threads (default: libtorch's choice).")
    var threads: Int?

    func validate() throws {
        for (name, value) in [("--batch", batch), ("--threads", threads ?? 1)] where value < 1 {
            throw ValidationError("\(name) must be 1 or more, is \(value)")
        }
        guard ["cpu", "cuda"].contains(device) else {
            throw ValidationError("--device must be cpu or cuda, is \(device)")
        }
        try configuration.validate(cropSize: crop)
    }

    var configuration: MaskNetworkConfiguration {
        get throws { .init(backbone: try arch.configuration()) }
    }

    /// Starts libtorch, then runs `body` where the networks are to lie.
    func run(_ body: (Device) throws -> Void) throws {
        try startLibtorch()
        try Libtorch.withThreads(threads) { try body(device == "cuda" ? .cuda(0) : .cpu) }
    }

    /// The JSON line.
    func report(_ what: String, secondsPerStep seconds: Double) throws {
        print(
            try Measurement(
                what: what, arch: arch.rawValue, crop: crop, batch: batch, device: device,
                amp: amp.rawValue, torch: Libtorch.version, threads: Libtorch.threadCount,
                secondsPerStep: seconds, boxesPerSecond: seconds > 0 ? Double(batch) / seconds : 0,
                peakMemoryMib: peakMemoryMib()
            ).line)
    }
}
