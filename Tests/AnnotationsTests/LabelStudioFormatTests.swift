import Annotations
import Formats
import Foundation
import Imaging
import Testing

@Suite struct LabelStudioFormatTests {
    let folder: TestFolder

    init() throws {
        folder = try TestFolder()
    }

    private func task(
        _ results: String, image: String = "/data/upload/1/a1b2-p0.jpg", more: String = ""
    ) -> String {
        #"[{"id": 7, "annotations": [{"id": 3, "result": [\#(results)]\#(more)}], "#
            + #""data": {"image": "\#(image)"}}]"#
    }

    private func result(_ value: String, type: String = "rectanglelabels") -> String {
        #"{"original_width": 160, "original_height": 160, "value": {\#(value)}, "#
            + #""type": "\#(type)", "id": "x\#(value.hashValue)"}"#
    }

    @Test("rectangles in per cent turn clockwise about their corner; polygons and ellipses")
    func shapes() throws {
        try folder.add(
            "export.json",
            task(
                [
                    result(
                        #""x": 25.0, "y": 10.0, "width": 50.0, "height": 60.0, "rotation": 0, "#
                            + #""rectanglelabels": ["face"]"#),
                    result(
                        #""x": 50, "y": 50, "width": 25, "height": 12.5, "rotation": 90, "#
                            + #""rectanglelabels": ["face"]"#),
                    result(
                        #""points": [[10, 10], [20, 10], [20, 30]], "polygonlabels": ["cat"]"#,
                        type: "polygonlabels"),
                    result(
                        #""x": 50, "y": 50, "radiusX": 10, "radiusY": 5, "ellipselabels": ["cat"]"#,
                        type: "ellipselabels"),
                    result(
                        #""x": 5, "y": 5, "width": 1, "keypointlabels": ["eye"]"#,
                        type: "keypointlabels"),
                    result(#""choices": ["good"]"#, type: "choices"),
                ].joined(separator: ", ")))
        let file = try folder.load("export.json")
        #expect(file.format == .labelStudio)
        #expect(
            lines(file) == [
                "a1b2-p0.jpg face 40 16 80 96", "a1b2-p0.jpg face 60 80 20 40",
                "a1b2-p0.jpg cat 16 16 16 32", "a1b2-p0.jpg cat 64 72 32 16",
            ])
        #expect(file.images[0].size == Size(height: 160, width: 160))
        #expect(
            try file.segmentation(of: file.annotations[1])
                == .polygons([[80, 80, 80, 120, 60, 120, 60, 80]]))
        #expect(
            folder.warnings(file) == [
                "warning: export.json task 1: annotations[0].result[4]: expected a rectangle, "
                    + #"polygon, ellipse or brush, found "keypointlabels", which has no box: it "#
                    + "is left out"
            ])
    }

    @Test(
        "the image of a task is found in the images folder",
        arguments: [
            ("/data/upload/1/a1b2c3d4-p0.jpg", "p0.jpg"),
            ("/data/local-files/?d=set/one%20two/p%201.jpg", "one two/p 1.jpg"),
            ("s3://bucket/deep/p0.jpg", "p0.jpg"),
            ("https://example.org/x/p0.jpg?sig=1%2F2", "p0.jpg"),
            ("p0.jpg", "p0.jpg"),
        ])
    func names(address: String, name: String) throws {
        try folder.add("images/p0.jpg", pngHeader(width: 160, height: 160))
        try folder.add("images/one two/p 1.jpg", pngHeader(width: 160, height: 160))
        try folder.add("x.json", task("", image: address))
        #expect(try folder.load("x.json", images: "images").images.map(\.fileName) == [name])
    }

