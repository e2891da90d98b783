import Annotations
import Formats
import Foundation
import Imaging
import Testing

/// COCO panoptic, and VOC's masks in colours.
@Suite struct LabelColorTests {
    let folder: TestFolder

    init() throws {
        folder = try TestFolder()
    }

    /// A PNG of 4×3 pixels, of the colours that characters stand for.
    private func addImage(
        _ name: String, _ rows: String, _ colors: [Character: [UInt8]]
    ) throws {
        let pixels = rows.filter { !$0.isWhitespace }.flatMap { colors[$0] ?? [0, 0, 0] }
        try folder.add(
            name,
            try ImageCodec.encodePNG(RGBImage(size: Size(height: 3, width: 4), pixels: pixels)))
    }

    // MARK: Panoptic

    private func panoptic(_ segments: String, file: String = "a.png") -> String {
        #"{"images": [{"id": 1, "width": 4, "height": 3, "file_name": "a.jpg"}], "#
            + #""annotations": [{"image_id": 1, "file_name": "\#(file)", "#
            + #""segments_info": [\#(segments)]}], "categories": [{"id": 1, "name": "person", "#
            + #""isthing": 1, "supercategory": "person"}, {"id": 200, "name": "wall", "isthing": 0}]}"#
    }

    @Test("each segment of COCO panoptic is a record; colours count from red up")
    func segments() throws {
        // 266 = 10 + 256, 65543 = 7 + 65536.
        try addImage("p/panoptic/a.png", "1100 1122 0022", ["1": [10, 1, 0], "2": [7, 0, 1]])
        try folder.add(
            "p/panoptic.json",
            panoptic(
                #"{"id": 266, "category_id": 1, "iscrowd": 1, "bbox": [0, 0, 9, 9], "area": 9}, "#
                    + #"{"id": 65543, "category_id": 200, "iscrowd": 0}"#))
        for path in ["p", "p/panoptic.json"] {
            let file = try folder.load(path)
            #expect(file.format == .cocoPanoptic)
            #expect(lines(file) == ["a.jpg person 0 0 2 2", "a.jpg wall 2 1 2 2"])
            #expect(file.annotations.map(\.id) == [.integer(266), .integer(65543)])
            #expect(file.annotations.map(\.isCrowd) == [true, false])
            #expect(file.categories.map(\.id) == [.integer(1), .integer(200)])
            #expect(file.problems.isEmpty)
        }
        // Folders named as COCO names them.
        try addImage("q/val/a.png", "1100 1122 0022", ["1": [10, 1, 0]])
        try folder.add("q/val.json", panoptic(#"{"id": 266, "category_id": 1}"#))
        let file = try folder.load("q/val.json")
        #expect(lines(file) == ["a.jpg person 0 0 2 2"])
    }

    @Test("what is wrong with panoptic files is told with record and field")
    func brokenPanoptic() throws {
        try addImage("a.png", "1100 1122 0022", ["1": [10, 1, 0], "2": [7, 0, 1]])
        for (segments, file, message) in [
            (
                #"{"id": 0, "category_id": 1}"#, "a.png",
                "segments_info[0].id: expected a whole number from 1 to 16777215, found 0"
            ),
            (
                #"{"id": 266, "category_id": 2}"#, "a.png",
                "segments_info[0].category_id: expected the id of a category, found 2"
            ),
            (
                "", "../a.png",
                #"file_name: expected a path inside the folder of PNG files, found "../a.png""#
            ),
        ] {
            try folder.add("x.json", panoptic(segments, file: file))
            #expect(folder.failure("x.json").hasPrefix("x.json annotation 1: " + message))
        }
        try folder.add(
            "x.json",
            panoptic(#"{"id": 266, "category_id": 1}, {"id": 9, "category_id": 1}"#))
        let file = try folder.load("x.json")
        #expect(
            folder.warnings(file) == [
                "warning: x.json annotation 1: segments_info[1]: expected pixels of segment 9 in "
                    + "a.png, found none: it is left out",
                "warning: x.json annotation 1: segments_info: expected an entry for every colour "
                    + "of a.png, found none for 1, 7,0,1 among them",
            ])
        #expect(file.annotations.count == 1)
    }

    @Test("ids of panoptic images keep every digit, and each is one image's")
    func panopticIDs() throws {
        try addImage("a.png", "1100 1122 0022", ["1": [10, 1, 0]])
        func document(_ ids: [String]) -> String {
            let images = ids.enumerated().map {
                #"{"id": \#($1), "width": 4, "height": 3, "file_name": "\#($0).jpg"}"#
            }
            let annotations = ids.map {
                #"{"image_id": \#($0), "file_name": "a.png", "segments_info": "#
                    + #"[{"id": 266, "category_id": 1}]}"#
            }
            return #"{"images": [\#(images.joined(separator: ", "))], "annotations": "#
                + #"[\#(annotations.joined(separator: ", "))], "categories": "#
                + #"[{"id": 1, "name": "person"}]}"#
        }
        let ids = ["9007199254740992", "9007199254740993", "123456789012345678901", "\"7\""]
        try folder.add("x.json", document(ids))
        let file = try folder.load("x.json")
        #expect(lines(file) == (0..<4).map { "\($0).jpg person 0 0 2 2" })
        #expect(
            file.images.map(\.id) == [
                9_007_199_254_740_992, 9_007_199_254_740_993, .large(ids[2]), "7",
            ])
        try folder.add("x.json", document(["7", "7"]))
        #expect(
            folder.failure("x.json")
                == "x.json: images[1].id: expected an id of its own, found 7 once more")
    }

    @Test("panoptic goes there and back: ids, crowds, things and stuff")
    func panopticRoundTrip() throws {
        let scene = try folder.scene()
        try folder.export(scene, .cocoPanoptic, "out")
        let file = try folder.load("out")
        #expect(file.annotations.map(\.id) == [.integer(11), .integer(12)])
        #expect(try masks(file) == [mask(scene, 0), mask(scene, 1)])
        #expect(file.images.map(\.fileName) == ["in/a b.jpg", "c.jpg"])
        try addImage("p/panoptic/a.png", "1100 1122 0022", ["1": [10, 1, 0], "2": [7, 0, 1]])
        try folder.add(
            "p/panoptic.json",
            panoptic(
                #"{"id": 266, "category_id": 1, "iscrowd": 1}, {"id": 65543, "category_id": 200}"#))
        let other = try folder.load("p")
        try folder.export(other, .cocoPanoptic, "again")
        let text = try text(of: folder.path + "/again/panoptic.json")
        #expect(
            text.contains(
                #"{"id": 65543, "category_id": 200, "iscrowd": 0, "bbox": [2,1,2,2], "area": 4}"#))
        #expect(text.contains(#""id": 200, "name": "wall", "supercategory": "wall", "isthing": 0"#))
        #expect(try masks(folder.load("again")) == masks(other))
    }

    // MARK: Colours

    @Test("colours of CVAT's masks are classes by labelmap.txt, else VOC's own")
    func colors() throws {
        for (name, face) in [("cvat", [9, 8, 7]), ("voc", [192, 128, 128])] as [(String, [UInt8])] {
            try addImage(
                "\(name)/SegmentationObject/a.png", "1122 1100 0000",
                ["1": [128, 0, 0], "2": [0, 128, 0]])
            try addImage(
                "\(name)/SegmentationClass/a.png", "ffgg ff00 0000",
                ["f": face, "g": [0, 0, 128]])
        }
        try folder.add(
            "cvat/labelmap.txt",
            "# label:color_rgb:parts:actions\nbackground:0,0,0::\nx:1,1,1::\nbig:face:9,8,7::\n"
                + "car:0,0,128:wheel:\n")
        let cvat = try folder.load("cvat")
        #expect(cvat.format == .vocColors)
        #expect(lines(cvat) == ["a.jpg big:face 0 0 2 2", "a.jpg car 2 0 2 1"])
        #expect(cvat.categories.map(\.name) == ["x", "big:face", "car"])
        let voc = try folder.load("voc")
        #expect(voc.format == .vocPNG)
        // 15 and 4 of the twenty.
        #expect(lines(voc) == ["a.jpg person 0 0 2 2", "a.jpg boat 2 0 2 1"])

        // Datumaro leaves out colours that are VOC's in the order of lines: 128,0,0, then 0,128,0.
        try folder.add("cvat/labelmap.txt", "background:::\nx:::\ny:::\n")
        try addImage(
            "cvat/SegmentationClass/a.png", "ffgg ff00 0000",
            ["f": [128, 0, 0], "g": [0, 128, 0]])
        #expect(lines(try folder.load("cvat")) == ["a.jpg x 0 0 2 2", "a.jpg y 2 0 2 1"])
        try addImage(
            "cvat/SegmentationClass/a.png", "ffgg ff00 0000", ["f": [9, 8, 7], "g": [0, 0, 128]])
        try folder.add("cvat/labelmap.txt", "face:9,8,7::\n")
        #expect(
            folder.failure("cvat")
                == "cvat/SegmentationClass/a.png: expected a PNG of labels, found the PNG image is "
                + "damaged: pixel (2, 0) has the colour 0,0,128, which labelmap.txt does not have")
        try folder.add("cvat/labelmap.txt", "face:9,8,7::\nface:1,2::\n")
        #expect(
            folder.failure("cvat")
                == "cvat/labelmap.txt line 2: expected name:red,green,blue:parts:actions, found "
                + #""face:1,2::""#)
    }

    @Test("masks go there and back in colours")
    func colorRoundTrip() throws {
        let scene = try folder.scene()
        try folder.export(scene, .vocColors, "out")
        let file = try folder.load("out")
        #expect(file.format == .vocColors)
        #expect(try masks(file) == [mask(scene, 0), mask(scene, 1)])
        #expect(file.categories.map(\.name) == [#"ca"t"#, "big dog"])
        #expect(file.images.map(\.fileName).contains("in/a b.jpg"))
    }
}
