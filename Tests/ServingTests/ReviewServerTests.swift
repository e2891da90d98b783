import Annotations
import Files
import Foundation
import Glibc
import Imaging
import MaskAutoLabeler
import Serving
import Specs
import Testing

@Suite("mal review")
struct ReviewServerTests {
    private let folder: TemporaryFolder
    private let masks: String
    private let size = Size(height: 300, width: 451)

    init() throws {
        folder = try TemporaryFolder()
        masks = folder.path + "/masks.json"
        let rle = RLE(Mask(box: Box(cocoX: 100, y: 50, width: 80, height: 60), size: size))
        let text = """
            {"info": {"kept": 1.50}, "images": [{"id": 3, "file_name": "chelsea.png", "width": 451, "height": 300}],
             "categories": [{"id": 1, "name": "cat"}, {"id": 9, "name": "dog"}],
             "annotations": [
              {"id": 11, "image_id": 3, "category_id": 1, "bbox": [100, 50, 80, 60], "mine": "1e0", "score": 0.8,
               "segmentation": {"size": [300, 451], "counts": "\(rle.compressedString)"}, "area": 4800},
              {"id": 12, "image_id": 3, "category_id": 9, "bbox": [10, 10, 50, 40], "score": 0.2},
              {"id": 13, "image_id": 3, "category_id": 9, "bbox": [200, 10, 50, 40], "score": 0.5}
             ]}

            """.replacingOccurrences(
                of: rle.compressedString,
                with: rle.compressedString.replacingOccurrences(of: "\\", with: "\\\\"))
        try Data(text.utf8).write(to: URL(fileURLWithPath: masks))
    }

    private func options(output: String? = nil) -> ReviewOptions {
        var options = ReviewOptions(masks: masks, images: Demo.images, output: output)
        options.model = .tiny
        options.labeler.device = .cpu
        options.labeler.threads = 1
        options.author = "tester"
        return options
    }

