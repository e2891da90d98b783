import ArgumentParser
import Distributed
import Foundation
import MaskAutoLabeler
import Specs
import Training

struct TrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Learns masks from boxes alone.",
        discussion: """
            Reads TAO's train spec. Checkpoints, metrics.jsonl, status.json and TensorBoard files go \
            to results_dir/train. The same command given again continues a run that was stopped, \
            exactly and with as many threads. --dry-run only checks spec and data. train.num_gpus \
            above 1 starts a process for each GPU; torchrun and the like can start them too \
            (docs/scale-out.md).

              mal train -e spec.yaml --dry-run
              mal train -e spec.yaml train.pretrained_model_path=dinov2.safetensors -r runs/a
            """)

    @OptionGroup var spec: SpecOptions
    @OptionGroup var run: RunOptions

    @Flag(help: "Continue the run in the folder even if the spec has changed since.")
    var resume = false

    @Flag(help: "Print at the end where the time went.")
    var profile = false

    @Flag(help: "Check spec and data, print what a run would do, and draw one batch.")
    var dryRun = false

    @MainActor
    func run() async throws {
        let settings = spec.additions.settings("train") + run.settings("train")
        let rank = try ThisProcess.rank()
        if !dryRun,
            let plan = try LaunchPlan(
                specPath: spec.spec, overrides: spec.overrides, settings: settings, command: .train)
        {
            try await RankLauncher(plan: plan, arguments: Array(CommandLine.arguments.dropFirst()))
                .run()
            return
        }
        ThisProcess.prepare(idleThreadsSleep: false)
        let console = TrainConsole(quiet: run.quiet)
        StopSignal.install()
        let job = try TrainJob(
            specPath: spec.spec, overrides: spec.overrides,
            settings: settings, threads: run.threads, resume: resume, profiles: profile, rank: rank,
            onEvent: console.handle)
        do {
            if dryRun {
                let report = try await job.dryRun()
                console.finish()
                try StandardStreams.show(report.text)
                return
            }
            let summary = try await job.run(shouldStop: { StopSignal.isRequested })
            console.finish()
            if rank?.rank ?? 0 == 0 { try StandardStreams.show(summary.text) }
        } catch let error as LabelingError {
            console.finish()
            guard case .trainingStopped = error else { throw error }
            if rank?.rank ?? 0 == 0 { console.handle(.run(.warning("\(error)"))) }
            throw ExitCode(130)
        }
    }
}
