import ArgumentParser
import Labeling

struct TrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Learns masks from boxes alone.",
        discussion: """
            Reads TAO's train spec. Checkpoints, metrics.jsonl, status.json and TensorBoard files go \
            to results_dir/train. The same command given again continues a run that was stopped, \
            exactly; --dry-run only looks at spec and data.

              mal train -e spec.yaml --dry-run
              mal train -e spec.yaml train.pretrained_model_path=dinov2.safetensors -r runs/a
            """)

    @OptionGroup var spec: SpecOptions
    @OptionGroup var run: RunOptions

    @Flag(help: "Continue the run in the folder even if the spec has changed since.")
    var resume = false

    @Flag(help: "Tell at the end where the steps' time went.")
    var profile = false

    @Flag(help: "Check spec and data, print what a run would do, and draw one batch.")
    var dryRun = false

    @MainActor
    func run() async throws {
        let console = TrainConsole(quiet: run.quiet)
        StopSignal.install()
        let job = try TrainJob(
            specPath: spec.spec, overrides: spec.overrides,
            settings: spec.settings + run.settings("train"), threads: run.threads, resume: resume,
            profiles: profile, onEvent: console.handle)
        do {
            if dryRun {
                let report = try await job.dryRun()
                console.finish()
                print(report.text)
                return
            }
            let summary = try await job.run(shouldStop: { StopSignal.isRequested })
            console.finish()
            print(summary.text)
        } catch let error as LabelingError {
            console.finish()
            guard case .trainingStopped = error else { throw error }
            console.handle(.run(.warning("\(error)")))
            throw ExitCode(130)
        }
    }
}
