import Annotations
import Foundation
import Testing
import TestSupport

@Suite struct DetectionEvaluationTests {
    /// Twelve numbers by pycocotools, with −1 for no true object.
    private func expectEqual(
        _ found: AveragePrecision?, _ expected: [Double], _ comment: Comment? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let found = try #require(found, comment, sourceLocation: sourceLocation)
        #expect(expected.count == 12, sourceLocation: sourceLocation)
        for (place, name) in AveragePrecision.names.enumerated() {
            let difference = abs((found.values[place] ?? -1) - expected[place])
            #expect(difference < 1e-9, "\(name)", sourceLocation: sourceLocation)
        }
    }

    private func evaluate(
        _ folder: TestFolder, truth: Any, detections: Any, kinds: [OverlapKind]
    ) async throws -> DetectionEvaluation.Results {
        let truthPath = try folder.write(
            Array(JSONSerialization.data(withJSONObject: truth)), to: "truth.json")
        let path = try folder.write(
            Array(JSONSerialization.data(withJSONObject: detections)), to: "detections.json")
        let truth = try AnnotationFile.read(path: truthPath)
        return try await DetectionEvaluation(
            truth: truth, detections: DetectionFile.read(path: path, truth: truth), kinds: kinds
        ).run()
    }

    private func value(
        _ results: DetectionEvaluation.Results, _ kind: OverlapKind, _ place: Int
    ) -> Double {
        guard let found = results.precision[kind]?.values[place] else { return -1 }
        return (found * 1e9).rounded() / 1e9
    }

