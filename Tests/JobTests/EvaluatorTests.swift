import Foundation
import Inference
import MaskAutoLabeler
import Specs
import Testing
import TestSupport
import Training

/// Runs of the reference with ten sets of options (`eval_results.json`, SPEC §8).
@Suite("Evaluation against the reference")
struct EvaluatorTests {
    struct Reference: Decodable {
        let batchSize: Int
        let options: [String: String]
        let ids: [Int]
        let ious: [Double]
        let maskCounts: [String]
        let logged: [String: Double?]
        let areaMiouWithoutIndexingBug: [Double]
    }

    struct Instance: Decodable {
        struct Mask: Decodable {
            let size: [Int]
            let counts: String
        }
        let id: Int
        let iou: Double
        let bucket: String
        let segmentation: Mask
    }

    static let names = [
        "default_thr0.1_bs3", "default_thr0.1_bs1", "default_thr0.1_bs13", "thr_.5_.45_.6",
        "teacher", "mixed", "flip", "mixed_flip", "teacher_flip_clustering", "not_adjust_scale",
    ]

    @Test("IoUs, masks and means", arguments: names)
    func matches(name: String) async throws {
        let all = try jsonFixture("eval_results.json", as: [String: Reference].self)
        let reference = try #require(all[name])
        let folder = try TemporaryFolder()
        // We refuse the score that the reference declares and never computes.
        let options = reference.options.filter { $0.key != "evaluate__comp_clustering" }
        let overrides = options.map {
            $0.key.replacingOccurrences(of: "__", with: ".") + "="
                + ($0.value == "True" ? "true" : $0.value)
        }
        let job = try EvaluateJob(
            specPath: nil, overrides: overrides,
            settings: microSettings + [
                SpecSetting("test", "results_dir", .text(folder.path)),
                SpecSetting("test", "evaluate.batch_size", .integer(reference.batchSize)),
            ], threads: nil, onEvent: { _ in })
        let results = try await job.run(shouldStop: { false })

        let lines = try String(
            contentsOfFile: folder.path + "/evaluate/per_instance.jsonl", encoding: .utf8)
        let instances = try lines.split(separator: "\n").map {
            try JSONDecoder().decode(Instance.self, from: Data($0.utf8))
        }
        #expect(Set(instances.map(\.id)) == Set(reference.ids))
        let byID = Dictionary(uniqueKeysWithValues: instances.map { ($0.id, $0) })
        var equalMasks = 0
        for (index, id) in reference.ids.enumerated() {
            let instance = try #require(byID[id])
            #expect(abs(instance.iou - reference.ious[index]) < 2e-3, "annotation \(id)")
            if instance.segmentation.counts == reference.maskCounts[index] { equalMasks += 1 }
        }
        // A pixel at the threshold may fall to the other side of it in float32.
        #expect(equalMasks >= reference.ids.count - 1)
        let kpi = Dictionary(uniqueKeysWithValues: results.kpi.map { ($0.name, $0.value) })
        let meanIoU = try #require(reference.logged["val/mIoU"] ?? nil)
        #expect(abs(kpi["mIoU"]! - meanIoU) < 2e-3)
        for (size, value) in zip(
            ["small", "medium", "large"], reference.areaMiouWithoutIndexingBug)
        {
            #expect(abs(kpi["mIoU_" + size]! - value) < 2e-3)
        }
    }

    @Test("results.json and status.json hold what was measured")
    func files() async throws {
        let folder = try TemporaryFolder()
        let job = try EvaluateJob(
            specPath: nil, overrides: ["results_dir=\(folder.path)"], settings: microSettings,
            threads: nil, onEvent: { _ in })
        let results = try await job.run(shouldStop: { false })
        let saved = try json(folder.path + "/evaluate/results.json")
        let kpi = try #require(saved["kpi"] as? [String: Double])
        #expect(abs(kpi["mIoU"]! - results.kpi[0].value) < 1e-12)
        #expect((saved["categories"] as? [Any])?.count == 4)
        let status = try String(
            contentsOfFile: folder.path + "/evaluate/status.json", encoding: .utf8)
        let states = try status.split(separator: "\n").map {
            try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] ?? [:]
        }
        #expect(states.compactMap { $0["status"] as? String } == ["STARTED", "RUNNING", "SUCCESS"])
        let logged = try #require((states[1]["kpi"] as? [String: Double])?["mIoU"])
        #expect(abs(logged - results.kpi[0].value) < 1e-12)
        #expect(results.text.contains("all     13       0.6548"))
    }

    @Test("A sweep measures each threshold as a run of its own does")
    func sweep() async throws {
        func results(_ overrides: String...) async throws -> EvaluationResults {
            let folder = try TemporaryFolder()
            let job = try EvaluateJob(
                specPath: nil, overrides: ["results_dir=\(folder.path)"] + overrides,
                settings: microSettings, threads: nil, onEvent: { _ in })
            return try await job.run(shouldStop: { false })
        }
        let swept = try await results("evaluate.sweep=[0.5,0.3]", "evaluate.cleanup=true")
        #expect(swept.sweep.map(\.threshold) == [0.5, 0.3])
        for (threshold, rows) in swept.sweep {
            let own = try await results(
                "train.mask_thres=[\(threshold)]", "evaluate.cleanup=true")
            #expect(rows.map(\.means) == own.rows.map(\.means))
        }
        #expect(swept.sweep[0].rows[0].means != swept.sweep[1].rows[0].means)
        #expect(swept.text.contains("\n0.50       "))
    }

    @Test("Annotations without masks are an error that names them")
    func noMasks() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file(
            "boxes.json",
            """
            {"images": [{"id": 11, "file_name": "a.png", "width": 200, "height": 150}],
             "categories": [{"id": 3, "name": "thing"}],
             "annotations": [{"id": 5, "image_id": 11, "category_id": 3, "bbox": [10, 10, 50, 50]}]}
            """)
        #expect(
            throws: LabelingError.wrongUse(
                "\(path): mal evaluate needs true masks, but 1 of 1 annotations have no "
                    + "segmentation (ids 5)")
        ) {
            try EvaluateJob(
                specPath: nil, overrides: [],
                settings: microSettings + [
                    SpecSetting("test", "dataset.val_ann_path", .text(path))
                ],
                threads: nil, onEvent: { _ in })
        }
    }
}
