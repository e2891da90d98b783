import Foundation
import Glibc
import Labeling
import Testing

@Suite("Run folders")
struct RunDirectoryTests {
    @Test("A checkpoint that could not be written leaves nothing, and the one before stays")
    func failedSave() throws {
        let folder = try TemporaryFolder()
        let directory = try RunDirectory(folder.path + "/run")
        func write(_ folder: String) throws {
            try Data("{}".utf8).write(to: URL(fileURLWithPath: folder + "/state.json"))
        }
        let first = try directory.save(epoch: 0, step: 5, write)
        #expect(first == folder.path + "/run/model_epoch_000_step_00005")
        let full = LabelingError.fileSystem(path: "x", action: "write", errno: ENOSPC)
        #expect(throws: full) {
            try directory.save(epoch: 0, step: 6) { folder in
                try write(folder)
                throw full
            }
        }
        #expect(directory.checkpoints.map(\.step) == [5])
        let files = FileManager.default
        #expect(
            try files.contentsOfDirectory(atPath: folder.path + "/run").sorted()
                == [".lock", "model_epoch_000_step_00005", "model_latest"])
        // The same step again takes the place of the first.
        _ = try directory.save(epoch: 0, step: 5, write)
        _ = try directory.save(epoch: 2, step: 12345, write)
        #expect(directory.checkpoints.map(\.step) == [5, 12345])
        directory.prune(keeping: 1, best: 5)
        #expect(directory.checkpoints.map(\.step) == [5, 12345])
        directory.prune(keeping: 1, best: nil)
        #expect(directory.checkpoints.map(\.step) == [12345])
    }

    @Test("Two runs do not share a folder")
    func lock() throws {
        let folder = try TemporaryFolder()
        let first = try RunDirectory(folder.path)
        let error = #expect(throws: LabelingError.self) { try RunDirectory(folder.path) }
        #expect("\(try #require(error))".contains("another mal train is writing there"))
        _ = first.path
    }

    @Test("A metrics log goes on after its step, without half lines")
    func metrics() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file(
            "metrics.jsonl",
            "{\"step\": 1, \"a\": 2}\n{\"step\": 2}\n{\"step\": 2, \"val_mIoU\": 1}\n{\"step\": 3}\n{\"st"
        )
        _ = try MetricsLog(directory: folder.path, resumingAt: 2)
        #expect(
            try String(contentsOfFile: path, encoding: .utf8)
                == "{\"step\": 1, \"a\": 2}\n{\"step\": 2}\n{\"step\": 2, \"val_mIoU\": 1}\n")
    }

    @Test("The spec of a run reads back as itself")
    func specText() throws {
        let overrides = [
            "train.lr=0.003", "results_dir='a b'", "model.depth=3",
            "train.mask_thres=[0.1,0.2,0.3]",
            "dataset.val_ann_path=null", "model.frozen_stages=[]",
        ]
        let (spec, _) = try Spec.read(path: nil, overrides: overrides, command: .train)
        let text = SpecText.yaml(of: spec, for: .train)
        let (again, _) = try Spec.read(text: text, name: "t", command: .train)
        #expect(again.values.count == spec.values.count)
        for (value, other) in zip(spec.values, again.values) { #expect(value == other) }
        #expect(again == spec)
        #expect(spec.trainingDifferences(from: again).isEmpty)
    }
}
