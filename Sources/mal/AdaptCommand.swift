import ArgumentParser
import Foundation
import MaskAutoLabeler
import Specs
import Training

struct AdaptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "adapt",
        abstract: "Teaches a model on the boxes that it is to label.",
        discussion: """
            A short training run on these boxes, which need no masks. A tenth of the boxes is held \
            out: on them the model before and after is compared. OUT is the adapted model, or the one \
            before where the adapted one is worse. OUT.adapt holds the run: the same command goes on with it, or is done at once. \
            `mal label --adapt` does the same before it labels (docs/adapt.md).

              mal adapt --images photos --boxes boxes.json --out mine.safetensors
              mal label photos --boxes boxes.json --out masks.json --checkpoint mine.safetensors
            """)

    @Option(help: "Folder of the images that the boxes file names.")
    var images: String

    @Option(help: "File or folder with the boxes (see `mal help validate` for formats).")
    var boxes: String

    @Option(help: "Model file to write; its name ends in .safetensors.")
    var out: String

    @Option(help: "Model to begin with: a file, or default or tiny, which come with mal.")
    var checkpoint = "default"

    @Option(help: "Steps of training, of 8 boxes each. Default: by the number of boxes.")
    var steps: Int?

    @Option(help: "Time to train instead: 90s, 10m, 2h.", transform: AdaptationOptions.amount)
    var time: AdaptationAmount?

    @Flag(help: "Replace a file that is there.")
    var overwrite = false

    @Option(
        help: ArgumentHelp(
            "Only compare the model with this one, on the boxes that would be held out.",
            visibility: .hidden))
    var compare: String?

    @OptionGroup var input: InputFormatOptions
    @OptionGroup var run: RunOptions

    @Argument(help: "Spec keys to set on top of the recipe, dotted: train.lr=1e-5.")
    var overrides: [String] = []

    func validate() throws {
        try AdaptationOptions.check(modelName: out, option: "--out")
        if let steps, AdaptationAmount("\(steps)") == nil {
            throw ValidationError("--steps must be 1 to 1000000, is \(steps)")
        }
        if let time {
            guard case .seconds = time else {
                throw ValidationError("--time must be a time such as 90s, 10m or 2h, is \(time)")
            }
            guard steps == nil else {
                throw ValidationError("--steps and --time exclude each other")
            }
        }
    }

    @MainActor
    func run() async throws {
        var options = ModelAdapter.Options()
        options.amount = time ?? steps.map(AdaptationAmount.steps) ?? .automatic
        options.checkpoint = checkpoint
        options.threads = run.threads
        options.overrides = overrides
        options.settings = run.settings("train")
        options.input = input.options
        ThisProcess.prepare(idleThreadsSleep: false)
        StopSignal.install()
        if let compare {
            let adapter = try ModelAdapter(
                images: images, boxes: boxes, workspace: out + ".adapt", options: options,
                onEvent: TrainConsole(quiet: run.quiet).handle)
            let found = try await adapter.compare(
                with: compare, shouldStop: { StopSignal.isRequested })
            guard let found else { throw ExitCode(130) }
            try StandardStreams.show(found)
            return
        }
        let found = try await adapt(
            images: images, boxes: boxes, workspace: out + ".adapt", options: options,
            output: out, overwrites: overwrite, quiet: run.quiet)
        try StandardStreams.show(
            (found.wasDone ? "done before: " : "") + found.text
                + "\n\(out): the model to label with")
    }
}

/// Of `mal label`: a model that learns from the boxes first.
struct AdaptationOptions: ParsableArguments {
    @Option(
        help: """
            Teach the model on these boxes first, and keep what it learned unless that is worse: \
            \(AdaptationAmount.values) (docs/adapt.md).
            """, transform: amount)
    var adapt: AdaptationAmount?

    @Option(help: "File for the model that --adapt chose; its name ends in .safetensors.")
    var adaptedModel: String?

    @Sendable static func amount(_ text: String) throws -> AdaptationAmount {
        guard let amount = AdaptationAmount(text) else {
            throw ValidationError("must be \(AdaptationAmount.values), is \(text)")
        }
        return amount
    }

    static func check(modelName: String, option: String) throws {
        guard modelName.lowercased().hasSuffix(".safetensors") else {
            throw ValidationError("\(option) must end in .safetensors, is \(modelName)")
        }
    }

    func validate() throws {
        guard let adaptedModel else { return }
        guard adapt != nil else {
            throw ValidationError("--adapted-model needs --adapt")
        }
        try Self.check(modelName: adaptedModel, option: "--adapted-model")
    }
}

@MainActor
func adapt(
    images: String, boxes: String, workspace: String, options: ModelAdapter.Options,
    output: String?, overwrites: Bool, quiet: Bool
) async throws -> Adaptation {
    guard try ThisProcess.rank() == nil else {
        throw ValidationError(
            "a model is adapted by one process: run `mal adapt` first, then label with its model")
    }
    let console = TrainConsole(quiet: quiet)
    do {
        let adapter = try ModelAdapter(
            images: images, boxes: boxes, workspace: workspace, output: output,
            overwrites: overwrites, options: options, onEvent: console.handle)
        let found = try await adapter.run(shouldStop: { StopSignal.isRequested })
        console.finish()
        return found
    } catch let error as LabelingError {
        console.finish()
        switch error {
        case .trainingStopped, .interrupted:
            console.handle(.run(.warning("\(error)")))
            throw ExitCode(130)
        default: throw error
        }
    }
}
