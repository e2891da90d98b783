import ArgumentParser
import Foundation
import Labeling

struct EvaluateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Compares the network's masks with true ones (mIoU).",
        discussion: """
            Reads dataset.val_ann_path (with masks), dataset.val_img_dir and evaluate.checkpoint; \
            writes results.json, per_instance.jsonl and status.json into the results folder.

              mal evaluate -e spec.yaml evaluate.use_flip_test=true train.mask_thres=[0.6]
            """)

    @OptionGroup var spec: SpecOptions
    @OptionGroup var run: RunOptions

    @MainActor
    func run() async throws {
        let settings = spec.settings + run.settings("evaluate")
        let rank = try RankEnvironment(ProcessInfo.processInfo.environment)
        if let plan = try LaunchPlan(
            specPath: spec.spec, overrides: spec.overrides, settings: settings, command: .evaluate)
        {
            try await RankLauncher(plan: plan, arguments: Array(CommandLine.arguments.dropFirst()))
                .run()
            return
        }
        prepareForComputing()
        let console = ConsoleProgress(quiet: run.quiet)
        StopSignal.install()
        let job = try EvaluateJob(
            specPath: spec.spec, overrides: spec.overrides,
            settings: settings, threads: run.threads, rank: rank,
            onEvent: console.handle)
        do {
            let results = try await job.run(shouldStop: { StopSignal.isRequested })
            console.finish()
            if rank?.rank ?? 0 == 0 { print(results.text) }
        } catch let error as LabelingError {
            console.finish()
            guard case .interrupted(let done, let total) = error else { throw error }
            console.handle(.warning("stopped after \(done) of \(total) boxes; nothing was written"))
            throw ExitCode(130)
        }
    }
}
