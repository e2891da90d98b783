import Annotations
import Files
import Foundation
import Imaging
import Inference
import Reporting
import Specs
import Testing
import TestSupport

@Suite("Reports")
struct ReportJobTests {
    let hostile = #"</script><img src=x onerror="alert(1)">&'\u2028"#

    /// Two pictures and `count` boxes with masks of the left half of each box, scored.
    func input(_ folder: TemporaryFolder, count: Int, score: String = "score") throws -> String {
        let images = folder.path + "/photos"
        try FileManager.default.createDirectory(atPath: images, withIntermediateDirectories: true)
        let size = Size(height: 60, width: 80)
        let png = try ImageCodec.encodePNG(RGBImage(size: size, filledWith: (90, 120, 60)))
        try Data(png).write(to: URL(fileURLWithPath: images + "/a<b>.png"))
        let records = (0..<count).map { index -> String in
            let x = index % 40
            let polygon = "[[\(x),10,\(x + 10),10,\(x + 10),40,\(x),40]]"
            return """
                {"id": \(index + 1), "image_id": \(index % 7 == 6 ? 2 : 1), "category_id": \
                \(index % 2 + 1), "bbox": [\(x), 10, 20, 30], "\(score)": \
                \(Double(index % 100) / 100), "segmentation": \(polygon)}
                """
        }
        return try folder.file(
            "masks.json",
            """
            {"images": [{"id": 1, "file_name": "a<b>.png", "width": 80, "height": 60},
              {"id": 2, "file_name": "\(hostile.replacing("\"", with: "\\\""))", "width": 80, "height": 60}],
             "categories": [{"id": 1, "name": "\(hostile.replacing("\"", with: "\\\""))"},
              {"id": 2, "name": "cat"}],
             "annotations": [\(records.joined(separator: ",\n"))]}
            """)
    }

    func job(
        _ folder: TemporaryFolder, masks: String, truth: String? = nil, out: String = "look"
    ) throws -> ReportJob {
        try ReportJob(
            masksPath: masks, imagesDirectory: folder.path + "/photos", truthPath: truth,
            outputDirectory: folder.path + "/" + out, onEvent: { _ in })
    }

    /// The object that a data file hands to the page.
    func index(_ folder: TemporaryFolder, out: String = "look") throws -> [String: Any] {
        let text = try String(
            contentsOfFile: folder.path + "/\(out)/data/index.js", encoding: .utf8)
        #expect(text.hasPrefix("MAL.index({") && text.hasSuffix("});\n"))
        let json = Data(text.dropFirst("MAL.index(".count).dropLast(3).utf8)
        return try #require(try JSONSerialization.jsonObject(with: json) as? [String: Any])
    }

    func chunk(_ folder: TemporaryFolder, _ name: String) throws -> [Any] {
        let text = try String(
            contentsOfFile: folder.path + "/look/data/\(name).js", encoding: .utf8)
        let start = "MAL.chunk(\"\(name)\","
        #expect(text.hasPrefix(start))
        let json = Data(text.dropFirst(start.count).dropLast(3).utf8)
        return try #require(try JSONSerialization.jsonObject(with: json) as? [Any])
    }

