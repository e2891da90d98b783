import Annotations
import Foundation
import Imaging
import MaskAutoLabeler
import Serving
import Testing

// The servers of several tests would wait for each other's computing.
@Suite("mal serve", .serialized)
struct MaskServerTests {
    private let box: [Double] = [120, 20, 200, 240]

    @Test("JSON by path, Base64 and a multipart form give the masks of the library")
    func threeForms() async throws {
        let image = try Demo.bytes("chelsea.png")
        var options = MaskLabeler.Options(device: .cpu)
        options.threads = 1
        let labeler = try await MaskLabeler(model: .tiny, options: options)
        let expected = try await labeler.masks(
            in: Image(data: image),
            boxes: [Box(x: box[0], y: box[1], width: box[2], height: box[3])])[0]
        try await withServer({ $0.imageFolders = [Demo.images] }) { client in
            let boxes: [Any] = [["box": box, "id": 7, "category": "cat"] as [String: Any]]
            let byPath = try await client.post(
                "/v1/masks", ["image": ["path": "chelsea.png"], "boxes": boxes])
            let byText = try await client.post(
                "/v1/masks", ["image": ["base64": image.base64EncodedString()], "boxes": boxes])
            var form = Data()
            form += Data("--xx\r\nContent-Disposition: form-data; name=\"boxes\"\r\n\r\n".utf8)
            form += try JSONSerialization.data(withJSONObject: boxes)
            form += Data(
                "\r\n--xx\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a;b.png\"\r\n\r\n"
                    .utf8)
            form += image + Data("\r\n--xx--\r\n".utf8)
            let byForm = try await client.request(
                "POST", "/v1/masks",
                fields: ["Content-Type": "multipart/form-data; boundary=xx"], body: form)
            for answer in [byPath, byText, byForm] {
                #expect(answer.status == 200, "\(answer.text)")
                let mask = try #require((answer.json?["masks"] as? [[String: Any]])?.first)
                let rle = try #require(mask["segmentation"] as? [String: Any])
                #expect(rle["counts"] as? String == expected.rle.compressedString)
                #expect(rle["size"] as? [Int] == [300, 451])
                #expect(mask["area"] as? Int == expected.rle.area)
                #expect(mask["score"] as? Double == expected.score)
                #expect(mask["id"] as? Int == 7)
                #expect(mask["category"] as? String == "cat")
                let polygons = try expected.polygons()
                #expect(mask["polygons"] as? [[Double]] == polygons)
            }
        }
    }

