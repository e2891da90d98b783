import Foundation
import Labeling
import TestSupport
import Testing

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
