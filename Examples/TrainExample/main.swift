// Trains as a spec file says: TrainExample SPEC RESULTS_FOLDER [key=value …]
import MaskAutoLabeler

let arguments = CommandLine.arguments
let job = try TrainJob(
    specPath: arguments[1], overrides: ["results_dir=" + arguments[2]] + arguments.dropFirst(3)
) { event in
    if case .step(let step) = event { print("step \(step.step): loss \(step.loss)") }
}
let summary = try await job.run(shouldStop: { false })
print(summary.text)
