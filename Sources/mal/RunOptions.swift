import ArgumentParser
import Inference
import MaskAutoLabeler
import Specs

/// Options that the network's commands share. Each one stands for a spec key.
struct RunOptions: ParsableArguments {
    @Option(help: "Where to compute: auto (a GPU if there is one), cpu, cuda or cuda:N.")
    var device: String?

    @Option(
        help: ArgumentHelp(
            "Arithmetic: fp32, bf16, fp16 or auto (fp32 on a CPU, bf16 on a GPU; docs/spec.md).",
            discussion: "Labelling and evaluating on a CPU: int8 too, faster and less exact."))
    var precision: String?

    @Option(help: "Number of boxes that go through the network together.")
    var batchSize: Int?

    @Option(help: "Side of the square crop in pixels, a multiple of the model's patch size.")
    var cropSize: Int?

    @Option(help: "Number of CPU threads (default: one a core).")
    var threads: Int?

    @Flag(name: .shortAndLong, help: "Show only warnings and errors.")
    var quiet = false

    /// - Parameter section: the command's section of the spec.
    func settings(_ section: String) -> [SpecSetting] {
        var settings: [SpecSetting] = []
        if let device { settings.append(SpecSetting("--device", "device", .text(device))) }
        if let precision {
            settings.append(SpecSetting("--precision", section + ".precision", .text(precision)))
        }
        if let batchSize {
            settings.append(
                SpecSetting("--batch-size", section + ".batch_size", .integer(batchSize)))
        }
        if let cropSize {
            settings.append(SpecSetting("--crop-size", "dataset.crop_size", .integer(cropSize)))
        }
        return settings
    }

    func validate() throws { try checkThreads(threads) }
}

func checkThreads(_ count: Int?) throws {
    if let count, !(1...4096).contains(count) {
        throw ValidationError("--threads must be 1 to 4096, is \(count)")
    }
}

/// For `--max-pixels` of commands without a spec, whose range the spec's key has.
func checkMaxPixels(_ count: Int) throws {
    guard (1...4_000_000_000).contains(count) else {
        throw ValidationError("--max-pixels must be 1 to 4000000000, is \(count)")
    }
}

/// A spec file, which must be given, and what goes on top of it.
struct SpecOptions: ParsableArguments {
    static let names: NameSpecification = [
        .customShort("e"), .customLong("experiment-spec"), .customLong("experiment_spec_file"),
    ]

    @Option(name: Self.names, help: "Spec file (YAML), TAO's own unchanged; `mal spec` prints one.")
    var spec: String

    @OptionGroup var additions: SpecAdditions

    var overrides: [String] { additions.overrides }
}

/// What goes on top of a spec file.
struct SpecAdditions: ParsableArguments {
    @Option(
        name: [.customShort("r"), .customLong("results-dir"), .customLong("results_dir")],
        help: "Results folder; the command writes into a subfolder of its name.")
    var resultsDir: String?

    @Option(help: "Number of GPUs, with a process each (as train.num_gpus of the spec).")
    var gpus: Int?

    @Option(
        name: [.customShort("k"), .customLong("key")],
        help: "Key of TAO's encrypted models; taken, but mal encrypts nothing.")
    var key: String?

    @Argument(help: "Spec keys to set on top of the file, dotted: dataset.crop_size=224.")
    var overrides: [String] = []

    /// - Parameter section: the command's section of the spec.
    func settings(_ section: String) -> [SpecSetting] {
        var settings: [SpecSetting] = []
        if let resultsDir {
            settings.append(SpecSetting("--results-dir", "results_dir", .text(resultsDir)))
        }
        if let gpus {
            settings.append(SpecSetting("--gpus", section + ".num_gpus", .integer(gpus)))
        }
        // Nothing uses it, and it belongs into no file.
        if key != nil { settings.append(SpecSetting("-k", "encryption_key", .text(""))) }
        return settings
    }
}

/// Smaller crops for small boxes.
struct AdaptiveCropOption: ParsableArguments {
    @Flag(
        name: .customLong("adaptive-crop"),
        help: "Take smaller crops of small boxes: faster, less exact (docs/performance.md).")
    var isOn = false

    var settings: [SpecSetting] {
        isOn ? [SpecSetting("--adaptive-crop", "dataset.adaptive_crop", .flag(true))] : []
    }
}

/// How a labelling run treats what is there already, and what it writes.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Continue an interrupted run; fail when there is none.")
    var resume = false

    @Flag(help: "Start over: drop what an interrupted or finished run of mal made.")
    var fresh = false

    @Flag(help: "Replace outputs that are there, also those of other commands and programs.")
    var overwrite = false

    @Option(
        help: "Style of the output: tao writes exactly what TAO writes, without all boxes and keys."
    )
    var compat: Compatibility?

    @Option(help: "Folder for pictures of the images with their masks drawn.")
    var overlays: String?

    @Option(help: "Folder for web pages that show the masks, worst first (see `mal help report`).")
    var report: String?

    @Flag(
        name: .customLong("no-cleanup"),
        help: "Leave islands, pin-holes and pixels outside the box in the masks.")
    var leavesMasks = false

    @Flag(
        name: .customLong("no-score"), help: "Leave the masks' confidence out of the output.")
    var leavesScores = false

    @Option(help: ArgumentHelp("File for the features of each mask's score.", visibility: .hidden))
    var features: String?

    @OptionGroup var adaptiveCrop: AdaptiveCropOption

    @Flag(help: "Print at the end where the time went.")
    var profile = false

    @Flag(
        help: """
            Fail (exit code 1) when a box could not be labelled, or when another version, thread \
            count or instruction set began the run.
            """)
    var strict = false

    @Option(
        help: """
            Part to label, as I/N: the I-th of N parts, into a journal beside the output. `mal \
            merge` makes one output of all parts.
            """,
        transform: { text in
            guard let shard = LabelShard(text) else {
                throw ValidationError("must be I/N with I from 1 to N, is \"\(text)\"")
            }
            return shard
        })
    var shard: LabelShard?

    enum Compatibility: String, ExpressibleByArgument { case tao }

    var exportSettings: ExportSettings {
        var settings = ExportSettings()
        settings.overwrites = overwrite
        return settings
    }

    var journalMode: JournalMode { resume ? .resume : fresh ? .fresh : .automatic }

    var settings: [SpecSetting] {
        var settings = adaptiveCrop.settings
        if leavesMasks {
            settings.append(SpecSetting("--no-cleanup", "inference.cleanup", .flag(false)))
        }
        if leavesScores {
            settings.append(SpecSetting("--no-score", "inference.score", .flag(false)))
        }
        return settings
    }

    func validate() throws {
        if shard != nil, overlays != nil || report != nil {
            throw ValidationError(
                "--overlays and --report go to mal merge and mal report, not to --shard")
        }
        if resume, fresh { throw ValidationError("--resume and --fresh exclude each other") }
    }
}
