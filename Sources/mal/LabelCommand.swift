import Annotations
import ArgumentParser
import Distributed
import Files
import Formats
import Foundation
import Inference
import MaskAutoLabeler
import Serving
import Specs

struct LabelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "label",
        abstract: "Gives every box its mask.",
        discussion: """
            The output holds every annotation of the input as it came, with `segmentation` \
            (compressed RLE) and `area` set. A box that can't be labelled keeps its record; the \
            reason is in OUT.unlabelled.jsonl. An interrupted run continues when the same command \
            is given again; images that changed in between are labelled anew, and named.

            `score` estimates each mask's IoU with the truth (`mask_score` where the input has a \
            `score` of its own). Islands, pin-holes and pixels outside the box are removed; \
            OUT.cleanup.jsonl holds what changed.

            Boxes come as COCO, LVIS, Objects365 or YouTube-VIS JSON, as a list of detections, a CSV \
            table, or as a folder or file of Pascal VOC, YOLO (data.yaml), KITTI or LabelMe. The \
            output is COCO JSON, for YouTube-VIS the same file with its `segmentations` filled.

            A finished output is not replaced: the same command says that it is done, another one \
            needs --overwrite (or --fresh, for what mal made).

            --out FORMAT:PATH writes another format (see `mal help convert`) once the masks are \
            complete; --out can be given several times. Without a COCO output the masks' own file \
            lies beside the first one, as PATH.masks.json.

              mal label photos --boxes boxes.json --out masks.json
              mal label yolo/images/val --boxes yolo/data.yaml --out masks.json
              mal label photos --boxes boxes.json --out masks.json --overlays look train.mask_thres=[0.5]
              mal label photos --boxes boxes.json --out masks.json --report look
              mal label photos --boxes boxes.json --out masks.json --adapt auto
              mal label photos --boxes boxes.json --out masks.json --out yolo-seg:dataset
            """)

    @Argument(help: "Folder of the images that the boxes file names.")
    var images: String

    @Option(help: "File or folder with the boxes (see `mal help validate` for formats).")
    var boxes: String

    @Option(
        help: "COCO JSON file to write, or FORMAT:PATH for another format; several are allowed.")
    var out: [String]

    @OptionGroup var input: InputFormatOptions

    @Option(
        help: ArgumentHelp(
            "Model file (.safetensors, .pth, .ckpt), or default or tiny, which come with mal.",
            discussion: "tiny is faster, default has better masks."))
    var checkpoint = "default"

    @Option(help: "Refuse images with more pixels than this.")
    var maxPixels: Int?

    @Flag(name: .customLong("apply-exif"), help: "Turn images as their EXIF orientation says.")
    var appliesEXIF = false

    @Flag(
        name: .customLong("scale-16bit"),
        help: "Map the range of 16-bit grey images; else values above 255 are white, as in TAO.")
    var scales16Bit = false

    @Flag(
        name: .customLong("review"),
        help: "Then correct the masks in the browser (see `mal help review`).")
    var reviews = false

    @OptionGroup var adaptation: AdaptationOptions
    @OptionGroup var run: RunOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var export: ExportOptions

    @Argument(
        help: "Spec keys to set, dotted: train.mask_thres=[0.5] train.test_margin_rate=[0.4,0.4].")
    var overrides: [String] = []

    func validate() throws {
        // What is no path is meant as the name of a model that comes with mal.
        if !checkpoint.contains(where: { "/.".contains($0) }),
            let fault = ModelFiles.fault(of: checkpoint)
        {
            throw ValidationError("--checkpoint \(fault)")
        }
        if reviews, output.shard != nil {
            throw ValidationError("--review goes with the whole output, not with --shard")
        }
    }

    @MainActor
    func run() async throws {
        let (primary, others) = try OutputTarget.split(out)
        guard !OutputFile.isStream(primary) else {
            throw ValidationError(
                "--out \(primary): give a file, its journal and its lists lie beside it; "
                    + "`mal convert FILE - --to coco` prints one")
        }
        guard output.shard == nil || adaptation.adapt == nil else {
            throw ValidationError(
                "--shard takes a finished model: run `mal adapt` first, then label with its model")
        }
        guard output.shard == nil || others.isEmpty else {
            throw ValidationError(
                "--shard writes a journal: give one COCO file as --out, and `mal convert` what "
                    + "`mal merge` makes of all parts")
        }
        let checkpoint = try await adaptedCheckpoint(besides: primary)
        var settings = run.settings("inference")
        settings += [
            SpecSetting("IMAGES", "inference.img_dir", .text(images)),
            SpecSetting("--boxes", "inference.ann_path", .text(boxes)),
            SpecSetting("--out", "inference.label_dump_path", .text(primary)),
            SpecSetting("--checkpoint", "inference.checkpoint", .text(checkpoint)),
            SpecSetting("--out", "results_dir", .text(".")),
            SpecSetting("--out", "inference.results_dir", .text(".")),
        ]
        settings += decodingSettings
        try await label(
            specPath: nil, overrides: overrides, settings: settings, run: run, output: output,
            input: input.options, targets: others,
            export: export.settings(overwrites: output.overwrite, input))
        guard reviews else { return }
        var options = ReviewOptions(masks: primary, images: images)
        options.model = MaskLabeler.Model(named: checkpoint)
        options.labeler.threads = run.threads
        options.appliesEXIF = appliesEXIF
        if let maxPixels { options.maxPixels = maxPixels }
        try await review(options, quiet: run.quiet)
    }

    private var decodingSettings: [SpecSetting] {
        var settings: [SpecSetting] = []
        if appliesEXIF {
            settings.append(SpecSetting("--apply-exif", "dataset.apply_exif", .flag(true)))
        }
        if scales16Bit {
            settings.append(SpecSetting("--scale-16bit", "dataset.scale_16bit", .flag(true)))
        }
        if let maxPixels {
            settings.append(SpecSetting("--max-pixels", "dataset.max_pixels", .integer(maxPixels)))
        }
        return settings
    }

    /// The model that --adapt makes of --checkpoint, or --checkpoint itself.
    @MainActor
    private func adaptedCheckpoint(besides output: String) async throws -> String {
        guard let amount = adaptation.adapt else { return checkpoint }
        // What labels in int8 learns as without it.
        let trained = ["device"] + (run.precision == "int8" ? [] : ["train.precision"])
        var options = ModelAdapter.Options()
        options.amount = amount
        options.checkpoint = checkpoint
        options.threads = run.threads
        options.settings =
            run.settings("train").filter { trained.contains($0.key) } + decodingSettings
        options.input = input.options
        ThisProcess.prepare(idleThreadsSleep: false)
        StopSignal.install()
        let found = try await adapt(
            images: images, boxes: boxes, workspace: output + ".adapt", options: options,
            output: adaptation.adaptedModel, overwrites: self.output.overwrite, quiet: run.quiet)
        // Labelling may start the program over, which then finds the adapted model and comes back here.
        ThisProcess.prepare(idleThreadsSleep: true)
        ConsoleProgress(quiet: run.quiet).handle(.note(found.text))
        return found.model
    }
}