    private func object(_ name: String) throws -> [String: Any] {
        let data = try Data(contentsOf: URL(fileURLWithPath: fixture(name)))
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    @Test("the reference's detections with a crowd give pycocotools' numbers")
    func fixtureCase() async throws {
        let folder = try TestFolder()
        let content = try object("cocoeval_case.json")
        let expected = try #require(content["result"] as? [String: [String: Any]])
        let results = try await evaluate(
            folder, truth: try #require(content["gt"]), detections: try #require(content["dets"]),
            kinds: [.bbox, .segm])
        for kind in [OverlapKind.bbox, .segm] {
            let stats = try #require(expected[kind.rawValue]?["stats"] as? [Double])
            try expectEqual(results.precision[kind], stats, "\(kind)")
        }
        #expect(results.precision[.boundary] == nil)
    }

    @Test("the reference's masks of detector boxes give its numbers")
    func boxInputs() async throws {
        let folder = try TestFolder()
        let content = try object("box_inputs_result.json")
        var truth = try object("coco/instances.json")
        let annotations = try #require(truth["annotations"] as? [[String: Any]])
        truth["annotations"] = annotations.filter { ($0["id"] as? Int ?? 0) < 5000 }
        let results = try await evaluate(
            folder, truth: truth, detections: try #require(content["predictions"]),
            kinds: [.bbox, .segm])
        let stats = try #require(content["stats"] as? [String: [Double]])
        for kind in [OverlapKind.bbox, .segm] {
            try expectEqual(
                results.precision[kind], try #require(stats[kind.rawValue]), "\(kind)")
        }
        #expect(results.pairs.isEmpty)
    }

    @Test("random sets give pycocotools' numbers", arguments: 0..<6)
    func randomCases(number: Int) async throws {
        let folder = try TestFolder()
        let content = try object("evaluation/case_\(number).json")
        let stats = try #require(content["stats"] as? [String: [Double]])
        let results = try await evaluate(
            folder, truth: try #require(content["truth"]),
            detections: try #require(content["detections"]), kinds: OverlapKind.allCases)
        for kind in OverlapKind.allCases {
            try expectEqual(
                results.precision[kind], try #require(stats[kind.rawValue]), "\(kind)")
        }
    }

    @Test("the truth against itself has precision 1, and every mask its partner")
    func truthItself() async throws {
        let path = fixture("coco/instances.json")
        let truth = try AnnotationFile.read(path: path)
        let detections = try DetectionFile.read(path: path, truth: truth)
        let none = "none: all count as 1, and average precision depends on the entries' order"
        let warning = "\(path): score: expected a score in each entry, found \(none)"
        #expect(detections.problems.warnings.map(\.message) == [warning])
        let results = try await DetectionEvaluation(
            truth: truth, detections: detections, kinds: OverlapKind.allCases
        ).run()
        for kind in OverlapKind.allCases {
            for place in [0, 1, 2, 8] { #expect(value(results, kind, place) == 1, "\(kind)") }
        }
        #expect(results.pairs.count == truth.annotations.count)
        #expect(results.pairs.allSatisfy { $0.iou > 0.999 && $0.boundaryIoU > 0.999 })
    }

    private static let image = #"{"id": 1, "file_name": "a.jpg", "width": 10, "height": 8}"#
    private static let square = "[[1, 1, 1, 5, 5, 5, 5, 1]]"

    private static let truth = document(
        annotations: #"{"id": 7, "image_id": 1, "category_id": 3, "bbox": [1, 1, 4, 4], "#
            + #""area": 16, "iscrowd": 0, "segmentation": \#(square)}"#)

    /// Entries of a detector's list and what is wrong with them.
    static let broken: [(entry: String, message: String)] = [
        ("7", "annotations[0]: expected an object, found 7"),
        (
            #"{"image_id": 9, "category_id": 3, "bbox": [1, 1, 4, 4], "score": 1}"#,
            "annotations[0]: image_id: expected an image of TRUTH, found 9"
        ),
        (
            #"{"category_id": 3, "bbox": [1, 1, 4, 4], "score": 1}"#,
            "annotations[0]: image_id: expected a whole number or a text, found nothing"
        ),
        (
            #"{"id": 5, "image_id": 1, "bbox": [1, 1, 4, 4], "score": 1}"#,
            "annotation 5: category_id: expected a whole number or a text, found nothing"
        ),
        (
            #"{"image_id": 1, "category_id": 3, "bbox": [1, 1, 4], "score": 1}"#,
            "annotations[0]: bbox: expected 4 finite numbers, found [1, 1, 4]"
        ),
        (
            #"{"image_id": 1, "category_id": 3, "bbox": [1, 1, 4, 4], "score": "high"}"#,
            "annotations[0]: score: expected a finite number, found \"high\""
        ),
        (
            #"{"image_id": 1, "category_id": 3, "score": 1}"#,
            "annotations[0]: segmentation: expected a mask, as the first entry has no bbox, found "
                + "nothing"
        ),
        (
            #"{"image_id": 1, "category_id": 3, "bbox": [1, 1, 4, 4], "score": 1}, "#
                + #"{"image_id": 1, "category_id": 3, "bbox": [1, 1, 4, 4]}"#,
            "annotations[1]: score: expected a number, as other entries have, found nothing"
        ),
    ]

    @Test("an entry that can't be used is named with what is wrong", arguments: broken)
    func brokenEntries(entry: String, message: String) throws {
        let folder = try TestFolder()
        let truth = try folder.read(Self.truth)
        let path = try folder.write("[\(entry)]", to: "found.json")
        let error = #expect(throws: AnnotationError.self) {
            try DetectionFile.read(path: path, truth: truth)
        }
        let expected = message.replacingOccurrences(of: "TRUTH", with: truth.path)
        #expect(error?.description == "\(path): \(expected)")
    }

    @Test("what is neither a list nor a COCO file says so")
    func brokenFiles() throws {
        let folder = try TestFolder()
        let truth = try folder.read(Self.truth)
        for (text, found) in [("{\"results\": []}", "{\"results\": []}"), ("7", "7")] {
            let path = try folder.write(text, to: "found.json")
            let error = #expect(throws: AnnotationError.self) {
                try DetectionFile.read(path: path, truth: truth)
            }
            let wanted = #"expected a list of detections, or an object with "annotations""#
            #expect(error?.description == "\(path): \(wanted), found \(found)")
        }
        let cut = try folder.write("[{\"image_id\": 1,\n \"score\": ", to: "found.json")
        let error = #expect(throws: AnnotationError.self) {
            try DetectionFile.read(path: cut, truth: truth)
        }
        #expect(error?.description.hasPrefix("\(cut) line 2 column ") == true)
        let empty = try folder.write(" [ ] ", to: "found.json")
        #expect(try DetectionFile.read(path: empty, truth: truth).detections.isEmpty)
    }

    @Test("a mask that can't be used is named, the first one of the first image")
    func brokenMasks() async throws {
        let folder = try TestFolder()
        let truth = try folder.read(Self.truth)
        let start =
            #"{"id": 4, "image_id": 1, "category_id": 3, "bbox": [1, 1, 4, 4], "score": 1, "#
        for (mask, found) in [
            (
                #"{"size": [10, 8], "counts": "0`2"}"#,
                "one whose size is [10, 8] where its image has [8, 10]"
            ),
            (#""text""#, "one whose value is neither a list of polygons nor an RLE object"),
            ("[[1, 1, 2]]", "one whose polygon 0 has 3 numbers, not an even count from 6"),
        ] {
            let path = try folder.write(
                "[\(start)\"segmentation\": \(mask)}]", to: "found.json")
            let detections = try DetectionFile.read(path: path, truth: truth)
            let error = await #expect(throws: AnnotationError.self) {
                try await DetectionEvaluation(
                    truth: truth, detections: detections, kinds: [.segm]
                ).run()
            }
            #expect(
                error?.description
                    == "\(path): annotation 4: segmentation: expected a COCO mask, found \(found)")
        }
    }

    @Test(
        "a COCO file's entries without a score stay out of precision, other categories count nothing"
    )
    func leftOut() async throws {
        let folder = try TestFolder()
        let truth = try folder.read(Self.truth)
        let path = try folder.write(
            """
            {"annotations": [
              {"id": 7, "image_id": 1, "category_id": 3, "bbox": [1, 1, 4, 4], "score": 0.5},
              {"id": 8, "image_id": 1, "category_id": 4, "bbox": [1, 1, 4, 4], "score": 0.9},
              {"id": 9, "image_id": 1, "category_id": 3, "bbox": [6, 6, 2, 2]}]}
            """, to: "found.json")
        let detections = try DetectionFile.read(path: path, truth: truth)
        let unscored = "nothing, in 1 entries, which average precision leaves out"
        let others = "others in 1 entries, which count for nothing"
        let warnings: [String] = [
            "\(path): annotation 9: score: expected a number, as other entries have, found \(unscored)",
            "\(path): category_id: expected the categories of \(truth.path), found \(others)",
        ]
        #expect(detections.problems.warnings.map(\.message) == warnings)
        let results = try await DetectionEvaluation(
            truth: truth, detections: detections, kinds: [.bbox]
        ).run()
        #expect(value(results, .bbox, 0) == 1)
        #expect(value(results, .bbox, 4) == -1)
    }

    @Test("an object of id 0 can be found")
    func idZero() async throws {
        let folder = try TestFolder()
        let truth = try folder.read(
            Self.truth.replacingOccurrences(of: "\"id\": 7", with: "\"id\": 0"))
        let path = try folder.write(
            #"[{"image_id": 1, "category_id": 3, "bbox": [1, 1, 4, 4], "score": 1}]"#,
            to: "found.json")
        let results = try await DetectionEvaluation(
            truth: truth, detections: DetectionFile.read(path: path, truth: truth), kinds: [.bbox]
        ).run()
        #expect(value(results, .bbox, 0) == 1)
    }

    @Test("a true object without a mask is named when masks are measured")
    func truthWithoutMask() async throws {
        let folder = try TestFolder()
        let truth = try folder.read(
            document(
                annotations:
                    #"{"id": 7, "image_id": 1, "category_id": 3, "bbox": [1, 1, 4, 4]}"#))
        let path = try folder.write(
            #"[{"image_id": 1, "category_id": 3, "bbox": [1, 1, 4, 4], "score": 1}]"#,
            to: "found.json")
        let detections = try DetectionFile.read(path: path, truth: truth)
        let error = await #expect(throws: AnnotationError.self) {
            try await DetectionEvaluation(truth: truth, detections: detections, kinds: [.segm])
                .run()
        }
        #expect(
            error?.description.hasPrefix(
                "\(truth.path): annotation 7: segmentation: expected a mask, found nothing") == true
        )
        // Boxes need none; an area that is not given is that of the box.
        let boxes = try await DetectionEvaluation(
            truth: truth, detections: detections, kinds: [.bbox]
        ).run()
        #expect(value(boxes, .bbox, 3) == 1)
    }
}
