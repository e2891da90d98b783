import Files
import Foundation
import Inference
import Specs
import Torch
import Training

// Where a run goes on from, and what has changed since.
extension TrainJob {
    /// The checkpoint to go on from; nil starts a run.
    func checkpointToResume(
        in directory: RunDirectory, sources: [String: String]
    ) throws -> TrainingCheckpoint? {
        let newest = directory.checkpoints.last
        if let path = spec.train.resumePath {
            if let fault = ModelFiles.fault(of: path) { throw LabelingError.wrongUse(fault) }
            let checkpoint = try TrainingCheckpoint(
                path: URL(fileURLWithPath: path).resolvingSymlinksInPath().path)
            if let newest, newest.step > checkpoint.state.step {
                throw LabelingError.wrongUse(
                    "train.resume_training_checkpoint_path is of step \(checkpoint.state.step), but "
                        + "\(directory.path) goes to step \(newest.step); choose another "
                        + "results_dir or remove the later checkpoints")
            }
            return announced(checkpoint, differences: differences(from: checkpoint, sources))
        }
        guard let newest else {
            guard !asksToResume else {
                throw LabelingError.wrongUse(
                    "\(directory.path): no checkpoint to resume there; leave --resume out to start")
            }
            return nil
        }
        let checkpoint = try TrainingCheckpoint(
            path: newest.path, before: directory.checkpoints.dropLast().last?.path)
        let differences = differences(from: checkpoint, sources)
        guard differences.isEmpty || asksToResume else {
            throw LabelingError.specChanged(
                directory: directory.path, differences: differences)
        }
        return announced(checkpoint, differences: differences)
    }

    /// Hashes of the files that the run reads in each of its parts, by what they are.
    func sources() throws -> [String: String] {
        var sources = ["the images in dataset.train_img_dir": ContentHash.text(set.imageHash())]
        if let guide {
            sources["the content of train.guide_checkpoint"] = ContentHash.text(
                try ContentHash.hash(file: guide.path))
        }
        return sources
    }

    private func differences(
        from checkpoint: TrainingCheckpoint, _ sources: [String: String]
    ) -> [String] {
        let content =
            checkpoint.state.annotations == annotationHash
            ? [] : ["the content of dataset.train_ann_path"]
        let before = checkpoint.state.sources ?? [:]
        let others = sources.filter { name, hash in before[name].map { $0 != hash } ?? false }
        return spec.trainingDifferences(from: checkpoint.spec) + content + others.keys.sorted()
    }

    /// What computes from here on: with as many threads as before, and whatever else is here now, which
    /// is told where it differs.
    func environment(
        goingOnFrom before: [String: String]?, processes: Int, tells: Bool
    ) -> [String: String] {
        // With another number of processes the sums are others in any case, and the cores are divided
        // anew.
        var count = Libtorch.threadCount
        if threads == nil, before?["processes"] == "\(processes)",
            let earlier = before?["threads"].flatMap({ Int($0) }), (1...4096).contains(earlier),
            earlier != count
        {
            count = earlier
            onEvent(
                .run(.note("threads: \(count), as the run had before (--threads changes it)")))
        }
        var now = RunFingerprint.environment(threads: count)
        now.add("device", runtime.device == .cpu ? "cpu" : "cuda")
        now.add("precision", "\(runtime.arithmetic)")
        now.add("processes", processes)
        let differences = before.map { now.differences(from: RunFingerprint($0)) } ?? []
        if tells, !differences.isEmpty {
            onEvent(
                .run(
                    .warning(
                        "going on with another program or machine: "
                            + differences.joined(separator: "; ")
                            + ". From here on the weights differ, in their last bits at first, from "
                            + "those of a run without the change")))
        }
        return now.values
    }

    private func announced(
        _ checkpoint: TrainingCheckpoint, differences: [String]
    ) -> TrainingCheckpoint {
        let state = checkpoint.state
        onEvent(
            .run(.note("resuming \(checkpoint.path): step \(state.step), epoch \(state.epoch)")))
        if state.format == 1 {
            onEvent(
                .run(
                    .note(
                        "it is from before checkpoints had checksums and a thread count, and is "
                            + "taken as it is")))
        }
        if !differences.isEmpty {
            onEvent(
                .run(
                    .warning(
                        "going on with another spec; changed: "
                            + differences.joined(separator: "; "))))
        }
        return checkpoint
    }
}