struct InferenceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inference",
        abstract: "Labels boxes as a TAO spec says (also: auto-label).",
        discussion: """
            Reads inference.ann_path, inference.img_dir and inference.checkpoint, and writes \
            inference.label_dump_path and status.json in the results folder.
            """)

    @OptionGroup var spec: SpecOptions
    @OptionGroup var run: RunOptions
    @OptionGroup var output: OutputOptions

    @MainActor
    func run() async throws {
        try await label(spec, run, output)
    }
}

struct AutoLabelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "auto-label",
        abstract: "TAO data services' name for `inference` (auto_label too).",
        subcommands: [Generate.self],
        aliases: ["auto_label"])

    struct Generate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "generate",
            abstract:
                "Labels boxes as a TAO auto-label spec says (keys below `mal:` or at the top).")

        @OptionGroup var spec: SpecOptions
        @OptionGroup var run: RunOptions
        @OptionGroup var output: OutputOptions

        @MainActor
        func run() async throws {
            try await label(spec, run, output)
        }
    }
}

@MainActor
private func label(_ spec: SpecOptions, _ run: RunOptions, _ output: OutputOptions) async throws {
    try await label(
        specPath: spec.spec, overrides: spec.overrides,
        settings: spec.additions.settings("inference") + run.settings("inference"), run: run,
        output: output, export: output.exportSettings)
}

@MainActor
private func label(
    specPath: String?, overrides: [String], settings: [SpecSetting], run: RunOptions,
    output: OutputOptions, input: InputOptions = InputOptions(), targets: [OutputTarget] = [],
    export: ExportSettings = ExportSettings()
) async throws {
    let rank = try ThisProcess.rank()
    if output.shard == nil,
        let plan = try LaunchPlan(
            specPath: specPath, overrides: overrides, settings: settings + output.settings,
            command: .inference)
    {
        try await RankLauncher(plan: plan, arguments: Array(CommandLine.arguments.dropFirst()))
            .run()
        return
    }
    ThisProcess.prepare(idleThreadsSleep: true)
    let console = ConsoleProgress(quiet: run.quiet)
    StopSignal.install()
    var options = LabelJob.Options()
    options.threads = run.threads
    options.journalMode = output.journalMode
    options.isStrict = output.strict
    options.style = output.compat == .tao ? .tao : .lossless
    options.overlaysDirectory = output.overlays
    options.reportDirectory = output.report
    options.profiles = output.profile
    options.featuresPath = output.features
    options.exports = targets
    options.exportSettings = export
    options.input = input
    options.writesOutput = output.shard == nil
    options.rank = rank
    let job = try LabelJob(
        specPath: specPath, overrides: overrides, settings: settings + output.settings,
        options: options, onEvent: console.handle)
    do {
        if let shard = output.shard {
            let (journal, count) = try await job.run(
                shard, shouldStop: { StopSignal.isRequested })
            console.finish()
            try StandardStreams.show(
                "\(journal): \(count) boxes, part \(shard); `mal merge` puts all parts together")
            return
        }
        let found = try await job.runWithOthers(shouldStop: { StopSignal.isRequested })
        console.finish()
        guard let summary = found else { return }
        try StandardStreams.show(summary.text(outputPath: job.outputPath))
        if summary.labelledCount == 0, !summary.unlabelled.isEmpty {
            console.handle(.warning("no box could be labelled"))
            throw ExitCode(1)
        }
        if output.strict, !summary.unlabelled.isEmpty { throw ExitCode(1) }
    } catch let error as LabelingError {
        console.finish()
        if case .interrupted = error {
            if rank?.rank ?? 0 == 0 { console.handle(.warning("\(error)")) }
            throw ExitCode(130)
        }
        throw error
    }
}