    private func withReview(
        images: String? = nil, _ body: (HTTPClient, _ page: String) async throws -> Void
    ) async throws {
        var options = options()
        if let images { options.images = images }
        let server = try await ReviewServer(options)
        let (urls, source) = AsyncStream<String>.makeStream()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { source.finish() }
                try await server.run { source.yield($0) }
            }
            var iterator = urls.makeAsyncIterator()
            let url = try #require(await iterator.next())
            let parts = url.split(separator: "/").map(String.init)
            try await body(
                HTTPClient(url: parts[0] + "//" + parts[1]), "/r/\(parts[3])/")
            group.cancelAll()
        }
    }

    private func version(_ answer: HTTPClient.Answer) throws -> Int {
        let object = (answer.json?["objects"] as? [[String: Any]])?.first
        return try #require(object?["version"] as? Int)
    }

    private func head(_ answer: HTTPClient.Answer, _ name: String) -> Any {
        (answer.json?["heads"] as? [String: Any])?[name] ?? NSNull()
    }

    @Test("The page is behind a random address, and brings a content security policy")
    func page() async throws {
        try await withReview { client, page in
            let html = try await client.get(page)
            #expect(html.status == 200)
            #expect(
                html.header.lowercased().contains("content-security-policy: default-src 'none'"))
            for name in ["review.css", "review.js", "canvas.js", "tools.js", "rle.js", "api.js"] {
                #expect(try await client.get(page + name).status == 200, "\(name)")
            }
            let other = page.dropLast(2) + (page.hasSuffix("x/") ? "y/" : "x/")
            #expect(try await client.get(String(other)).status == 404)
            #expect(try await client.get(String(other) + "api/index").status == 404)
            #expect(try await client.get("/").status == 404)
            let foreign = try await client.get(page, fields: ["Host": "evil.example"])
            #expect(foreign.status == 421)
            let plain = try await client.post(
                page + "api/save", [:], fields: ["Content-Type": "text/plain"])
            #expect(plain.status == 415)
        }
    }

    @Test(
        "Steps are kept, undone and repeated across restarts; windows do not overwrite each other")
    func steps() async throws {
        let painted = RLE(Mask(box: Box(cocoX: 12, y: 12, width: 20, height: 20), size: size))
        try await withReview { client, page in
            let first = try await client.post(
                page + "api/step",
                [
                    "kind": "mask", "seconds": 2.5,
                    "changes": [["key": "a1", "version": 0, "counts": painted.compressedString]],
                ])
            #expect(first.status == 200, "\(first.text)")
            let late = try await client.post(
                page + "api/step",
                ["kind": "reject", "changes": [["key": "a1", "version": 0, "state": "rejected"]]])
            #expect(late.status == 409)
            #expect(late.message == "a1: another window has changed it meanwhile")
            let second = try await client.post(
                page + "api/step",
                [
                    "kind": "accept",
                    "changes": [["key": "a1", "version": try version(first), "state": "accepted"]],
                ])
            #expect(second.status == 200)
            let stale = try await client.post(
                page + "api/undo", ["head": head(first, "undo")])
            #expect(stale.status == 409)
        }
        try await withReview { client, page in
            let index = try await client.get(page + "api/index")
            let undone = try await client.post(page + "api/undo", ["head": head(index, "undo")])
            let object = try #require((undone.json?["objects"] as? [[String: Any]])?.first)
            #expect(object["state"] as? String == "pending")
            #expect(object["counts"] as? String == painted.compressedString)
            let before = try await client.post(page + "api/undo", ["head": head(undone, "undo")])
            let original = try #require((before.json?["objects"] as? [[String: Any]])?.first)
            #expect(original["counts"] is NSNull)
            #expect(head(before, "undo") is NSNull)
            let again = try await client.post(page + "api/redo", ["head": head(before, "redo")])
            let repeated = try #require((again.json?["objects"] as? [[String: Any]])?.first)
            #expect(repeated["counts"] as? String == painted.compressedString)
        }
    }

    @Test("Save changes what was changed and keeps every other byte")
    func save() async throws {
        let before = try String(contentsOfFile: masks, encoding: .utf8)
        let painted = RLE(Mask(box: Box(cocoX: 210, y: 20, width: 30, height: 10), size: size))
        try await withReview { client, page in
            for step in [
                ["kind": "accept", "changes": [["key": "a0", "version": 0, "state": "accepted"]]],
                ["kind": "delete", "changes": [["key": "a1", "version": 0, "state": "deleted"]]],
                [
                    "kind": "mask",
                    "changes": [
                        [
                            "key": "a2", "version": 0, "counts": painted.compressedString,
                            "category": 0,
                        ]
                    ],
                ],
                [
                    "kind": "new",
                    "changes": [
                        [
                            "image": 0, "box": [5, 6, 7, 8], "category": 1,
                            "counts": painted.compressedString,
                        ]
                    ],
                ],
            ] as [[String: Any]] {
                let answer = try await client.post(page + "api/step", step)
                #expect(answer.status == 200, "\(answer.text)")
            }
            let answer = try await client.post(page + "api/save", [:])
            #expect(
                answer.json?["message"] as? String
                    == "\(folder.path)/masks.reviewed.json: 1 reviewed, 1 changed, 1 added, 1 deleted"
            )
        }
        #expect(try String(contentsOfFile: masks, encoding: .utf8) == before)
        let path = folder.path + "/masks.reviewed.json"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(text.contains("{\"info\": {\"kept\": 1.50}, \"images\""))
        #expect(text.contains("\"mine\": \"1e0\", \"score\": 0.8"))
        #expect(
            text.contains("\"review\": {\"by\":\"tester\",\"seconds\":0,\"state\":\"accepted\"}"))
        let file = try AnnotationFile.read(path: path)
        #expect(file.annotations.map(\.id) == [.integer(11), .integer(13), .integer(14)])
        #expect(file.annotations.map(\.categoryIndex) == [0, 0, 1])
        for place in [1, 2] {
            let record = file.annotations[place]
            #expect(try file.truth(of: record, imageSize: size) == painted)
            #expect(file.number("area", of: record) == Double(painted.area))
        }
        #expect(file.annotations[2].box == Box(cocoX: 5, y: 6, width: 7, height: 8))
        let results = try await PredictionJob(predictionsPath: masks, truthPath: path) { _ in }
            .run()
        #expect(results.text.contains("\n3 predictions, 3 true objects, 1 images; "))
    }

    @Test("The network labels a drawn box; thresholds and clicks change its mask")
    func network() async throws {
        try await withReview { client, page in
            let place: [String: Any] = ["image": 0, "box": [120, 20, 200, 240]]
            let found = try await client.post(page + "api/predict", place)
            let area = try #require(found.json?["area"] as? Int)
            #expect(area > 0)
            var areas: [Int] = []
            for threshold in [0.1, 0.5, 0.9] {
                let answer = try await client.post(
                    page + "api/predict", place.merging(["threshold": threshold]) { $1 })
                areas.append(try #require(answer.json?["area"] as? Int))
            }
            #expect(areas == areas.sorted(by: >))
            let counts = try #require(found.json?["counts"] as? String)
            var point = place.merging(["counts": counts, "x": 122, "y": 250, "adds": true]) { $1 }
            let more = try await client.post(page + "api/click", point)
            #expect(try #require(more.json?["area"] as? Int) > area)
            point["counts"] = more.json?["counts"]
            point["adds"] = false
            let less = try await client.post(page + "api/click", point)
            #expect(try #require(less.json?["area"] as? Int) < (more.json?["area"] as? Int ?? 0))
            // Of a mask that is wrong as a whole, no more than is around the point.
            let whole = Mask(box: Box(cocoX: 120, y: 20, width: 200, height: 240), size: size)
            point["counts"] = RLE(whole).compressedString
            (point["x"], point["y"]) = (140, 140)
            let rest = try await client.post(page + "api/click", point)
            let removed = 200 * 240 - (rest.json?["area"] as? Int ?? 0)
            #expect(removed > 0 && removed < 3400)
            point["x"] = 10
            let outside = try await client.post(page + "api/click", point)
            #expect(
                outside.message
                    == "point: expected a point in the box; draw a larger box first")
        }
    }

    @Test("Tiles show the photograph's pixels, and nothing outside it")
    func tiles() async throws {
        try await withReview { client, page in
            let whole = try await client.get(page + "api/tile/0?x=0&y=0&w=512&h=512&s=1")
            let image = try ImageCodec.decode(bytes: [UInt8](whole.body))
            #expect(image.size == size)
            let half = try await client.get(page + "api/tile/0?x=0&y=0&w=512&h=512&s=2")
            #expect(
                try ImageCodec.decode(bytes: [UInt8](half.body)).size
                    == Size(height: 150, width: 226))
            for query in [
                "x=451&y=0&w=5&h=5&s=1", "x=-1&y=0&w=5&h=5&s=1", "x=0&y=0&w=9999999&h=5&s=1",
                "x=0&y=0&w=5&h=5&s=0", "",
            ] {
                #expect(try await client.get(page + "api/tile/0?" + query).status == 422)
            }
            #expect(try await client.get(page + "api/tile/7?x=0&y=0&w=5&h=5&s=1").status == 404)
        }
    }

    @Test("A log of other masks is refused")
    func otherMasks() async throws {
        try await withReview { _, _ in }
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: masks))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data("\n".utf8))
        try handle.close()
        let options = ReviewOptions(masks: masks, images: Demo.images)
        await #expect(
            throws: ServingError.wrongOption(
                "\(masks).review.sqlite: it is the review of other masks; the masks have changed "
                    + "since. Move it away to begin anew")
        ) { _ = try await ReviewServer.export(options) }
    }

    @Test("A log belongs to one process; the result can be written beside it")
    func locked() async throws {
        try await withReview { client, page in
            await #expect(
                throws: FileError.unwritable(
                    path: masks + ".review.sqlite",
                    reason: "another mal (process \(getpid())) is writing it; wait until "
                        + "it ends, or end it")
            ) { _ = try await ReviewServer(options()) }
            let step = try await client.post(
                page + "api/step",
                ["kind": "accept", "changes": [["key": "a0", "version": 0, "state": "accepted"]]])
            #expect(step.status == 200)
            let path = folder.path + "/now.json"
            let message = try await ReviewServer.export(options(output: path))
            #expect(message == "\(path): 1 reviewed, 0 changed, 0 added, 0 deleted")
        }
    }

    @Test("No output is written over an input")
    func inputs() async throws {
        try await withReview { _, _ in }
        let link = folder.path + "/link.json"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: masks)
        let photo = Demo.images + "/chelsea.png"
        let log = masks + ".review.sqlite"
        for (output, input) in [
            (masks, "input masks \(masks)"), (link, "input masks \(masks)"),
            (folder.path + "/./masks.json", "input masks \(masks)"),
            (photo, "input image \(photo)"), (log, "input log \(log)"),
        ] {
            await #expect(
                throws: LabelingError.wrongUse(
                    "the output masks \(output) is the \(input); give another name")
            ) { _ = try await ReviewServer.export(options(output: output)) }
            await #expect(throws: LabelingError.self) {
                _ = try await ReviewServer(options(output: output))
            }
        }
    }

    @Test("Only an unchanged result of the same review is replaced")
    func standing() async throws {
        let path = folder.path + "/masks.reviewed.json"
        let refusal = LabelingError.wrongUse(
            "the output \(path) is there, and is no result of this review, or it has changed since; "
                + "--overwrite replaces it; or name another file")
        try Data("mine".utf8).write(to: URL(fileURLWithPath: path))
        try await withReview { client, page in
            let answer = try await client.post(page + "api/save", [:])
            #expect(answer.status == 422)
            #expect(answer.message == "\(refusal)")
        }
        await #expect(throws: refusal) { _ = try await ReviewServer.export(options()) }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "mine")
        try FileManager.default.removeItem(atPath: path)
        for _ in 0..<2 { _ = try await ReviewServer.export(options()) }
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: path))
                == Data(contentsOf: URL(fileURLWithPath: masks)))
        try Data("mine".utf8).write(to: URL(fileURLWithPath: path))
        await #expect(throws: refusal) { _ = try await ReviewServer.export(options()) }
        var overwriting = options()
        overwriting.overwrites = true
        _ = try await ReviewServer.export(overwriting)
        #expect(try AnnotationFile.read(path: path).annotations.count == 3)
    }

    @Test("A change of state or category keeps the mask's spelling, and what is undone leaves none")
    func spelling() async throws {
        let polygon = "[[ 10, 10.50, 40,10.5 ,40, 30]]"
        try write(
            """
            {"images": [{"id": 3, "file_name": "chelsea.png"}], "categories": [{"id": 0}, {"id": 5}],
             "annotations": [{"id": 1, "image_id": 3, "category_id": 5, "bbox": [10, 10, 30, 20],
              "segmentation": \(polygon)}]}
            """)
        let before = try String(contentsOfFile: masks, encoding: .utf8)
        try await withReview { client, page in
            let object = try await client.get(page + "api/object/a0")
            let counts = try #require(
                (object.json?["object"] as? [String: Any])?["counts"] as? String)
            // The same mask painted is no change.
            for change in [["counts": counts], ["category": 0]] as [[String: Any]] {
                let known = try await client.get(page + "api/object/a0")
                let version = (known.json?["object"] as? [String: Any])?["version"] ?? -1
                let fields = change.merging(["key": "a0", "version": version]) { $1 }
                let step = try await client.post(
                    page + "api/step", ["kind": "category", "changes": [fields]])
                #expect(step.status == 200, "\(step.text)")
            }
            let path = folder.path + "/one.json"
            _ = try await ReviewServer.export(options(output: path))
            let text = try String(contentsOfFile: path, encoding: .utf8)
            #expect(text.contains("\"category_id\": 0,"))
            #expect(text.contains("\"segmentation\": \(polygon)"))
            #expect(!text.contains("area"))
            var index = try await client.get(page + "api/index")
            for _ in 0..<2 {
                index = try await client.post(page + "api/undo", ["head": head(index, "undo")])
                #expect(index.status == 200)
            }
            _ = try await ReviewServer.export(options(output: path))
            #expect(try String(contentsOfFile: path, encoding: .utf8) == before)
        }
    }

    private func write(_ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: masks))
    }

    @Test("What can't be shown is told in words")
    func words() async throws {
        let images = folder.path + "/images"
        try FileManager.default.createDirectory(atPath: images, withIntermediateDirectories: true)
        for (name, target) in [("in.png", Demo.images), ("out.png", Demo.images)] {
            let path = images + "/" + name
            if name == "in.png" {
                try FileManager.default.copyItem(atPath: target + "/chelsea.png", toPath: path)
            } else {
                try FileManager.default.createSymbolicLink(
                    atPath: path, withDestinationPath: target + "/chelsea.png")
            }
        }
        try write(
            """
            {"images": [{"id": 1, "file_name": "in.png"}, {"id": 2, "file_name": "out.png"},
              {"id": 3, "file_name": "gone.png"}], "categories": [{"id": 0}],
             "annotations": [
              {"id": 7, "image_id": 1, "category_id": 0, "bbox": [1, 1, 3, 2],
               "segmentation": {"size": [4, 5], "counts": [20]}},
              {"id": 8, "image_id": 2, "category_id": 0, "bbox": [1, 1, 3, 2]},
              {"id": 9, "image_id": 3, "category_id": 0, "bbox": [1, 1, 3, 2]}]}
            """)
        try await withReview(images: images) { client, page in
            let size = try await client.get(page + "api/object/a0")
            #expect(size.status == 422)
            #expect(
                size.message
                    == "\(masks): annotation 7: segmentation: expected the size of its image, "
                    + "[300, 451], found [4, 5]")
            let link = try await client.get(page + "api/object/a1")
            #expect(link.status == 422)
            #expect(
                link.message
                    == "out.png: it is a link that leads out of --images, or can't be read")
            let gone = try await client.get(page + "api/object/a2")
            #expect(gone.status == 404)
            #expect(gone.message == "gone.png: no such image below --images")
            let tile = try await client.get(page + "api/tile/0?x=0&y=0&w=5&h=5&s=1")
            #expect(tile.header.contains("private, max-age=3600"))
            #expect(!tile.header.contains("no-store"))
        }
    }

    @Test("A damaged log is refused")
    func damaged() async throws {
        try await withReview { client, page in
            _ = try await client.post(
                page + "api/step",
                ["kind": "accept", "changes": [["key": "a0", "version": 0, "state": "accepted"]]])
        }
        let log = masks + ".review.sqlite"
        let whole = try String(contentsOfFile: log, encoding: .isoLatin1)
        for (part, other, reason) in [
            ("\"image\":0", "\"image\":7", "\"a0\" can't be an object of these masks"),
            ("\"image\":0", "\"image\":x", "a record in it is damaged"),
        ] {
            let text = whole.replacingOccurrences(of: part, with: other)
            try text.write(toFile: log, atomically: false, encoding: .isoLatin1)
            await #expect(throws: FileError.unreadable(path: log, reason: reason)) {
                _ = try await ReviewServer.export(options())
            }
        }
        for end in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: log + end) }
        try Data("no database, but text that is longer than a header".utf8).write(
            to: URL(fileURLWithPath: log))
        await #expect(
            throws: FileError.unreadable(
                path: log, reason: "it can't be used as the review's log: file is not a database")
        ) { _ = try await ReviewServer.export(options()) }
    }
}