    @Test("the ground truth counts, else the last that was not cancelled; labels of their own")
    func several() throws {
        func annotation(_ x: Int, _ more: String) -> String {
            #"{"result": [{"id": "r", "type": "rectangle", "original_width": 100, "#
                + #""original_height": 100, "value": {"x": \#(x), "y": 1, "width": 2, "height": 3}}, "#
                + #"{"id": "r", "type": "labels", "value": {"x": \#(x), "y": 1, "width": 2, "#
                + #""height": 3, "labels": ["dog"]}}]\#(more)}"#
        }
        let cancelled = #", "was_cancelled": true"#
        for (all, x) in [
            ([annotation(1, ""), annotation(2, ""), annotation(3, cancelled)], 2),
            ([annotation(1, #", "ground_truth": true"#), annotation(2, "")], 1),
        ] {
            try folder.add(
                "x.json",
                #"[{"annotations": [\#(all.joined(separator: ", "))], "data": {"img": "a.jpg"}}]"#)
            let file = try folder.load("x.json")
            #expect(lines(file) == ["a.jpg dog \(x) 1 2 3"])
            #expect(folder.warnings(file)[0].contains("expected one for each task, found 2"))
        }
    }

    @Test("run lengths are those of rle-pack, written and read")
    func runLengths() throws {
        // What label-studio-sdk 2.1's encoder gives for these rows.
        let packed: [UInt8] = [
            0, 0, 0, 48, 57, 27, 252, 96, 19, 255, 198, 1, 127, 254, 112, 8, 255, 227, 0, 0,
        ]
        let size = Size(height: 3, width: 4)
        let rows: [UInt8] = [0, 1, 1, 0, 1, 1, 1, 1, 0, 0, 1, 0]
        let mask = RLE(Mask(size: size, pixels: rows))
        #expect(try LabelStudioRLE.decode(packed, size: size) == mask)
        #expect(try LabelStudioRLE.decode(LabelStudioRLE.encode(mask), size: size) == mask)
        // A run of eight values that do not repeat: two pixels, the first with alpha 255.
        let values =
            ["11111111", "00000000", "00000000", "11111111"]
            + [String](repeating: "00000000", count: 4)
        let bits =
            "00000000000000000000000000001000" + "00111" + "0011001100110011" + "0000111"
            + values.joined() + "0000"
        let plain = stride(from: 0, to: bits.count - 7, by: 8).map { place in
            UInt8(bits.dropFirst(place).prefix(8), radix: 2) ?? 0
        }
        #expect(
            try LabelStudioRLE.decode(plain, size: Size(height: 1, width: 2)).counts == [0, 1, 1])
        // Runs whose length fills its bits: 4, 64, 1,024 and 16,384 pixels of 4 values, and one more.
        for length in [4, 64, 1024, 16_384].flatMap({ [$0, $0 + 1] }) {
            let size = Size(height: 1, width: 2 * length + 1)
            let mask = RLE(size, [UInt32(length), UInt32(length), 1])
            #expect(try LabelStudioRLE.decode(LabelStudioRLE.encode(mask), size: size) == mask)
        }
        var generator = Xorshift(seed: 11)
        for _ in 0..<20 {
            let size = Size(
                height: .random(in: 1...40, using: &generator),
                width: .random(in: 1...300, using: &generator))
            let share = Double.random(in: 0...1, using: &generator)
            let pixels = (0..<size.height * size.width).map { _ -> UInt8 in
                Double.random(in: 0...1, using: &generator) < share ? 1 : 0
            }
            let mask = RLE(Mask(size: size, pixels: pixels))
            #expect(try LabelStudioRLE.decode(LabelStudioRLE.encode(mask), size: size) == mask)
        }
        let whole = LabelStudioRLE.encode(mask)
        for count in whole.indices {
            #expect(throws: LabelStudioRLE.Fault.self) {
                try LabelStudioRLE.decode(Array(whole.prefix(count)), size: size)
            }
        }
        #expect(
            throws: LabelStudioRLE.Fault(
                expected: "52 values, 4 for each of 13×1 pixels", found: "48")
        ) {
            try LabelStudioRLE.decode(packed, size: Size(height: 1, width: 13))
        }
    }

    @Test("what is written comes back: masks to the pixel, ids, scores")
    func roundTrip() throws {
        let scene = try folder.scene()
        let report = try folder.export(scene, .labelStudio, "out.json")
        #expect(report.writtenCount == 3)
        let text = try text(of: folder.path + "/out.json")
        #expect(text.contains(#"{"image": "/data/local-files/?d=in/a%20b.jpg"}"#))
        #expect(text.contains(#""predictions": [{"model_version": "mal", "score": 0.75, "#))
        let file = try folder.load("out.json")
        #expect(file.format == .labelStudio)
        #expect(
            lines(file) == [
                #"in/a b.jpg ca"t 1 1 3 3"#, "in/a b.jpg big dog 6 2 5 8",
                #"in/a b.jpg ca"t 0.5 7.25 3 2"#,
            ])
        #expect(file.annotations.map(\.id) == [.integer(11), .integer(12), .integer(13)])
        #expect(try masks(file) == masks(scene))
        #expect(json(file, 0).contains(#""score": 0.75, "model_version": "mal""#))
        #expect(file.images.map(\.fileName) == ["in/a b.jpg", "c.jpg"])
    }

    @Test("wrong values are told with task and field")
    func broken() throws {
        for (results, message) in [
            (
                result(#""x": "a", "y": 1, "width": 1, "height": 1, "rectanglelabels": ["f"]"#),
                #"value.x: expected a finite number, found "a""#
            ),
            (
                result(#""points": [[1, 2], [3]], "polygonlabels": ["f"]"#),
                "value.points: expected at least 3 points [x, y] in finite numbers, found "
                    + "[[1, 2], [3]]"
            ),
            (
                result(#""rle": [0, 0, 256], "brushlabels": ["f"]"#),
                "value.rle: expected a list of whole numbers up to 255, found [0, 0, 256]"
            ),
            (
                result(#""rle": [0, 0, 1, 0], "brushlabels": ["f"]"#),
                "value.rle: expected 102400 values, 4 for each of 160×160 pixels, found 256"
            ),
            (
                #"{"value": {"x": 1, "y": 1, "width": 1, "height": 1, "labels": ["f"]}}"#,
                "value.original_width, original_height: expected the image's sides in pixels (or "
                    + "the folder of images: --images), found nothing"
            ),
        ] {
            try folder.add("x.json", task(results))
            #expect(
                folder.failure("x.json") == "x.json task 1: annotations[0].result[0]." + message)
        }
        try folder.add("x.json", #"[{"data": {"id": 3}, "annotations": []}]"#)
        #expect(
            folder.failure("x.json")
                == #"x.json task 1: data.image: expected an image's address, found {"id": 3}"#)
    }
}
