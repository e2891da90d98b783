import ArgumentParser
import Distributed
import Foundation
import Inference
import MaskAutoLabeler
import Specs

struct EvaluateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Compares masks with true ones (mIoU, AP, boundary IoU).",
        discussion: """
            With a spec: runs the network. Reads dataset.val_ann_path (with masks), \
            dataset.val_img_dir and evaluate.checkpoint; writes results.json, per_instance.jsonl \
            and status.json into the results folder.

            With --predictions and --truth: measures a file, without network and images. \
            Predictions are a COCO file, as `mal label` writes it, or a detector's list; AP and AR \
            are those of pycocotools. Masks that have a true object's id are compared with it.

              mal evaluate -e spec.yaml evaluate.use_flip_test=true train.mask_thres=[0.6]
              mal evaluate --predictions masks.json --truth instances.json
              mal evaluate --predictions masks.json --truth instances.json --json - | jq .kpi
            """)

    @Option(name: SpecOptions.names, help: "Spec file (YAML) of a run of the network.")
    var spec: String?

    @Option(help: "COCO file or list of detections to measure instead of a network.")
    var predictions: String?

    @Option(help: "COCO file with the true objects, with --predictions.")
    var truth: String?

    @Option(help: "Key of a prediction's score, with --predictions (default: score).")
    var scoreKey: String?

    @Option(help: "File for all numbers, with --predictions; - is standard output.")
    var json: String?

    @OptionGroup var additions: SpecAdditions
    @OptionGroup var run: RunOptions
    @OptionGroup var adaptiveCrop: AdaptiveCropOption

    func validate() throws {
        guard predictions != nil || truth != nil else {
            if let extra = [("--score-key", scoreKey), ("--json", json)].first(where: { $1 != nil })
            {
                throw ValidationError("\(extra.0) goes with --predictions")
            }
            if spec == nil {
                throw ValidationError("give a spec (-e SPEC), or --predictions with --truth")
            }
            return
        }
        guard predictions != nil, truth != nil else {
            throw ValidationError("--predictions and --truth need each other")
        }
        let networkOptions =
            (run.settings("evaluate") + additions.settings("evaluate") + adaptiveCrop.settings)
            .map(\.source)
        let extra =
            spec.map { _ in "-e" } ?? networkOptions.first ?? additions.overrides.first
            ?? run.threads.map { _ in "--threads" }
        if let extra {
            throw ValidationError("\(extra) is for a run of the network, --predictions for none")
        }
    }

    @MainActor
    func run() async throws {
        let rank = try ThisProcess.rank()
        if let predictions, let truth {
            // It takes seconds: of several processes rank 0 does it.
            if rank?.rank ?? 0 == 0 { try await measure(predictions, truth) }
            return
        }
        let settings =
            additions.settings("evaluate") + run.settings("evaluate") + adaptiveCrop.settings
        if let plan = try LaunchPlan(
            specPath: spec, overrides: additions.overrides, settings: settings, command: .evaluate)
        {
            return try await RankLauncher(
                plan: plan, arguments: Array(CommandLine.arguments.dropFirst())
            ).run()
        }
        ThisProcess.prepare(idleThreadsSleep: true)
        let console = ConsoleProgress(quiet: run.quiet)
        StopSignal.install()
        let job = try EvaluateJob(
            specPath: spec, overrides: additions.overrides, settings: settings,
            threads: run.threads, rank: rank,
            onEvent: console.handle)
        do {
            let results = try await job.run(shouldStop: { StopSignal.isRequested })
            console.finish()
            if rank?.rank ?? 0 == 0 { try StandardStreams.show(results.text) }
        } catch let error as LabelingError {
            console.finish()
            guard case .interrupted(let done, let total) = error else { throw error }
            console.handle(.warning("stopped after \(done) of \(total) boxes; nothing was written"))
            throw ExitCode(130)
        }
    }

    private func measure(_ predictions: String, _ truth: String) async throws {
        let console = ConsoleProgress(quiet: run.quiet)
        let results = try await PredictionJob(
            predictionsPath: predictions, truthPath: truth, scoreKey: scoreKey ?? "score",
            jsonPath: json == "-" ? nil : json,
            onEvent: console.handle
        ).run()
        console.finish()
        if let json, json != "-" { try results.writeJSON(to: json) }
        try StandardStreams.show(
            json == "-" ? results.json : results.text, terminator: json == "-" ? "" : "\n")
    }
}
