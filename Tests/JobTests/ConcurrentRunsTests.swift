import Foundation
import Inference
import MaskAutoLabeler
import Specs
import Testing
import TestSupport

@Suite("Several runs in one process")
struct ConcurrentRunsTests {
    let folder: TemporaryFolder
    let scenes: SyntheticScenes

    init() throws {
        folder = try TemporaryFolder()
        scenes = try SyntheticScenes(in: folder)
    }

    /// - Returns: all that the run learned.
    func train(_ name: String, threads: Int) async throws -> [Data] {
        let spec = try folder.file(name + ".yaml", scenes.spec(results: folder.path + "/" + name))
        // Wide enough that operators use threads.
        let overrides = [
            "model.embed_dim=64", "train.max_steps=6", "dataset.crop_size=64", "train.batch_size=4",
        ]
        _ = try await TrainJob(
            specPath: spec, overrides: overrides, threads: threads, onEvent: { _ in }
        ).run()
        return try ["student", "teacher", "optimizer"].map {
            try contents("/\(name)/train/model_latest/\($0).safetensors")
        }
    }

    /// - Returns: the file of masks.
    func label(_ name: String, threads: Int?) async throws -> Data {
        let job = try LabelJob(
            specPath: nil, overrides: [],
            settings: microSettings + [
                SpecSetting("t", "inference.label_dump_path", .text(folder.path + "/" + name))
            ], options: .with { $0.threads = threads }, onEvent: { _ in })
        _ = try await job.run(shouldStop: { false })
        return try contents("/" + name)
    }

    private func contents(_ path: String) throws -> Data {
        try Data(contentsOf: URL(fileURLWithPath: folder.path + path))
    }

    @Test(
        "Two trainings and a labelling at once, each with its threads, give what they give alone"
    )
    func together() async throws {
        let alone = (
            try await train("a", threads: 1), try await train("b", threads: 3),
            try await label("c.json", threads: 2)
        )
        for turn in 0..<3 {
            async let first = train("a\(turn)", threads: 1)
            async let second = train("b\(turn)", threads: 3)
            async let masks = label("c\(turn).json", threads: 2)
            let together = (try await first, try await second, try await masks)
            #expect(together.0 == alone.0 && together.1 == alone.1)
            #expect(together.2 == alone.2)
        }
    }
}
