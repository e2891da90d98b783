import Annotations
import Formats
import Foundation
import Imaging
import Testing

/// Data sets as people and tools really write them, each with what is right.
@Suite struct ReportedCasesTests {
    let folder: TestFolder

    init() throws {
        folder = try TestFolder()
    }

    private func coco(_ fileName: String, _ annotations: String = "", id: String = "1") -> String {
        """
        {"images": [{"id": \(id), "width": 160, "height": 160, "file_name": "\(fileName)"}],
         "annotations": [\(annotations)], "categories": [{"id": 1, "name": "o"}]}
        """
    }

    private func box(_ box: String, _ more: String = "") -> String {
        #"{"id": 1, "image_id": 1, "category_id": 1, "bbox": \#(box)\#(more)}"#
    }

    private func notes(_ file: AnnotationFile) -> String {
        file.problems.notes.joined(separator: "\n").replacing(folder.path + "/", with: "")
    }

    // MARK: Names

    @Test(
        "an image is found under the name that another system, tool or folder gave it",
        arguments: [
            (#"images\\p0.jpg"#, "p0.jpg"), ("./p0.jpg", "./p0.jpg"),
            ("https://host/data/p0.jpg?x=1", "p0.jpg"), ("/home/me/set/p0.jpg", "p0.jpg"),
            ("/data/local-files/?d=set/p0.jpg", "p0.jpg"), ("other/p0.jpg", "p0.jpg"),
            ("../images/p0.jpg", "p0.jpg"), ("IMG_7.jpg", "IMG_7.JPG"),
            ("cafe\u{301}.jpg", "caf\u{E9}.jpg"), ("deep/er.png", "deep/er.png"),
        ])
    func names(written: String, found: String) throws {
        for name in ["p0.jpg", "IMG_7.JPG", "caf\u{E9}.jpg", "deep/er.png"] {
            try folder.add("images/" + name, "x")
        }
        try folder.add("b.json", coco(written))
        let name = try folder.load("b.json", images: "images").images[0].fileName
        #expect(Array(name.utf8) == Array(found.utf8))
    }

    @Test("a folder below is looked into only when asked, and only for a name that is there once")
    func search() throws {
        try folder.add("images/a/p0.jpg", "x")
        try folder.add("images/b/p1.jpg", "x")
        try folder.add("images/c/p1.jpg", "x")
        try folder.add("b.json", coco("p0.jpg"))
        #expect(try folder.load("b.json", images: "images").images[0].fileName == "p0.jpg")
        func name() throws -> String {
            try AnnotationFile.read(
                AnnotationSource(
                    path: folder.path + "/b.json", imagesDirectory: folder.path + "/images",
                    searchesNames: true)
            ).images[0].fileName
        }
        #expect(try name() == "a/p0.jpg")
        try folder.add("b.json", coco("p1.jpg"))
        #expect(try name() == "p1.jpg")
    }

    @Test("VOC and LabelMe find an image whose extension is in capitals")
    func extensions() throws {
        try folder.add("images/IMG_7.JPG", "x")
        try folder.add(
            "v/IMG_7.xml",
            "<annotation><filename>IMG_7.jpg</filename><size><width>9</width><height>9</height>"
                + "</size></annotation>")
        #expect(try folder.load("v", images: "images").images[0].fileName == "IMG_7.JPG")
        try folder.add("l/IMG_7.json", #"{"shapes": [], "imagePath": "..\\x\\IMG_7.jpg"}"#)
        #expect(try folder.load("l", images: "images").images[0].fileName == "IMG_7.JPG")
    }

    // MARK: Ids and text

    @Test("an id as text and the same as a number are one where only one is there")
    func ids() throws {
        let annotation = #"{"id": 1, "image_id": "0", "category_id": "1", "bbox": [1, 2, 3, 4]}"#
        try folder.add("b.json", coco("a.jpg", annotation, id: "0"))
        let file = try folder.load("b.json")
        #expect(lines(file) == ["a.jpg o 1 2 3 4"])
        #expect(folder.warnings(file) == [])
        #expect(notes(file).hasPrefix("2 ids of images and categories are texts"))
    }

    @Test("JSON with a byte order mark is read")
    func mark() throws {
        try folder.add("b.json", [0xEF, 0xBB, 0xBF] + Array(coco("a.jpg").utf8))
        #expect(try folder.load("b.json").images.count == 1)
        try folder.add("b.json", [0xFF, 0xFE] + Array(coco("a.jpg").utf8))
        #expect(folder.failure("b.json", format: .coco).contains("found UTF-16"))
    }

    // MARK: Boxes

    @Test("boxes over the edge are warned of, with their share and what they may be")
    func overEdge() throws {
        let boxes = ["[40, 16, 120, 112]", "[90, 60, 150, 150]", "[80, 80, 159, 159]"]
        try folder.add("b.json", coco("a.jpg", boxes.map { box($0) }.joined(separator: ",")))
        let warnings = folder.warnings(try folder.load("b.json"))
        #expect(warnings.count { $0.contains("(clipped)") } == 2)
        #expect(
            warnings.last
                == "warning: b.json: bbox: expected boxes inside their images, found 2 of 3 (66 %) "
                + "over the edge: corners (x1, y1, x2, y2) where x, y, width, height are meant?")
        try folder.add("b.json", coco("a.jpg", box("[0, 0, 160.4, 160]")))
        #expect(folder.warnings(try folder.load("b.json")) == [])
    }

    @Test("shares of the sides in a format of pixels are warned of")
    func shares() throws {
        try folder.add("b.json", coco("a.jpg", box("[0.25, 0.1, 0.5, 0.6]")))
        #expect(
            folder.warnings(try folder.load("b.json")) == [
                "warning: b.json: bbox: expected boxes in pixels, found no number above 1 in 1 boxes: "
                    + "shares of the image's sides?"
            ])
    }

