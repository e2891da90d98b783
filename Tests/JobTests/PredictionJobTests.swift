import Foundation
import Inference
import MaskAutoLabeler
import Specs
import Testing
import TestSupport
import Training

@Suite struct PredictionJobTests {
    @Test("masks under the truth's ids have the reference's mIoU; all numbers are in the JSON")
    func pseudoLabels() async throws {
        let events = EventLog()
        let results = try await PredictionJob(
            predictionsPath: fixture("inference_load_mask_True.json"),
            truthPath: fixture("coco/instances.json"), onEvent: events.record
        ).run()
        let kpi = Dictionary(uniqueKeysWithValues: results.kpi.map { ($0.name, $0.value) })
        let reference = try json(fixture("inference_load_mask_True.json"))
        let ious = try #require(reference["annotations"] as? [[String: Any]])
            .map { $0["iou"] as? Double ?? .nan }
        #expect(ious.count == 13)
        let mean = ious.reduce(0, +) / 13
        let found = try #require(kpi["instance_mIoU"])
        #expect(abs(found - mean) < 1e-6)
        #expect(
            results.text.contains("\n5 true objects have no mask under their id and are not here\n")
        )
        #expect(results.text.contains("\nAP50 "))
        #expect(
            events.texts.contains {
                $0.contains("score: expected a score in each entry, found none")
            })

        let folder = try TemporaryFolder()
        try results.writeJSON(to: folder.path + "/numbers.json")
        let written = try json(folder.path + "/numbers.json")
        let numbers = try #require(written["kpi"] as? [String: Any])
        #expect(numbers.count == 52)
        for (name, value) in kpi where value.isFinite {
            // JSONSerialization reads the last digit differently.
            #expect(abs((numbers[name] as? Double ?? .nan) - value) < 1e-12, "\(name)")
        }
        #expect((written["categories"] as? [[String: Any]])?.count == 4)
        // A boundary agrees less than the whole.
        let boundary = try #require(kpi["instance_boundary_IoU"])
        #expect(boundary < mean)
    }

    @Test("a detector's list has no masks under ids; a truth without masks measures boxes")
    func detectorList() async throws {
        let events = EventLog()
        let folder = try TemporaryFolder()
        let truth = try folder.file(
            "truth.json",
            """
            {"images": [{"id": 1, "file_name": "a.png", "width": 9, "height": 9}],
             "categories": [{"id": 2, "name": "cat"}],
             "annotations": [{"id": 5, "image_id": 1, "category_id": 2, "bbox": [1, 1, 4, 4]}]}
            """)
        let list = try folder.file(
            "list.json",
            #"[{"image_id": 1, "category_id": 2, "bbox": [1, 1, 4, 4], "conf": 0.5}]"#)
        let results = try await PredictionJob(
            predictionsPath: list, truthPath: truth, scoreKey: "conf", onEvent: events.record
        ).run()
        #expect(events.texts == ["\(truth) has no masks: only boxes are measured"])
        #expect(results.text.hasPrefix("          bbox\nAP        1.0000\n"))
        #expect(!results.text.contains("segm"))
        // A precision is tp / (tp + fp + ε), as pycocotools'.
        let precision = try #require(results.kpi.first { $0.name == "AP_bbox" }?.value)
        #expect(abs(precision - 1) < 1e-12)
    }

    private func objects(_ categories: String, category: Int, id: Int) -> String {
        """
        {"images": [{"id": 1, "file_name": "a.png", "width": 9, "height": 9}],
         "categories": [\(categories)],
         "annotations": [{"id": \(id), "image_id": 1, "category_id": \(category), "score": 0.5,
           "bbox": [1, 1, 4, 4], "segmentation": [[1, 1, 5, 1, 5, 5, 1, 5]]}]}
        """
    }

    @Test("other numbers of categories are matched by name; other names, other ids are told")
    func categories() async throws {
        let folder = try TemporaryFolder()
        let cats = #"{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}"#
        let truth = try folder.file("truth.json", objects(cats, category: 2, id: 5))
        func measure(_ text: String) async throws -> (precision: Double, lines: [String]) {
            let events = EventLog()
            let results = try await PredictionJob(
                predictionsPath: try folder.file("found.json", text), truthPath: truth,
                onEvent: events.record
            ).run()
            return (results.kpi.first { $0.name == "AP_segm" }?.value ?? .nan, events.texts)
        }
        let same = try await measure(objects(cats, category: 2, id: 5))
        #expect(same.precision > 0.99 && same.lines.isEmpty)
        let renumbered = try await measure(
            objects(#"{"id": 2, "name": "cat"}, {"id": 1, "name": "dog"}"#, category: 1, id: 5))
        #expect(renumbered.precision > 0.99)
        #expect(renumbered.lines.count == 1)
        let line = renumbered.lines.first ?? ""
        #expect(line.contains("matched by their names: 1 dog, 2 cat, \(truth) has 1 cat, 2 dog"))
        let renamed = try await measure(
            objects(#"{"id": 2, "name": "wolf"}"#, category: 2, id: 5))
        #expect(renamed.precision > 0.99)
        #expect(renamed.lines.first?.contains("2 wolf, \(truth) has 1 cat, 2 dog") == true)
        let others = try await measure(objects(cats, category: 2, id: 6))
        #expect(others.lines.count == 1)
        #expect(others.lines.first?.hasPrefix("no mIoU: none of the 1 ids in ") == true)
    }

    @Test("the file of numbers is none of the inputs, and replaces only mal's own")
    func numbers() async throws {
        let folder = try TemporaryFolder()
        let cats = #"{"id": 2, "name": "cat"}"#
        let truth = try folder.file("truth.json", objects(cats, category: 2, id: 5))
        func measure(_ path: String) async throws {
            try await PredictionJob(
                predictionsPath: truth, truthPath: truth, jsonPath: path, onEvent: { _ in }
            ).run().writeJSON(to: path)
        }
        await #expect(throws: LabelingError.self) { try await measure(truth) }
        let mine = try folder.file("mine.json", "mine")
        await #expect(throws: LabelingError.self) { try await measure(mine) }
        try await measure(folder.path + "/numbers.json")
        try await measure(folder.path + "/numbers.json")
        #expect(try String(contentsOfFile: mine, encoding: .utf8) == "mine")
    }

    @Test("a truth without categories is refused")
    func noCategories() throws {
        let folder = try TemporaryFolder()
        let truth = try folder.file("truth.json", #"{"images": [], "annotations": []}"#)
        #expect(
            throws: LabelingError.wrongUse(
                "\(truth): average precision is a mean over categories, but the file has none")
        ) {
            try PredictionJob(
                predictionsPath: fixture("box_inputs_dets.json"), truthPath: truth,
                onEvent: { _ in })
        }
    }

    @Test("TAO's clustering score is refused with the reason and the line")
    func clustering() {
        let error = #expect(throws: SpecError.self) {
            try Spec.read(
                text: "evaluate:\n  checkpoint: m.pth\n  comp_clustering: true\n",
                name: "spec.yaml",
                command: .evaluate)
        }
        let text = error?.description ?? ""
        #expect(
            text.hasPrefix(
                "spec.yaml line 3: evaluate.comp_clustering must be false: TAO declares a clustering "
            ))
        #expect(text.contains("`mal evaluate --predictions` average precision and boundary IoU"))
        #expect(text.hasSuffix(", is true"))
    }
}
