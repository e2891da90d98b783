import Annotations
import Foundation
import Formats
import Imaging
import Serving
import Testing

@Suite("Label Studio and CVAT", .serialized)
struct ToolsTests {
    private let config = """
        <View><Image name="picture" value="$photo"/>
        <RectangleLabels name="boxes" toName="picture"><Label value="cat"/></RectangleLabels>
        <BrushLabels name="masks" toName="picture"><Label value="cat"/></BrushLabels></View>
        """
    private let size = Size(height: 300, width: 451)

    private func rectangle(_ box: [Double]) -> [String: Any] {
        [
            "type": "rectanglelabels", "from_name": "boxes", "to_name": "picture",
            "value": [
                "x": 100 * box[0] / 451, "y": 100 * box[1] / 300, "width": 100 * box[2] / 451,
                "height": 100 * box[3] / 300, "rotation": 0, "rectanglelabels": ["cat"],
            ] as [String: Any],
        ]
    }

    private func mask(_ client: HTTPClient, _ box: [Double]) async throws -> RLE {
        let answer = try await client.post(
            "/v1/masks", ["image": ["path": "chelsea.png"], "boxes": [box]])
        let mask = (answer.json?["masks"] as? [[String: Any]])?.first
        let counts = (mask?["segmentation"] as? [String: Any])?["counts"] as? String
        return try RLE(size: size, compressed: try #require(counts))
    }

    @Test("Rectangles of tasks and a drawn one get brush masks that are exactly /v1/masks'")
    func labelStudio() async throws {
        try await withServer({ $0.imageFolders = [Demo.images] }) { client in
            let (first, drawn) = ([120.0, 20, 200, 240], [60.0, 60, 300, 200])
            let task: [String: Any] = [
                "id": 1, "data": ["photo": "/data/local-files/?d=chelsea.png"],
                "annotations": [["result": [rectangle(first)]]],
            ]
            let body: [String: Any] = ["tasks": [task], "label_config": config]
            let whole = try await client.post("/predict", body)
            var interactive = body
            interactive["params"] = ["context": ["result": [rectangle(drawn)]]]
            for (answer, box) in [
                (whole, first), (try await client.post("/predict", interactive), drawn),
            ] {
                #expect(answer.status == 200, "\(answer.text)")
                let result = try #require((answer.json?["results"] as? [[String: Any]])?.first)
                let shape = try #require((result["result"] as? [[String: Any]])?.first)
                #expect(shape["from_name"] as? String == "masks")
                #expect(shape["to_name"] as? String == "picture")
                #expect(shape["type"] as? String == "brushlabels")
                #expect(shape["original_width"] as? Int == 451)
                let value = try #require(shape["value"] as? [String: Any])
                #expect(value["brushlabels"] as? [String] == ["cat"])
                let bytes = try #require(value["rle"] as? [Int]).map { UInt8($0) }
                let found = try LabelStudioRLE.decode(bytes, size: size)
                #expect(found == (try await mask(client, box)))
                #expect(result["score"] as? Double == shape["score"] as? Double)
            }
        }
    }

    @Test("A task without rectangles has no result, a picture elsewhere is named")
    func labelStudioFaults() async throws {
        try await withServer { client in
            let empty = try await client.post(
                "/predict", ["tasks": [["data": ["photo": "x"]]], "label_config": config])
            let result = (empty.json?["results"] as? [[String: Any]])?.first
            #expect((result?["result"] as? [Any])?.isEmpty == true)
            let task: [String: Any] = [
                "data": ["photo": "http://192.0.2.1/x.png"],
                "annotations": [["result": [rectangle([1, 1, 9, 9])]]],
            ]
            let drawn = ["context": ["result": [rectangle([1, 1, 9, 9])]]]
            let elsewhere = try await client.post(
                "/predict", ["tasks": [task], "label_config": config, "params": drawn])
            #expect(elsewhere.status == 422)
            #expect(
                elsewhere.message
                    == "\"http://192.0.2.1/x.png\": expected a URL http://HOST/… with a host of "
                    + "--allow-host")
            #expect(try await client.post("/setup", ["project": "1"]).json?["model_version"] != nil)
            #expect(try await client.get("/versions").json?["versions"] != nil)
            #expect(try await client.post("/webhook", ["action": "x"]).status == 200)
        }
    }

    @Test("Tasks whose picture is not to be had get no masks, the others theirs")
    func missingPictures() async throws {
        try await withServer({ $0.imageFolders = [Demo.images] }) { client in
            let tasks = ["no.png", "chelsea.png", "../boxes.json"].map { name in
                [
                    "data": ["photo": "/data/local-files/?d=" + name],
                    "annotations": [["result": [rectangle([120, 20, 200, 240])]]],
                ] as [String: Any]
            }
            let answer = try await client.post(
                "/predict", ["tasks": tasks, "label_config": config])
            #expect(answer.status == 200, "\(answer.text)")
            let results = try #require(answer.json?["results"] as? [[String: Any]])
            #expect(results.map { ($0["result"] as? [Any])?.count } == [0, 1, 0])
        }
    }

    @Test("CVAT's interactor gives rows of the whole picture")
    func cvat() async throws {
        try await withServer({ $0.imageFolders = [Demo.images] }) { client in
            let body: [String: Any] = [
                "image": try Demo.bytes("chelsea.png").base64EncodedString(),
                "pos_points": [], "neg_points": [], "obj_bbox": [[320, 260], [120, 20]],
            ]
            let answer = try await client.post("/cvat", body)
            let rows = try #require(answer.json?["mask"] as? [[Int]])
            #expect(rows.count == 300)
            let pixels = rows.flatMap { $0.map { UInt8($0) } }
            let expected = try await mask(client, [120, 20, 200, 240])
            #expect(RLE(Mask(size: size, pixels: pixels)) == expected)
            let without = try await client.post("/cvat", ["image": body["image"]!])
            #expect(
                without.message
                    == "obj_bbox: expected two corners [[x, y], [x, y]], found nothing")
        }
    }
}