    @Test("a negative corner in one VOC file does not shift the boxes of others; a zero does")
    func vocCounting() throws {
        func add(_ name: String, _ corners: [Int]) throws {
            let texts = zip(["xmin", "ymin", "xmax", "ymax"], corners)
                .map { "<\($0)>\($1)</\($0)>" }.joined()
            try folder.add(
                "v/\(name).xml",
                "<annotation><filename>\(name).jpg</filename><size><width>160</width>"
                    + "<height>160</height></size><object><name>o</name><bndbox>\(texts)</bndbox>"
                    + "</object></annotation>")
        }
        try add("a", [1, 1, 160, 160])
        try add("b", [-5, 20, 60, 60])
        #expect(lines(try folder.load("v")) == ["a.jpg o 0 0 160 160", "b.jpg o -6 19 66 41"])
        try add("c", [0, 20, 60, 60])
        let file = try folder.load("v")
        #expect(lines(file)[0] == "a.jpg o 1 1 159 159")
        #expect(notes(file).contains("as the 0 of v/c.xml line 1 says"))
    }

    @Test("an annotation with a mask and no box gets the mask's box, also in what is written")
    func maskAlone() throws {
        let polygon = #""segmentation": [[40, 16, 120, 16, 120, 112, 40, 112]]"#
        try folder.add(
            "b.json",
            coco("a.jpg", #"{"id": 1, "image_id": 1, "category_id": 1, \#(polygon)}"#))
        let file = try folder.load("b.json")
        #expect(lines(file) == ["a.jpg o 40 16 80 96"])
        let export = try AnnotationExport(
            format: .coco, path: folder.path + "/out.json", options: ExportOptions())
        _ = try export.write(file)
        #expect(lines(try folder.load("out.json")) == ["a.jpg o 40 16 80 96"])
        try folder.add(
            "b.json",
            coco("a.jpg", #"{"id": 1, "image_id": 1, "category_id": 1, "segmentation": []}"#))
        #expect(folder.failure("b.json").contains("found a segmentation without one"))
    }

    // MARK: YOLO

    private func addImages(_ names: String...) throws {
        for name in names { try folder.add(name, pngHeader(width: 160, height: 160)) }
    }

    @Test("data.yaml says which images a data set has: folders, lists, lists of either")
    func splits() throws {
        try addImages(
            "d/images/train/a.png", "d/images/train/b.png", "d/images/val/c.png",
            "d/images/rest/e.png")
        try folder.add("d/labels/train/a.txt", "0 0.5 0.5 0.5 0.5\n")
        try folder.add("d/labels/rest/e.txt", "0 0.5 0.5 0.5 0.5\n")
        func images(_ yaml: String) throws -> [String] {
            try folder.add("d/data.yaml", yaml + "\nnames: [face]\n")
            return try folder.load("d/data.yaml").images.map(\.fileName)
        }
        try folder.add("d/train.txt", "./images/train/a.png\n\nimages/rest/e.png\r\n")
        #expect(try images("train: train.txt") == ["images/train/a.png", "images/rest/e.png"])
        #expect(
            try images("train: images/train\nval: images/val") == [
                "images/train/a.png", "images/train/b.png", "images/val/c.png",
            ])
        #expect(
            try images("path: ../d\ntrain: [images/val, train.txt]").count == 3)
        #expect(try images("path: /no/such\ntrain: ../images/val") == ["images/val/c.png"])
        // Nothing that it names is there: all that lies beside it counts.
        #expect(try images("train: images/gone").count == 4)
        #expect(notes(try folder.load("d/data.yaml")).contains("left out: train: images/gone"))
    }

    @Test("lines of a tracker are boxes with a track, never a triangle")
    func tracks() throws {
        try addImages("d/images/a.png")
        for (line, score, track) in [
            ("0 0.5 0.4 0.5 0.6 1", nil, 1.0), ("0 0.5 0.4 0.5 0.6 7", nil, 7),
            ("0 0.5 0.4 0.5 0.6 0.9 1", 0.9, 1),
        ] as [(String, Double?, Double)] {
            try folder.add("d/labels/a.txt", line + "\n")
            let file = try folder.load("d")
            #expect(lines(file) == ["images/a.png 0 40 16 80 96"])
            let values = file.numbers(["score", "track_id"], of: file.annotations[0])
            #expect(values == [score, track])
            #expect(notes(file).contains("read as boxes with tracks"))
        }
        try folder.add("d/labels/a.txt", "0 0.5 0.4 0.5 0.6 0.75\n")
        let file = try folder.load("d")
        #expect(file.number("score", of: file.annotations[0]) == 0.75)
    }

    @Test("points come by kpt_shape or by their visibilities; what could be either is an error")
    func poses() throws {
        try addImages("d/images/a.png")
        let pose = "0 0.5 0.5 0.5 0.5 0.4 0.4 2 0.6 0.6 1\n"
        try folder.add("d/labels/a.txt", pose)
        try folder.add("d/data.yaml", "names: [face]\nkpt_shape: [2, 3]\n")
        var file = try folder.load("d")
        #expect(lines(file) == ["images/a.png face 40 40 80 80"])
        #expect(
            file.member("keypoints", of: file.annotations[0]).map { file.text($0) }
                == "[64.0, 64.0, 2.0, 96.0, 96.0, 1.0]")
        try folder.add("d/data.yaml", "names: [face]\n")
        file = try folder.load("d")
        #expect(lines(file) == ["images/a.png face 40 40 80 80"])
        let pairs = "0 0.5 0.5 0.5 0.5 0.4 0.4 0.6 0.6 0.5 0.5\n"
        try folder.add("d/labels/a.txt", pairs + pairs)
        #expect(folder.failure("d").contains("--format yolo, yolo-seg or yolo-pose says which"))
        #expect(folder.failure("d").contains("0 0.5 0.5 0.5 0.5 0.4 0.4"))
        #expect(lines(try folder.load("d", format: .yoloPose)).count == 2)
    }

    @Test("Label Studio's export and Darknet's folders are YOLO, wherever their images are")
    func layouts() throws {
        try addImages("ls/images/p0.png", "photos/c.png")
        try folder.add("ls/labels/p0.txt", "1 0.5 0.5 0.5 0.5\n")
        try folder.add("ls/classes.txt", "cat\ndog\n")
        try folder.add("ls/notes.json", #"{"categories": []}"#)
        #expect(lines(try folder.load("ls")) == ["images/p0.png dog 40 40 80 80"])
        try folder.add("dn/obj_val_data/c.txt", "0 0.5 0.5 0.5 0.5\n")
        try folder.add("dn/obj.names", "cup\n")
        try folder.add("dn/obj.data", "classes = 1\n")
        try folder.add("dn/val.txt", "data/obj_val_data/c.png\n")
        #expect(lines(try folder.load("dn", images: "photos")) == ["c.png cup 40 40 80 80"])
    }

    @Test("TAO's KITTI root means the same as its labels folder")
    func kittiRoot() throws {
        try addImages("k/images/000000.png")
        try folder.add(
            "k/labels/000000.txt", "face 0 0 0 40 16 120 112 0 0 0 0 0 0 0\n")
        for path in ["k", "k/labels"] {
            #expect(
                lines(try folder.load(path, images: "k/images")) == ["000000.png face 40 16 80 96"])
        }
    }

    // MARK: Shapes

    @Test("LabelMe's masks, rotated boxes and slips of the mouse")
    func labelMe() throws {
        let mask = try ImageCodec.encodePNG(
            labels: .bits([1, 0, 1, 1, 1, 1]), size: Size(height: 2, width: 3))
        func shape(_ kind: String, _ points: String, _ more: String = "") -> String {
            #"{"label": "o", "points": \#(points), "shape_type": "\#(kind)"\#(more)}"#
        }
        let shapes = [
            shape(
                "mask", "[[40, 16], [42, 17]]",
                #", "mask": "\#(Data(mask).base64EncodedString())""#),
            shape("rotation", "[[80, 80], [100, 90], [90, 110], [70, 100]]"),
            shape("polygon", "[[10, 100], [20, 100]]"),
        ]
        try folder.add(
            "p0.json",
            #"{"shapes": [\#(shapes.joined(separator: ","))], "imagePath": "p0.jpg", "#
                + #""imageHeight": 160, "imageWidth": 160}"#)
        let file = try folder.load("p0.json")
        #expect(lines(file) == ["p0.jpg o 40 16 3 2", "p0.jpg o 70 80 30 30"])
        guard case .rle(let found) = try file.segmentation(of: file.annotations[0]) else {
            Issue.record("no mask")
            return
        }
        #expect(found.area == 5)
        #expect(found.boundingBox == Box(minX: 40, minY: 16, maxX: 43, maxY: 18))
        #expect(
            try file.segmentation(of: file.annotations[1])
                == .polygons([[80, 80, 100, 90, 90, 110, 70, 100]]))
        #expect(
            folder.warnings(file) == [
                "warning: p0.json shape 3: points: expected at least 3 points for a polygon, found 2: "
                    + "it is left out"
            ])
    }

    @Test("VOC's polygons are masks, as supervision and as the web's LabelMe write them")
    func vocPolygons() throws {
        func add(_ polygon: String) throws {
            try folder.add(
                "v/a.xml",
                "<annotation><filename>a.jpg</filename><size><width>20</width><height>20</height>"
                    + "</size><object><name>o</name><bndbox><xmin>3</xmin><ymin>4</ymin>"
                    + "<xmax>6</xmax><ymax>8</ymax></bndbox><polygon>\(polygon)</polygon></object>"
                    + "</annotation>")
        }
        try add("<x1>3</x1><y1>4</y1><x2>6</x2><y2>4</y2><x3>6</x3><y3>8</y3><x4>3</x4><y4>8</y4>")
        var file = try folder.load("v")
        #expect(lines(file) == ["a.jpg o 2 3 4 5"])
        guard case .rle(let mask) = try file.segmentation(of: file.annotations[0]) else {
            Issue.record("no mask")
            return
        }
        #expect(mask.boundingBox == Box(minX: 2, minY: 3, maxX: 6, maxY: 8))
        #expect(mask.area == 20)
        try add("<pt><x>2</x><y>3</y></pt><pt><x>6</x><y>3</y></pt><pt><x>6</x><y>8</y></pt>")
        file = try folder.load("v")
        #expect(
            try file.segmentation(of: file.annotations[0]) == .polygons([[2, 3, 6, 3, 6, 8]]))
        try add("<x1>3</x1><y1>oops</y1>")
        #expect(folder.warnings(try folder.load("v"))[0].contains("the polygon is left out"))
    }

