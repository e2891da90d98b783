import Distributed
import Foundation
import Glibc
import Inference
import Specs
import Testing
import TestSupport
import Training

/// One output of several processes, equal byte for byte to that of one.
@Suite("Shared labelling")
struct SharedLabelTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    func arguments(_ name: String, _ more: [String] = []) -> [String] {
        [
            "label", fixture("coco/images"), "--boxes", fixture("coco/instances.json"), "--out",
            folder.path + "/\(name).json", "--checkpoint", fixture("micro_vit_trained.pth"),
            "--crop-size", "64", "--batch-size", "2", "--threads", "1", "--device", "cpu",
        ] + more + ["model.num_heads=3", "rank_timeout=3"]
    }

    func run(_ arguments: [String], code: Int32 = 0) throws -> MalRun.Outcome {
        let outcome = try MalRun.run(arguments)
        #expect(outcome.code == code, "\(outcome.errors)")
        return outcome
    }

    func bytes(_ file: String) throws -> Data {
        try Data(contentsOf: URL(fileURLWithPath: folder.path + "/" + file))
    }

    func journals() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path)
            .filter { $0.hasSuffix(".journal") }.sorted()
    }

    @Test("The tiny model's masks are scored by its own numbers, merged ones too")
    func tinyScores() throws {
        func command(_ name: String, to output: String) -> [String] {
            let demo = fixture("../../Demo")
            return [
                name, demo + "/images", "--boxes", demo + "/boxes.json", "--out",
                folder.path + "/" + output,
            ]
        }
        let tiny = ["--checkpoint", "tiny", "--device", "cpu", "--threads", "1"]
        let features = folder.path + "/features.jsonl"
        _ = try run(command("label", to: "whole.json") + tiny + ["--features", features])
        let lines = try String(contentsOfFile: features, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 45)
        func fit(_ name: String) throws -> ConfidenceModel {
            try LabelingModel(
                checkpoint: name, spec: Spec.standard.model, onEvent: { _ in }
            ).confidence
        }
        let (own, other) = (try fit("tiny"), try fit("default"))
        var othersCount = 0
        for line in lines {
            let record = try #require(
                try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            let found = try #require(record["features"] as? [String: Double])
            let values = MaskFeatures(values: MaskFeatures.names.map { Float(found[$0] ?? .nan) })
            let score = try #require(record["score"] as? Double)
            #expect(abs(score - own.score(values)) < 2e-4)
            if abs(score - other.score(values)) > 1e-3 { othersCount += 1 }
        }
        #expect(othersCount > 30)
        for shard in ["1/2", "2/2"] {
            _ = try run(command("label", to: "parts.json") + tiny + ["--shard", shard])
        }
        _ = try run(command("merge", to: "parts.json"))
        #expect(try bytes("whole.json") == bytes("parts.json"))
    }

    @Test(
        "Shards that know nothing of each other merge to the file of one process",
        arguments: [[], ["--adaptive-crop"]])
    func shards(options: [String]) throws {
        _ = try run(arguments("whole", options))
        for shard in ["3/3", "1/3"] {
            _ = try run(arguments("parts", options + ["--shard", shard]))
        }
        let merge = [
            "merge", fixture("coco/images"), "--boxes", fixture("coco/instances.json"), "--out",
            folder.path + "/parts.json",
        ]
        let early = try run(merge, code: 1)
        #expect(early.errors.contains("3 of 9 batches are in none of the journals"))
        #expect(throws: (any Error).self) { try bytes("parts.json") }
        _ = try run(arguments("parts", options + ["--shard", "2/3"]))
        #expect(try journals().count == 3)
        _ = try run(merge)
        for ending in [".json", ".json.unlabelled.jsonl", ".json.cleanup.jsonl"] {
            let (whole, parts) = (try? bytes("whole" + ending), try? bytes("parts" + ending))
            #expect(whole == parts, "\(ending)")
        }
        #expect(try bytes("whole.json") == bytes("parts.json"))
        // A journal of another run is not taken for a part of this one.
        _ = try run(arguments("other", ["--shard", "1/1", "train.mask_thres=[0.9]"]))
        let mixed = try run(
            merge + [folder.path + "/parts.json.shard-1-of-3.journal"]
                + [folder.path + "/other.json.shard-1-of-1.journal"], code: 1)
        #expect(mixed.errors.contains("of another run"))
        #expect(mixed.errors.contains("thresholds"))
        let foreign = try run(merge + [fixture("coco/instances.json")], code: 1)
        #expect(foreign.errors.contains("leave it out, or label its part again"))
        let typed = try run(
            merge.dropLast() + ["yolo-seg:" + folder.path + "/parts"], code: 64)
        #expect(typed.errors.contains("merge writes COCO JSON"))
    }

    @Test("Shards of images that differ are not merged: changed, and only in one place")
    func shardsOfOtherImages() throws {
        let images = folder.path + "/images"
        let files = FileManager.default
        try files.copyItem(atPath: fixture("coco/images"), toPath: images)
        func shard(_ part: String) throws {
            var arguments = arguments("parts", ["--shard", part])
            arguments[1] = images
            _ = try run(arguments)
        }
        func merge(code: Int32) throws -> String {
            try run(
                [
                    "merge", images, "--boxes", fixture("coco/instances.json"), "--out",
                    folder.path + "/parts.json",
                ], code: code
            ).errors
        }
        let whole = try bytes("images/a.png")
        func write(_ data: Data) throws {
            try data.write(to: URL(fileURLWithPath: images + "/a.png"))
        }
        try shard("1/2")
        let other = whole + [0]
        try write(other)
        try shard("2/2")
        for data in [whole, other] {
            try write(data)
            #expect(try merge(code: 1).contains("changed since they were labelled: a.png. "))
        }
        try files.removeItem(atPath: images + "/a.png")
        #expect(try merge(code: 1).contains("a.png only there"))
        #expect(!files.fileExists(atPath: folder.path + "/parts.json"))
        // The part that was labelled with other pixels, once more.
        try write(whole)
        try shard("2/2")
        _ = try merge(code: 0)
        _ = try run(arguments("whole"))
        #expect(try bytes("whole.json") == bytes("parts.json"))
    }

    @Test("Ranks take batches in turn; rank 0 writes one file and one story")
    func ranks() throws {
        _ = try run(arguments("whole"))
        let outcome = try run(["launch", "--processes", "2", "--"] + arguments("ranks"))
        #expect(try bytes("whole.json") == bytes("ranks.json"))
        #expect(try journals().isEmpty)
        #expect(!outcome.errors.contains("[rank 1]"), "\(outcome.errors)")
        #expect(outcome.output.contains("18 boxes have a mask"), "\(outcome.output)")
    }

    @Test("Rank 0 waits for the others also when they took every batch", arguments: 1...3)
    func lateRank(_ time: Int) throws {
        let one = ["--batch-size", "18"]
        _ = try run(arguments("whole", one))
        _ = try run(["launch", "--processes", "3", "--"] + arguments("late", one))
        #expect(try bytes("whole.json") == bytes("late.json"))
    }

    @Test("What a rank that was killed had left is done by another")
    func killed() throws {
        _ = try run(arguments("whole"))
        let launched = try MalRun.start(
            ["launch", "--processes", "3", "--"] + arguments("killed"))
        let journal = folder.path + "/killed.json.rank-2.journal"
        try launched.wait(until: "the journal of rank 2") {
            FileManager.default.fileExists(atPath: journal)
        }
        // Also after the new start for OpenMP.
        #expect(try launched.commands(ofRank: 2) == ["mal", "mal"])
        try launched.killRank(2)
        let outcome = launched.finish()
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(outcome.errors.contains("rank 2 was ended by signal 9"), "\(outcome.errors)")
        #expect(try bytes("whole.json") == bytes("killed.json"))
        #expect(try journals().isEmpty)
    }

    @Test("A file of predictions is measured once, however many ranks are started")
    func predictions() throws {
        let truth = fixture("coco/instances.json")
        let outcome = try run([
            "launch", "--processes", "2", "--", "evaluate", "--predictions", truth, "--truth",
            truth,
        ])
        #expect(outcome.output.components(separatedBy: "class mIoU").count == 2)
        #expect(!outcome.errors.contains("[rank 1]"), "\(outcome.errors)")
    }

    @Test("Evaluation by two ranks gives the numbers of one, to the last bit")
    func evaluation() throws {
        let spec = try folder.file(
            "spec.yaml",
            """
            device: cpu
            rank_timeout: 5
            dataset: {crop_size: 64, val_ann_path: \(fixture("coco/instances.json")), \
            val_img_dir: \(fixture("coco/images"))}
            model: {num_heads: 3}
            evaluate: {checkpoint: \(fixture("micro_vit_trained.pth")), batch_size: 2, \
            sweep: [0.3, 0.7]}

            """)
        let command = ["evaluate", "-e", spec, "--threads", "1", "-r"]
        _ = try run(command + [folder.path + "/one"])
        _ = try run(["launch", "--processes", "2", "--"] + command + [folder.path + "/two"])
        for file in ["results.json", "per_instance.jsonl"] {
            #expect(try bytes("one/evaluate/" + file) == bytes("two/evaluate/" + file), "\(file)")
        }
        let status = String(
            decoding: try bytes("two/evaluate/status.json"), as: UTF8.self)
        #expect(status.components(separatedBy: "\"STARTED\"").count == 2)
    }
}