    @Test("A label picture holds each mask under its box's number")
    func picture() async throws {
        try await withServer({ $0.imageFolders = [Demo.images] }) { client in
            let request: [String: Any] = [
                "image": ["path": "coffee.png"],
                "boxes": [[140, 80, 300, 260], [900, 0, 10, 10], [200, 120, 60, 60]],
            ]
            let json = try await client.post("/v1/masks", request)
            let masks = try #require(json.json?["masks"] as? [[String: Any]])
            #expect(
                masks[1]["reason"] as? String
                    == "expected a box with pixels of the image, which is 600×400, found x 900.0, y 0.0, "
                    + "width 10.0, height 10.0")
            #expect(masks[1]["segmentation"] is NSNull)
            let picture = try await client.post(
                "/v1/masks", request, fields: ["Accept": "image/png"])
            let labels = try ImageCodec.decodeLabels(bytes: [UInt8](picture.body), name: "answer")
            var expected = [UInt16](repeating: 0, count: 600 * 400)
            for (place, mask) in masks.enumerated() {
                guard let rle = mask["segmentation"] as? [String: Any] else { continue }
                let size = Size(height: 400, width: 600)
                let mask = try RLE(
                    size: size, compressed: try #require(rle["counts"] as? String)
                ).mask()
                for pixel in mask.pixels.indices where mask.pixels[pixel] == 1 {
                    expected[pixel] = UInt16(place + 1)
                }
            }
            #expect(labels.values == expected)
        }
    }

    @Test(
        "What is wrong is named",
        arguments: [
            (
                #"{"#, 400,
                "the body: line 1 column 2: expected a key in double quotes, found the end of the file"
            ),
            (
                #"{"image": "\uD800"}"#, 400,
                #"the body: expected pairs of surrogates, found "\"\\uD800\"""#
            ),
            (#"[]"#, 422, "the body: expected an object, found []"),
            (
                #"{"boxes": []}"#, 422,
                "image: expected one of base64, path and url, found nothing"
            ),
            (
                #"{"image": {"path": "coffee.png"}}"#, 422,
                "boxes: expected a list of boxes, found nothing"
            ),
            (
                #"{"image": {"path": "coffee.png"}, "boxes": [[1, 2, 3]]}"#, 422,
                "boxes[0]: expected four numbers [x, y, width, height], found a list of 3"
            ),
            (
                #"{"image": {"path": "coffee.png"}, "boxes": [[1, 2, 3, 1e999]]}"#, 400,
                "the body: expected a number of double precision, found \"1e999\""
            ),
            (
                #"{"image": {"path": "no.png"}, "boxes": []}"#, 404,
                "no.png: no such image below --images"
            ),
            (
                #"{"image": {"path": "../boxes.json"}, "boxes": []}"#, 404,
                "../boxes.json: no such image below --images"
            ),
            (
                #"{"image": {"path": "/etc/passwd"}, "boxes": []}"#, 404,
                "/etc/passwd: no such image below --images"
            ),
            (
                #"{"image": {"base64": "aaaa"}, "boxes": [{"box": [0, 0, 1, 1], "#
                    + #""id": -9223372036854775808}]}"#, 422,
                "boxes[0].id: expected a whole number below 2^53 or a text of at most 1000 bytes, "
                    + "found -9223372036854775808"
            ),
            (
                #"{"image": {"base64": "aGVsbG8gd29ybGQ="}, "boxes": []}"#, 422,
                "image: expected a JPEG, PNG, WebP, TIFF or BMP image, found a file that starts "
                    + "with the bytes 68 65 6c 6c 6f 20 77 6f"
            ),
        ])
    func faults(body: String, status: Int, message: String) async throws {
        try await withServer({ $0.imageFolders = [Demo.images] }) { client in
            let answer = try await client.request(
                "POST", "/v1/masks", fields: ["Content-Type": "application/json"],
                body: Data(body.utf8))
            #expect(answer.status == status)
            #expect(answer.message == message)
        }
    }

    @Test("No symbolic link leads out of the image folders")
    func links() async throws {
        let folder = try TemporaryFolder()
        let inside = folder.path + "/inside"
        try FileManager.default.createDirectory(atPath: inside, withIntermediateDirectories: true)
        try Demo.bytes("coins.png").write(to: URL(fileURLWithPath: folder.path + "/secret.png"))
        try FileManager.default.createSymbolicLink(
            atPath: inside + "/file.png", withDestinationPath: "../secret.png")
        try FileManager.default.createSymbolicLink(
            atPath: inside + "/up", withDestinationPath: "..")
        try await withServer({ $0.imageFolders = [inside] }) { client in
            for path in ["file.png", "up/secret.png", "up/inside/up/secret.png"] {
                let answer = try await client.post(
                    "/v1/masks", ["image": ["path": path], "boxes": [[1, 1, 9, 9]]])
                #expect(answer.status == 404)
                #expect(answer.message == "\(path): no such image below --images")
            }
        }
    }

    @Test("With a token, only who brings it is answered")
    func token() async throws {
        let folder = try TemporaryFolder()
        let file = folder.path + "/token"
        try Data("0123456789abcdef\n".utf8).write(to: URL(fileURLWithPath: file))
        try await withServer({ $0.tokenFile = file }) { client in
            let basic = Data("user:0123456789abcdef".utf8).base64EncodedString()
            for (value, status) in [
                ("Bearer 0123456789abcdef", 200), ("Token 0123456789abcdef", 200),
                ("Basic \(basic)", 200), ("Bearer 0123456789abcde", 401), ("Bearer", 401),
                ("Bearer 0123456789abcdefg", 401), ("", 401),
            ] {
                let answer = try await client.get("/metrics", fields: ["Authorization": value])
                #expect(answer.status == status, "\(value)")
            }
            #expect(try await client.get("/health").status == 200)
        }
    }

    @Test("Pages of other sites get no answer, by name or by origin")
    func otherSites() async throws {
        try await withServer { client in
            #expect(try await client.get("/health", fields: ["Host": "evil.example"]).status == 421)
            let answer = try await client.post(
                "/v1/masks", [:], fields: ["Origin": "http://evil.example"])
            #expect(answer.status == 403)
            #expect(!answer.header.lowercased().contains("access-control"))
        }
    }

    @Test("Limits: body, boxes, pixels, methods, paths")
    func limits() async throws {
        try await withServer({
            $0.imageFolders = [Demo.images]
            $0.maxBodyBytes = 4096
            $0.maxBoxes = 2
            $0.maxPixels = 200_000
        }) { client in
            let long = try await client.post(
                "/v1/masks", ["image": ["base64": String(repeating: "A", count: 8000)]])
            #expect(long.status == 413)
            let many = try await client.post(
                "/v1/masks",
                [
                    "image": ["path": "coins.png"],
                    "boxes": [[1, 1, 9, 9], [1, 1, 9, 9], [1, 1, 9, 9]],
                ])
            #expect(many.message == "boxes: expected at most 2, found 3")
            let large = try await client.post(
                "/v1/masks", ["image": ["path": "coffee.png"], "boxes": [[1, 1, 9, 9]]])
            #expect(large.status == 422)
            #expect(
                large.message
                    == "coffee.png: the image is 600×400 pixels, at most 200000 pixels are allowed")
            let method = try await client.get("/v1/masks")
            #expect(method.status == 405)
            #expect(method.header.lowercased().contains("allow: post"))
            #expect(try await client.get("/nothing").status == 404)
        }
    }

    @Test("A full queue is told with 429, and a slow request with 504")
    func busy() async throws {
        try await withServer({
            $0.imageFolders = [Demo.images]
            $0.maxQueue = 0
            $0.maxPixels = 240_000
            // Long enough for the other one to come on a busy machine, too short for 300 boxes.
            $0.timeout = 3
        }) { client in
            func ask() async throws -> HTTPClient.Answer {
                try await client.post(
                    "/v1/masks",
                    [
                        "image": ["path": "coffee.png"],
                        "boxes": Array(repeating: [140, 80, 300, 260], count: 300),
                    ])
            }
            async let first = ask()
            async let second = ask()
            let answers = try await [first, second].sorted { $0.status < $1.status }
            #expect(answers.map(\.status) == [429, 504])
            #expect(answers[0].header.lowercased().contains("retry-after: 1"))
        }
    }

    @Test("A client that sends slowly what nobody reads, or nothing, is let go")
    func slowClients() async throws {
        try await withServer({ $0.timeout = 3 }) { client in
            let host = "Host: 127.0.0.1\r\n"
            let json = "Content-Type: application/json\r\n"
            for (text, manner, status) in [
                ("GET /health HTTP/1.1\r\n\(host)Content-Length: 999999\r\n\r\n", .drips, 200),
                ("POST /nothing HTTP/1.1\r\n\(host)Content-Length: 999999\r\n\r\n", .drips, 404),
                (
                    "POST /v1/masks HTTP/1.1\r\n\(host)\(json)Content-Length: 999999\r\n\r\n",
                    .drips, 504
                ),
                ("GET /health HTTP/1.1\r\n\(host)X: ", .drips, 0),
                ("GET /health HTTP/1.1\r\n", .waits, 0), ("", .waits, 0),
            ] as [(String, HTTPClient.Manner, Int)] {
                let start = ContinuousClock.now
                let answer = try await client.raw(Data(text.utf8), manner)
                #expect(answer.status == status, "\(text)")
                #expect(ContinuousClock.now - start < .seconds(30), "\(text)")
                if status != 0 {
                    #expect(answer.header.lowercased().contains("connection: close"))
                }
            }
        }
    }

    private func request(boxes: Int, of port: UInt16) -> Data {
        let boxes = Array(repeating: "[140, 80, 300, 260]", count: boxes).joined(separator: ",")
        let body = "{\"image\": {\"path\": \"coffee.png\"}, \"boxes\": [\(boxes)]}"
        return Data(
            """
            POST /v1/masks HTTP/1.1\r
            Host: 127.0.0.1:\(port)\r
            Content-Type: application/json\r
            Content-Length: \(body.utf8.count)\r
            \r
            \(body)
            """.utf8)
    }

    @Test("A client that sends nothing more gets its answer; one that has gone is given up")
    func closedClients() async throws {
        try await withServer({ $0.imageFolders = [Demo.images] }) { client in
            let half = try await client.raw(request(boxes: 20, of: client.port), .halfCloses)
            #expect(half.status == 200)
            #expect((half.json?["masks"] as? [Any])?.count == 20)
            _ = try await client.raw(request(boxes: 900, of: client.port), .leaves)
            var text = ""
            let start = ContinuousClock.now
            while !text.contains("status=\"499\""), ContinuousClock.now - start < .seconds(60) {
                try await Task.sleep(for: .milliseconds(100))
                text = try await client.get("/metrics").text
            }
            #expect(text.contains("mal_requests_total{path=\"/v1/masks\",status=\"499\"} 1\n"))
        }
    }

    @Test("What all requests hold is bounded, and given back")
    func held() async throws {
        try await withServer({
            $0.maxBodyBytes = 3 << 20
            $0.maxHeldBytes = 4 << 20
        }) { client in
            func post(_ count: Int, of length: Int, _ manner: HTTPClient.Manner) async throws -> Int
            {
                let head =
                    "POST /v1/masks HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                    + "Content-Type: application/json\r\nContent-Length: \(length)\r\n\r\n"
                return try await client.raw(
                    Data((head + String(repeating: " ", count: count)).utf8), manner
                ).status
            }
            let large = 3 << 20
            async let first = post(large - 20, of: large, .drips)
            try await Task.sleep(for: .milliseconds(500))
            #expect(try await post(large, of: large, .waits) == 429)
            // The dripping client's body comes to its end: spaces and letters, which are no JSON.
            #expect(try await first == 400)
            #expect(try await post(large, of: large, .waits) == 400)
        }
    }

    @Test("What JSON takes beyond its bytes counts as held")
    func heldValues() async throws {
        try await withServer({ $0.maxHeldBytes = $0.maxBodyBytes }) { client in
            for path in ["/predict", "/cvat", "/v1/masks"] {
                let body = #"{"x": ["# + String(repeating: "1,", count: 3_000_000) + "1]}"
                let answer = try await client.request(
                    "POST", path, fields: ["Content-Type": "application/json"],
                    body: Data(body.utf8))
                #expect(answer.status == 413, "\(path)")
            }
        }
    }

    @Test("JSON that would take much more memory than bytes is refused")
    func bombs() async throws {
        try await withServer { client in
            for (part, count) in [
                ("{}", 300_000), ("[]", 1_200_000), ("\"\"", 1_200_000), ("0", 4_200_000),
            ] {
                let body = "[" + String(repeating: part + ",", count: count) + "0]"
                let answer = try await client.request(
                    "POST", "/v1/masks", fields: ["Content-Type": "application/json"],
                    body: Data(body.utf8))
                #expect(answer.status == 400, "\(part)")
                #expect(answer.message.contains("expected at most 4000000 values"), "\(part)")
            }
        }
    }

    @Test("Images come by URL from allowed hosts only, and no redirect is followed")
    func remoteImages() async throws {
        let image = try Demo.bytes("coffee.png")
        let web = try WebServer { path in
            switch path {
            case "/a.png?b=%20":
                return Data("HTTP/1.1 200 OK\r\nContent-Length: \(image.count)\r\n\r\n".utf8)
                    + image
            case "/moved":
                return Data(
                    "HTTP/1.1 302 Found\r\nLocation: /a.png\r\nContent-Length: 0\r\n\r\n".utf8)
            case "/cut": return Data("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc".utf8)
            default: return Data("what is no HTTP\r\n\r\n".utf8)
            }
        }
        let host = "127.0.0.1:\(web.port)"
        try await withServer({ $0.allowedHosts = [host] }) { client in
            func ask(_ url: String) async throws -> HTTPClient.Answer {
                try await client.post(
                    "/v1/masks", ["image": ["url": url], "boxes": [[140, 80, 300, 260]]])
            }
            let found = try await ask("http://\(host)/a.png?b=%20")
            #expect(found.status == 200, "\(found.message)")
            // Often, because this server closes at once, which a slow writer would trip over.
            for _ in 0..<100 {
                let moved = try await ask("http://\(host)/moved")
                #expect(moved.status == 422)
                #expect(
                    moved.message == "\"http://\(host)/moved\": expected the answer 200, found 302")
            }
            #expect(try await ask("http://\(host)/cut").status == 422)
            #expect(try await ask("http://\(host)/noise").status == 422)
            for url in [
                "http://127.0.0.1:1/a.png", "http://localhost:\(web.port)/a.png",
                "https://\(host)/a.png", "http://\(host)@192.0.2.1/a.png", "file:///etc/passwd",
                "http://a@\(host)/a.png", "//\(host)/a.png", "", "http://[::1/",
            ] {
                let answer = try await ask(url)
                #expect(answer.status == 422, "\(url)")
                #expect(answer.message.contains("--allow-host"), "\(answer.message)")
            }
        }
        await #expect(throws: ServingError.self) {
            try await withServer({ $0.allowedHosts = ["http://x"] }) { _ in }
        }
    }

    @Test("What is no HTTP ends its connection, and the server goes on")
    func noHTTP() async throws {
        try await withServer { client in
            for text in ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\r\n"] {
                let answer = try await client.raw(Data(text.utf8), .halfCloses)
                #expect([0, 400, 505].contains(answer.status))
            }
            let nested = String(repeating: "[", count: 100_000)
            let deep = try await client.request(
                "POST", "/v1/masks", fields: ["Content-Type": "application/json"],
                body: Data(nested.utf8))
            #expect(deep.status == 400)
            let metrics = try await client.get("/metrics")
            #expect(
                metrics.text.contains("mal_requests_total{path=\"/v1/masks\",status=\"400\"} 1"))
            #expect(try await client.get("/ready").status == 200)
        }
    }

    @Test("The OpenAPI document names every path")
    func openAPI() async throws {
        try await withServer { client in
            let document = try await client.get("/openapi.json")
            #expect(document.json?["openapi"] as? String == "3.1.0")
            let paths = try #require(document.json?["paths"] as? [String: Any])
            for path in paths.keys {
                let isPost = (paths[path] as? [String: Any])?["post"] != nil
                let answer =
                    isPost ? try await client.post(path, [:]) : try await client.get(path)
                #expect(answer.status != 404 && answer.status != 405, "\(path)")
            }
        }
    }

    @Test(
        "Options that can't be are refused",
        arguments: [
            ("0.0.0.0:80", "--listen 0.0.0.0:80 is open to other machines: give --token-file too"),
            ("127.0.0.1", "--listen must be HOST:PORT with a port of 0 to 65535, is \"127.0.0.1\""),
            (
                "[::1]:99999",
                "--listen must be HOST:PORT with a port of 0 to 65535, is \"[::1]:99999\""
            ),
        ])
    func options(listen: String, message: String) async {
        var options = ServerOptions()
        options.listen = listen
        await #expect(throws: ServingError.wrongOption(message)) {
            _ = try await MaskServer(options)
        }
    }
}