    @Test("Boxes come worst first, in pages of data, with a picture each")
    func pages() async throws {
        let folder = try TemporaryFolder()
        let summary = try await job(folder, masks: try input(folder, count: 250))
            .run(shouldStop: { false })
        #expect(summary.boxCount == 250)
        #expect(summary.unlabelledCount == 0)
        #expect(summary.pictureless == 35)
        let index = try index(folder)
        let scores = try #require(index["score"] as? [Int])
        #expect(scores.count == 250)
        #expect(scores == scores.sorted())
        let counts = try ["c0", "c1", "c2"].map { try chunk(folder, $0).count }
        #expect(counts == [100, 100, 50])
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/look/data/c3.js"))
        let pictures = try FileManager.default.contentsOfDirectory(
            atPath: folder.path + "/look/thumbs/0")
        #expect(pictures.count == 250 - summary.pictureless)
        let record = try #require(try chunk(folder, "c0")[0] as? [Any])
        let (width, height) = (try #require(record[0] as? Int), try #require(record[1] as? Int))
        let header = try ImageCodec.header(path: folder.path + "/look/thumbs/0/0.jpg")
        #expect(header.size == Size(height: height, width: width))
    }

    @Test("The worst boxes have a picture of the photograph's own pixels with what is around")
    func views() async throws {
        let folder = try TemporaryFolder()
        let masks = try input(folder, count: 30)
        let job = try ReportJob(
            masksPath: masks, imagesDirectory: folder.path + "/photos", truthPath: nil,
            outputDirectory: folder.path + "/look", viewCount: 12, onEvent: { _ in })
        _ = try await job.run(shouldStop: { false })
        #expect(try index(folder)["views"] as? Int == 12)
        #expect(try chunk(folder, "v0").count == 10)
        #expect(try chunk(folder, "v1").count == 2)
        let look = folder.path + "/look/"
        #expect(!FileManager.default.fileExists(atPath: look + "views/0/12.jpg"))
        // The box [0, 10, 20, 30] with 24 pixels on each side, inside the image of 80 × 60.
        let record = try #require(try chunk(folder, "v0")[0] as? [Any])
        #expect(record[0] as? Int == 44 && record[1] as? Int == 60)
        #expect(record[3] as? [Int] == [0, 100, 200, 400])
        #expect(record[7] as? Int == 1000)
        let header = try ImageCodec.header(path: look + "views/0/0.jpg")
        #expect(header.size == Size(height: 60, width: 44))
    }

    @Test("No character of a name can become markup or leave its string")
    func escaping() async throws {
        let folder = try TemporaryFolder()
        _ = try await job(folder, masks: try input(folder, count: 20)).run(shouldStop: { false })
        let files = try FileManager.default.subpathsOfDirectory(atPath: folder.path + "/look")
        for file in files where file.hasSuffix(".js") && file.hasPrefix("data/") {
            let text = try String(
                contentsOfFile: folder.path + "/look/" + file, encoding: .utf8)
            #expect(!text.contains { "<>&'\u{2028}".contains($0) }, "\(file)")
        }
        #expect(files.allSatisfy { $0.utf8.allSatisfy { $0 < 0x7F && $0 != UInt8(ascii: "<") } })
        let names = try #require(try index(folder)["categories"] as? [String])
        #expect(names[0].hasPrefix("</script><img src=x"))
        let page = try String(
            contentsOfFile: folder.path + "/look/index.html", encoding: .utf8)
        #expect(!page.contains("onerror"))
        #expect(page.contains("default-src 'none'"))
    }

    @Test("Images without a size have it from the mask, or from their own header")
    func sizes() async throws {
        let folder = try TemporaryFolder()
        let masks = try input(folder, count: 3)
        var text = try String(contentsOfFile: masks, encoding: .utf8)
        text = text.replacing(", \"width\": 80, \"height\": 60", with: "")
        let mask = RLE(
            window: [1], windowSize: Size(square: 1), originX: 70, originY: 50,
            imageSize: Size(height: 60, width: 80))
        text = text.replacing(
            "[[1,10,11,10,11,40,1,40]]",
            with: "{\"size\": [60, 80], \"counts\": \"\(mask.compressedString)\"}")
        _ = try folder.file("masks.json", text)
        let summary = try await job(folder, masks: masks).run(shouldStop: { false })
        #expect(summary.boxCount == 3 && summary.unlabelledCount == 0)
        let records = try chunk(folder, "c0").map { try #require($0 as? [Any]) }
        #expect(records.allSatisfy { $0[4] is String })
    }

    @Test("Any id that a file may have is shown")
    func extremeIDs() async throws {
        let folder = try TemporaryFolder()
        let masks = try input(folder, count: 2)
        var text = try String(contentsOfFile: masks, encoding: .utf8)
        text = text.replacing(
            "{\"id\": 1, \"image_id\"", with: "{\"id\": \(Int64.min), \"image_id\"")
        text = text.replacing(
            "{\"id\": 2, \"image_id\"", with: "{\"id\": \(Int64.max), \"image_id\"")
        _ = try folder.file("masks.json", text)
        _ = try await job(folder, masks: masks).run(shouldStop: { false })
        #expect(try index(folder)["id"] as? [String] == ["\(Int64.min)", "\(Int64.max)"])
    }

    @Test("An image that is too large to draw has no picture, and takes no memory")
    func hugeImage() async throws {
        let folder = try TemporaryFolder()
        let masks = try input(folder, count: 7)
        var text = try String(contentsOfFile: masks, encoding: .utf8)
        // The second image is not there.
        let end = try #require(text.range(of: "\"width\": 80", options: .backwards))
        text.replaceSubrange(end, with: "\"width\": 60000000")
        text = text.replacing(
            "\"bbox\": [6, 10, 20, 30]", with: "\"bbox\": [0, 0, 60000000, 60]")
        _ = try folder.file("masks.json", text)
        let summary = try await job(folder, masks: masks).run(shouldStop: { false })
        #expect(summary.pictureless == 1)
    }

    @Test("With a truth every mask has its IoU, and the lowest is first")
    func truth() async throws {
        let folder = try TemporaryFolder()
        let masks = try input(folder, count: 6, score: "mask_score")
        var text = try String(contentsOfFile: masks, encoding: .utf8)
        // Annotation 3 has a truth twice as wide, 4 has none.
        text = text.replacing("[[2,10,12,10,12,40,2,40]]", with: "[[2,10,22,10,22,40,2,40]]")
        text = text.replacing("[[3,10,13,10,13,40,3,40]]", with: "[]")
        let truth = try folder.file("truth.json", text)
        _ = try await job(folder, masks: masks, truth: truth).run(shouldStop: { false })
        let index = try index(folder)
        #expect(index["id"] as? [Int] == [4, 3, 1, 2, 5, 6])
        #expect(index["iou"] as? [Int] == [-1, 500, 1000, 1000, 1000, 1000])
        #expect(index["score"] as? [Int] == [30, 20, 0, 10, 40, 50])
        #expect(index["truth"] as? String == "truth.json")
    }

    @Test("A labelling run's reasons and clean-up are shown")
    func notes() async throws {
        let folder = try TemporaryFolder()
        let masks = try input(folder, count: 3)
        var text = try String(contentsOfFile: masks, encoding: .utf8)
        text = text.replacing("[[1,10,11,10,11,40,1,40]]", with: "null")
        _ = try folder.file("masks.json", text)
        _ = try folder.file(
            "masks.json.unlabelled.jsonl",
            "{\"id\": 2, \"image_id\": 1, \"reason\": \"/x/y.png: it is broken\"}\n")
        let changed = RLE(
            window: [1], windowSize: Size(square: 1), originX: 70, originY: 50,
            imageSize: Size(height: 60, width: 80))
        _ = try folder.file(
            "masks.json.cleanup.jsonl",
            "{\"id\": 3, \"changed\": {\"size\": [60, 80], \"counts\": "
                + "\"\(changed.compressedString)\"}}\n")
        let summary = try await job(folder, masks: masks).run(shouldStop: { false })
        #expect(summary.unlabelledCount == 1)
        let index = try index(folder)
        #expect(index["id"] as? [Int] == [1, 3, 2])
        #expect(index["state"] as? [Int] == [0, 1, 2])
        #expect(index["reasons"] as? [String] == ["it is broken"])
        let record = try #require(try chunk(folder, "c0")[1] as? [Any])
        #expect(record[5] is String)
        _ = try folder.file("masks.json.cleanup.jsonl", "no JSON\n")
        #expect(throws: LabelingError.self) { try job(folder, masks: masks) }
    }

    @Test("Only an earlier report is replaced, and a stopped run leaves nothing")
    func replaces() async throws {
        let folder = try TemporaryFolder()
        let masks = try input(folder, count: 4)
        #expect(
            throws: FileError.unwritable(
                path: folder.path + "/photos",
                reason: "the folder is not empty and was not written by mal; give another name")
        ) { try job(folder, masks: masks, out: "photos") }
        await #expect(throws: LabelingError.interrupted(done: 0, total: 4)) {
            try await job(folder, masks: masks).run(shouldStop: { true })
        }
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
                == ["masks.json", "photos"])
        for _ in 0..<2 {
            let summary = try await job(folder, masks: masks).run(shouldStop: { false })
            #expect(summary.indexPath == folder.path + "/look/index.html")
        }
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
                == ["look", "masks.json", "photos"])
    }

    @Test("a truth that tells nothing about any mask is an error with the counts")
    func uselessTruth() throws {
        let folder = try TemporaryFolder()
        let masks = try input(folder, count: 3)
        let text = try String(contentsOfFile: masks, encoding: .utf8)
        let truth = try folder.file(
            "truth.json",
            text.replacing("{\"id\": 3,", with: "{\"id\": 33,")
                .replacing("segmentation", with: "other"))
        #expect(
            throws: LabelingError.wrongUse(
                "\(truth): it has no true mask for any of the 3 masks of \(masks): of 3 and 3 "
                    + "annotations 2 have a common id, and 0 true ones have a mask; give the truth "
                    + "under the same annotation and image ids")
        ) { try job(folder, masks: masks, truth: truth) }
    }

    @Test("an earlier report is replaced, what others put there stays, what they changed ends it")
    func again() async throws {
        let folder = try TemporaryFolder()
        let masks = try input(folder, count: 3)
        _ = try await job(folder, masks: masks).run(shouldStop: { false })
        _ = try folder.file("look/mine.txt", "mine")
        _ = try await job(folder, masks: masks).run(shouldStop: { false })
        let look = folder.path + "/look"
        #expect(try String(contentsOfFile: look + "/mine.txt", encoding: .utf8) == "mine")
        _ = try folder.file("look/index.html", "changed")
        #expect(throws: FileError.self) { try job(folder, masks: masks) }
        #expect(try String(contentsOfFile: look + "/index.html", encoding: .utf8) == "changed")
    }
}