    @Test("a COCO polygon of a click too many costs its own pixels, not the data set")
    func shortPolygon() throws {
        let segmentation = #", "segmentation": [[5, 5, 9, 9], [0, 0, 4, 0, 4, 4]]"#
        try folder.add("b.json", coco("a.jpg", box("[0, 0, 9, 9]", segmentation)))
        let file = try folder.load("b.json")
        #expect(
            try file.segmentation(of: file.annotations[0]) == .polygons([[0, 0, 4, 0, 4, 4]]))
    }

    // MARK: Images

    @Test("files that are no images are called what they are")
    func notImages() {
        for (text, name) in [
            ("version https://git-lfs.github.com/spec/v1\noid", "a git-lfs pointer"),
            ("<!DOCTYPE html><html>", "a web page"), ("GIF89a......", "a GIF image"),
            ("\0\0\0\u{18}ftypheic....", "a HEIC image"),
            ("\0\0\0\u{18}ftypmif1....", "a HEIC image"), ("{\"error\": 404}", "JSON text"),
        ] {
            let error = #expect(throws: ImageError.self) {
                try ImageCodec.decode(bytes: Array(text.utf8))
            }
            #expect("\(error!)".contains(name))
        }
    }

    @Test("grey of 16 bits is clipped as TAO has it, or its range is mapped")
    func deepGrey() throws {
        let png = try ImageCodec.encodePNG(
            labels: .words([100, 1100, 2100, 255]), size: Size(height: 2, width: 2))
        try folder.add("a.png", png)
        let path = folder.path + "/a.png"
        #expect(try ImageCodec.header(path: path).isDeepGrey)
        func greys(_ options: DecodeOptions) throws -> [UInt8] {
            let pixels = try ImageCodec.decode(path: path, options: options).pixels
            return stride(from: 0, to: pixels.count, by: 3).map { pixels[$0] }
        }
        #expect(try greys(DecodeOptions()) == [100, 255, 255, 255])
        #expect(try greys(DecodeOptions(scales16Bit: true)) == [0, 128, 255, 20])
    }
}
