import Annotations
import Formats
import Foundation
import Imaging
import Testing

/// LVIS, Objects365, YouTube-VIS and lists of detections.
@Suite struct JSONFormatTests {
    let folder: TestFolder

    init() throws {
        folder = try TestFolder()
    }

    // MARK: LVIS and Objects365

    private let lvis = #"""
        {"images": [{"id": 7, "width": 10, "height": 8, "neg_category_ids": [3, 4],
           "coco_url": "http://images.cocodataset.org/train2017/000000000007.jpg",
           "not_exhaustive_category_ids": []}],
         "annotations": [{"id": 1, "image_id": 7, "category_id": 2, "bbox": [1, 2, 3, 4],
           "area": 12.5, "segmentation": [[1, 2, 4, 2, 4, 6]]}],
         "categories": [{"id": 2, "name": "a", "synset": "a.n.01", "frequency": "r"}]}
        """#

    @Test("an LVIS image is named by the last two components of its address")
    func lvisNames() throws {
        try folder.add("lvis.json", lvis)
        let file = try folder.load("lvis.json")
        #expect(file.format == .lvis)
        #expect(lines(file) == ["train2017/000000000007.jpg a 1 2 3 4"])
        #expect(file.problems.isEmpty)
        // In a folder of the images alone it is found as well.
        try folder.add("flat/000000000007.jpg", "")
        #expect(
            try folder.load("lvis.json", images: "flat").images[0].fileName == "000000000007.jpg")
        try folder.add("tree/train2017/000000000007.jpg", "")
        #expect(
            try folder.load("lvis.json", images: "tree").images[0].fileName
                == "train2017/000000000007.jpg")
    }

    @Test("LVIS keys are kept to the byte when masks are written")
    func lvisKept() throws {
        try folder.add("lvis.json", lvis)
        let file = try folder.load("lvis.json")
        let mask = try RLE(size: Size(height: 8, width: 10), counts: [3, 4, 73])
        let output = folder.path + "/out.json"
        try AnnotationWriter(file).write(to: output) { _ in AnnotationResult(mask) }
        let expected =
            lvis
            .replacingOccurrences(
                of: "[[1, 2, 4, 2, 4, 6]]", with: #"{"size": [8, 10], "counts": "34Y2"}"#
            ).replacingOccurrences(of: "12.5", with: "4")
        #expect(try text(of: output) == expected)
    }

    @Test("an address that leads out of the images folder is refused")
    func lvisEscape() throws {
        try folder.add("l.json", lvis.replacingOccurrences(of: "train2017/0000", with: "../0000"))
        #expect(
            folder.failure("l.json")
                == #"l.json: image 7: file_name: expected a path inside the images folder, found "#
                + #""http://images.cocodataset.org/../000000000007.j…, which leads out of the "#
                + "images folder")
    }

    @Test("Objects365's download folders are dropped where the images lie without them")
    func objects365() throws {
        let name = "images/v1/patch8/objects365_v1_00420917.jpg"
        try folder.add(
            "o.json",
            document(
                annotations: #"{"id": 1, "image_id": 1, "bbox": [1, 2, 3, 4], "isfake": 0}"#,
                images: #"{"id": 1, "file_name": "\#(name)", "width": 10, "height": 8}"#))
        for (images, expected) in [
            ("none", name), ("whole/" + name, name),
            ("patches/patch8/objects365_v1_00420917.jpg", "patch8/objects365_v1_00420917.jpg"),
            ("flat/objects365_v1_00420917.jpg", "objects365_v1_00420917.jpg"),
        ] {
            try folder.add(images, "")
            let root = String(images.prefix { $0 != "/" })
            let file = try folder.load("o.json", images: root)
            #expect(file.images[0].fileName == expected)
            #expect(file.format == .objects365)
        }
    }

    @Test("two names that lead to one file are an error: one of them is another image's")
    func namesakes() throws {
        func add(_ first: String, _ second: String) throws {
            try folder.add(
                "c.json",
                document(
                    annotations: #"{"id": 1, "image_id": 1, "bbox": [1, 2, 3, 4]}"#,
                    images:
                        #"{"id": 1, "file_name": "\#(first)"}, {"id": 2, "file_name": "\#(second)"}"#
                ))
        }
        try folder.add("flat/1.png", "")
        try folder.add("both/val/1.png", "")
        try folder.add("both/train/1.png", "")
        try add("train/1.png", "val/1.png")
        #expect(
            folder.failure("c.json", images: "flat").hasPrefix(
                #"c.json: images: expected a file in flat for each image, found "1.png" for "#
                    + #""train/1.png" and for "val/1.png""#))
        #expect(
            try folder.load("c.json", images: "both").images.map(\.fileName) == [
                "train/1.png", "val/1.png",
            ])
        // A table's rows name an image again and again; that is one name.
        try folder.add("t.csv", "file,x,y,w,h,label\ntrain/1.png,1,2,3,4,a\nval/1.png,1,2,3,4,a\n")
        #expect(
            folder.failure("t.csv", images: "flat").contains(#"found "1.png" for "train/1.png""#))
        try folder.add("t.csv", "file,x,y,w,h,label\nval/1.png,1,2,3,4,a\nval/1.png,1,2,3,4,a\n")
        #expect(try folder.load("t.csv", images: "flat").images.map(\.fileName) == ["1.png"])
    }

    @Test("a second name for a file is told once, however often it comes")
    func namesakesOnce() throws {
        try folder.add("flat/1.png", "")
        let finder = ImageFinder(folder.path + "/flat")
        for name in ["train/1.png", "val/1.png", "val/1.png", "train/1.png", "val/1.png"] {
            #expect(finder.find([name]) == "1.png")
        }
        #expect(finder.clashes.map(\.second) == ["val/1.png"])
    }

    // MARK: YouTube-VIS

    private let video = #"""
        {"info": {"x": 1},
         "videos": [{"id": 3, "width": 10, "height": 8, "length": 3,
           "file_names": ["v/0.jpg", "v/1.jpg", "v/2.jpg"]}],
         "annotations": [
          {"id": 17, "video_id": 3, "category_id": 3, "iscrowd": 0, "length": 1,
           "bboxes": [[1, 1, 2, 2], null, [2.5, 1, 3, 4]],
           "segmentations": [null, null, [[2, 1, 5, 1, 5, 5]]], "areas": [null, null, 6]},
          {"id": 18, "video_id": 3, "category_id": 3, "bboxes": [null, [0, 0, 4, 4], null]}],
         "categories": [{"id": 3, "name": "cat"}]}
        """#

    @Test("each box of an instance in a frame is a record")
    func videoRecords() throws {
        try folder.add("video.json", video)
        let file = try folder.load("video.json")
        #expect(file.format == .ytvis)
        #expect(
            lines(file) == [
                "v/0.jpg cat 1 1 2 2", "v/2.jpg cat 2.5 1 3 4", "v/1.jpg cat 0 0 4 4",
            ])
        #expect(file.annotations.map(\.id) == ["17/0", "17/2", "18/1"])
        #expect(file.images.map(\.id) == ["3/0", "3/1", "3/2"])
        #expect(try file.segmentation(of: file.annotations[0]) == .none)
        #expect(
            try file.segmentation(of: file.annotations[1]) == .polygons([[2, 1, 5, 1, 5, 5]]))
        #expect(file.number("area", of: file.annotations[1]) == 6)
        #expect(file.problems.isEmpty)
    }

    @Test("masks go into segmentations at their frame; every other byte stays")
    func videoWriting() throws {
        try folder.add("video.json", video)
        let file = try folder.load("video.json")
        let mask = try RLE(size: Size(height: 8, width: 10), counts: [3, 4, 73])
        let output = folder.path + "/out.json"
        try AnnotationWriter(file).write(to: output) { _ in nil }
        #expect(try text(of: output) == video)
        try AnnotationWriter(file).write(to: output) {
            $0 == 1 ? nil : AnnotationResult(mask, extra: [.init("score", 0.5)])
        }
        let value = #"{"size": [8, 10], "counts": "34Y2"}"#
        let expected =
            video
            .replacingOccurrences(
                of: "[null, null, [[2, 1, 5, 1, 5, 5]]]",
                with: "[\(value), null, [[2, 1, 5, 1, 5, 5]]]"
            )
            .replacingOccurrences(
                of: "[null, null, 6]", with: "[4, null, 6], \"scores\": [0.5, null, null]"
            )
            .replacingOccurrences(
                of: "[null, [0, 0, 4, 4], null]",
                with: "[null, [0, 0, 4, 4], null], \"segmentations\": [null, \(value), null], "
                    + "\"areas\": [null, 4, null], \"scores\": [null, 0.5, null]")
        #expect(try text(of: output) == expected)
        let again = try folder.load("out.json")
        #expect(again.number("score", of: again.annotations[2]) == 0.5)
        #expect(try again.segmentation(of: again.annotations[0]) == .rle(mask))
    }

    @Test(
        "wrong videos and instances are named",
        arguments: [
            (
                "[[1, 1, 2, 2], null, [2.5, 1, 3, 4]]", "[[1, 1, 2, 2]]",
                "v.json: annotation 17: bboxes: expected 3 elements, one a frame of video 3, "
                    + "found 1"
            ),
            (
                "[null, null, 6]", "[null, null]",
                "v.json: annotation 17: areas: expected 3 elements, one a frame of video 3, found 2"
            ),
            (
                "\"video_id\": 3, \"category_id\": 3, \"iscrowd\"",
                "\"video_id\": 9, \"category_id\": 3, \"iscrowd\"",
                "v.json: annotation 17: video_id: expected the id of a video, found 9"
            ),
            (
                "[\"v/0.jpg\", \"v/1.jpg\", \"v/2.jpg\"]", "7",
                "v.json: video 3: file_names: expected a list of the frames' file names, found 7"
            ),
            (
                "[1, 1, 2, 2]", "[1, 1, \"a\", 2]",
                "v.json: annotation \"17/0\": bbox: expected 4 finite numbers, "
                    + "found [1, 1, \"a\", 2]"
            ),
        ])
    func brokenVideos(old: String, new: String, expected: String) throws {
        try folder.add("v.json", video.replacingOccurrences(of: old, with: new))
        #expect(folder.failure("v.json").hasPrefix(expected), "\(folder.failure("v.json"))")
    }

    // MARK: Detections

    private let detections = #"""
        [{"image_id": 12, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.25},
         {"image_id": 7, "category_id": 9, "bbox": [1.5, 2, 3, 4], "score": 0.5, "note": "é"}]
        """#

    @Test("a list of detections takes images and categories from a file, and keeps its scores")
    func detectionsFromFile() throws {
        try folder.add("d.json", detections)
        try folder.add(
            "i.json",
            document(
                annotations: "",
                images: #"{"id": 7, "file_name": "g.jpg", "width": 10, "height": 8}, "#
                    + #"{"id": 12, "file_name": "t.jpg", "width": 10, "height": 8}"#,
                categories: #", "categories": [{"id": 3, "name": "cat"}, {"id": 9, "name": "dog"}]"#
            ))
        let file = try folder.load("d.json", imagesFrom: "i.json")
        #expect(file.format == .detections)
        #expect(lines(file) == ["t.jpg cat 1 2 3 4", "g.jpg dog 1.5 2 3 4"])
        #expect(file.annotations.map(\.id) == [1, 2])
        #expect(file.annotations.map { file.number("score", of: $0) } == [0.25, 0.5])
        #expect(file.text(file.annotations[1].range).contains(#""note": "é""#))
        #expect(file.problems.isEmpty)
    }

    @Test("without a file images are those whose name is the id")
    func detectionsFromFolder() throws {
        try folder.add("d.json", detections)
        try folder.add("images/COCO_val_0012.png", pngHeader(width: 30, height: 20))
        try folder.add("images/sub/7.png", pngHeader(width: 30, height: 20))
        let file = try folder.load("d.json", images: "images")
        #expect(lines(file) == ["COCO_val_0012.png 3 1 2 3 4", "sub/7.png 9 1.5 2 3 4"])
        #expect(file.images[0].size == Size(height: 20, width: 30))
        try folder.add("images/07.png", pngHeader(width: 30, height: 20))
        #expect(
            folder.failure("d.json", images: "images")
                == "d.json detection 2: image_id: expected the name of one image in images "
                + "(or --images-from FILE), found 7, which is 07.png, sub/7.png")
        #expect(folder.failure("d.json").contains("--images-from FILE"))
    }

    @Test("a wrong detection is named by its number, a broken list by its place")
    func brokenDetections() throws {
        try folder.add("i.json", document(annotations: ""))
        try folder.add("d.json", #"[{"image_id": 1, "bbox": [1, 2]}, 5]"#)
        #expect(
            folder.failure("d.json", imagesFrom: "i.json")
                == "d.json detection 2: expected an object, found 5")
        try folder.add("d.json", #"[{"image_id": 1, "bbox": [1, 2]}]"#)
        #expect(
            folder.failure("d.json", imagesFrom: "i.json").hasPrefix(
                "d.json detection 1: annotation 1: bbox: expected 4 finite numbers, found [1, 2]"))
        try folder.add("d.json", "[{\"image_id\": 1 2}]")
        #expect(
            folder.failure("d.json", imagesFrom: "i.json")
                == "d.json line 1 column 17: expected ',' or '}', found '2'")
    }
}
