import Files
import Foundation
import Glibc
import Inference
import Specs
import Testing
import Training

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
        let full = FileError.fileSystem(path: "x", action: "write", errno: ENOSPC)
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

    @Test("What others put into the folder stays, whatever its name begins with")
    func foreignNames() throws {
        let folder = try TemporaryFolder()
        let others = [".old-photos", ".replaced-x", ".saving-model_epoch_1_step_2", ".old-link"]
        let own = [".old-model_epoch_000_step_00001", ".saving-model_epoch_000_step_00002"]
        for name in others + own {
            try FileManager.default.createDirectory(
                atPath: folder.path + "/" + name, withIntermediateDirectories: false)
        }
        let directory = try RunDirectory(folder.path)
        _ = try directory.save(epoch: 0, step: 3) {
            _ = try Data().write(to: URL(fileURLWithPath: $0 + "/state.json"))
        }
        #expect(
            Set(try FileManager.default.contentsOfDirectory(atPath: folder.path))
                == Set(others + [".lock", "model_epoch_000_step_00003", "model_latest"]))
    }

    @Test("A checkpoint that was to be replaced when the kill came is back under its name")
    func killedWhileReplacing() throws {
        let folder = try TemporaryFolder()
        func make(_ name: String, _ state: String) throws -> String {
            let path = folder.path + "/" + name
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: false)
            return try folder.file(name + "/state.json", state)
        }
        _ = try make(".replaced-model_epoch_000_step_00005", "old")
        #expect(try RunDirectory(folder.path).checkpoints.map(\.step) == [5])
        let path = folder.path + "/model_epoch_000_step_00005/state.json"
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
        // Once the new one has the name, what was replaced goes.
        _ = try make(".replaced-model_epoch_000_step_00005", "older")
        #expect(try RunDirectory(folder.path).checkpoints.map(\.step) == [5])
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.path)
                .filter { $0.hasPrefix(".replaced-") }.isEmpty)
    }

    @Test("Two runs do not share a folder")
    func lock() throws {
        let folder = try TemporaryFolder()
        let first = try RunDirectory(folder.path)
        let error = #expect(throws: LabelingError.self) { try RunDirectory(folder.path) }
        #expect("\(try #require(error))".contains("another mal train is writing there"))
        _ = first.path
    }

    @Test("After a kill between a checkpoint and its links the next run sets them right")
    func links() throws {
        let folder = try TemporaryFolder()
        let directory = try RunDirectory(folder.path + "/run")
        func write(_ folder: String) throws {
            try Data("{}".utf8).write(to: URL(fileURLWithPath: folder + "/state.json"))
        }
        func target(_ name: String) -> String? {
            try? FileManager.default.destinationOfSymbolicLink(
                atPath: folder.path + "/run/" + name)
        }
        for step in [5, 6] { _ = try directory.save(epoch: 0, step: step, write) }
        try directory.link("model_latest", to: "model_epoch_000_step_00005")
        try directory.restoreLinks(best: 5)
        #expect(target("model_latest") == "model_epoch_000_step_00006")
        #expect(target("model_best") == "model_epoch_000_step_00005")
        // The best one was removed by hand: no link rather than one to nothing.
        try FileManager.default.removeItem(
            atPath: folder.path + "/run/model_epoch_000_step_00005")
        try directory.restoreLinks(best: 5)
        #expect(target("model_best") == nil)
        #expect(directory.holds(folder.path + "/run/model_epoch_000_step_00006"))
        #expect(!directory.holds(folder.path + "/other/model_epoch_000_step_00006"))
    }

    @Test("A metrics log goes on after its step, without half lines")
    func metrics() throws {
        let folder = try TemporaryFolder()
        let kept = "{\"step\": 1, \"a\": 2}\n{\"step\": 2}\n"
        let validation = "{\"step\": 2, \"val_mIoU\": 1}\n"
        let text = kept + validation + "{\"step\": 3}\n{\"st"
        let path = try folder.file("metrics.jsonl", text)
        _ = try MetricsLog(directory: folder.path, resumingAt: 2)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == kept + validation)
        // A validation that the checkpoint does not know of comes again.
        _ = try MetricsLog(directory: folder.path, resumingAt: 2, isValidated: false)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == kept)
    }

    @Test("A damaged line of a metrics log is kept aside and named, and no other is lost")
    func damagedMetrics() throws {
        let folder = try TemporaryFolder()
        let lines = (1...6).map { "{\"step\": \($0), \"loss\": 1.5}" }
        for (place, damaged) in [
            (0, "{\"Xtep\": 1, \"loss\": 1.5}"), (2, "{\"step\": 3, \"loss\": 1.5"),
            (1, "{\"step\": 92, \"loss\": 1.5}"), (3, ""),
        ] {
            var changed = lines
            changed[place] = damaged
            let path = try folder.file("metrics.jsonl", changed.joined(separator: "\n") + "\n")
            let log = EventLog()
            _ = try MetricsLog(directory: folder.path, resumingAt: 5, onEvent: log.record)
            changed.remove(at: place)
            #expect(
                try String(contentsOfFile: path, encoding: .utf8)
                    == changed.dropLast().joined(separator: "\n") + "\n")
            #expect(
                try String(contentsOfFile: path + ".damaged", encoding: .utf8) == damaged + "\n")
            #expect(
                log.texts == [
                    "\(path): damaged: line \(place + 1); kept in \(path).damaged, all other lines "
                        + "stay"
                ])
            try FileManager.default.removeItem(atPath: path + ".damaged")
        }
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
