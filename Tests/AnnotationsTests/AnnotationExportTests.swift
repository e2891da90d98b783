import Annotations
import Files
import Formats
import Foundation
import Imaging
import Testing
import TestSupport

@Suite struct AnnotationExportTests {
    private let folder: TestFolder

    init() throws {
        folder = try TestFolder()
    }

    /// A 6×4 image with two overlapping masks, a crowd and a box without a mask.
    private func small(_ extra: String = "") throws -> AnnotationFile {
        try folder.read(
            document(
                annotations: #"""
                    {"id": 1, "image_id": 1, "category_id": 3, "bbox": [0, 0, 4, 4], "score": 0.9,
                     "segmentation": [[0, 0, 4, 0, 4, 4, 0, 4]]},
                    {"id": 2, "image_id": 1, "category_id": 5, "bbox": [3, 1, 3, 2], "score": 0.3,
                     "segmentation": {"size": [4, 6], "counts": [13, 2, 2, 2, 2, 2, 1]}, "note": [1]},
                    {"id": 3, "image_id": 1, "category_id": 5, "bbox": [4, 3, 2, 1], "iscrowd": 1,
                     "segmentation": [[4, 3, 6, 3, 6, 4, 4, 4]]},
                    {"id": 4, "image_id": 1, "category_id": 3, "bbox": [1, 1, 2.5, 2]}\#(extra)
                    """#,
                images: #"{"id": 1, "file_name": "in/a.jpg", "width": 6, "height": 4}"#,
                categories:
                    #", "categories": [{"id": 3, "name": "cat"}, {"id": 5, "name": "big dog"}]"#))
    }

    private func export(
        _ file: AnnotationFile, _ format: AnnotationFormat, _ name: String = "out",
        _ change: (inout ExportOptions) -> Void = { _ in }
    ) throws -> ExportReport {
        var options = ExportOptions()
        change(&options)
        return try AnnotationExport(
            format: format, path: folder.path + "/" + name, options: options
        ).write(file)
    }

    private func output(_ name: String) throws -> String {
        try text(of: folder.path + "/out/" + name)
    }

    private func losses(_ report: ExportReport) -> [ExportReport.Loss: Int] { report.losses }

    private func labels(_ name: String) throws -> [[UInt16]] {
        let (size, values) = try ImageCodec.decodeLabels(path: folder.path + "/out/" + name)
        return (0..<size.height).map { row in
            Array(values[row * size.width..<(row + 1) * size.width])
        }
    }

    // MARK: JSON

    @Test("COCO's three forms hold equal masks; every other byte stays")
    func coco() throws {
        let file = try AnnotationFile.read(path: fixture("coco/instances.json"))
        var previous = file
        for format in [
            AnnotationFormat.coco, .cocoPolygons, .cocoRLE, .lvis, .cocoPolygons, .coco,
        ] {
            let path = folder.path + "/\(format.name).json"
            let report = try export(previous, format, "\(format.name).json") {
                $0.overwrites = true
            }
            #expect(report.writtenCount == file.annotations.count)
            #expect(report.worstIoU == 1)
            let again = try AnnotationFile.read(path: path)
            for (annotation, other) in zip(file.annotations, again.annotations) {
                let size = try #require(annotation.imageIndex.flatMap { file.images[$0].size })
                #expect(
                    try file.truth(of: annotation, imageSize: size)
                        == again.truth(of: other, imageSize: size))
                #expect(annotation.areaRange.map(file.text) == other.areaRange.map(again.text))
            }
            previous = again
        }
    }

    @Test("polygons that are there are not traced anew: the file stays as it is")
    func polygonsStay() throws {
        let file = try small()
        let report = try export(file, .cocoPolygons, "out.json")
        let written = try text(of: folder.path + "/out.json")
        let mask = #"{"size": [4, 6], "counts": [13, 2, 2, 2, 2, 2, 1]}"#
        let expected = try text(of: file.path).replacing(
            mask + #", "note": [1]"#, with: #"[[3,1,6,1,6,3,3,3]], "note": [1], "area": 6"#)
        #expect(written == expected)
        #expect(losses(report) == [.boxOnly: 1])
        #expect((report.partCount, report.holeCount) == (3, 0))
    }

    @Test("uncompressed run lengths and detections, as text")
    func lists() throws {
        _ = try export(try small(), .cocoRLE, "out.json")
        #expect(
            try text(of: folder.path + "/out.json").contains(
                #""segmentation": {"size":[4,6],"counts":[0,16,8]}, "area": 16}"#))
        _ = try export(try small(), .detections, "results.json")
        #expect(
            try text(of: folder.path + "/results.json").hasPrefix(
                #"""
                [
                {"image_id":1,"category_id":3,"bbox":[0,0,4,4],"score":0.9,"segmentation":{"size":[4,6],"counts":"0`08"}},
                """#))
        #expect(
            try text(of: folder.path + "/results.json").hasSuffix(
                #"""
                {"image_id":1,"category_id":3,"bbox":[1,1,2.5,2],"score":1}
                ]

                """#))
    }

    @Test("LVIS gets the keys that its reader needs, where they are absent")
    func lvis() throws {
        _ = try export(try small(), .lvis, "out.json")
        let written = try text(of: folder.path + "/out.json")
        #expect(
            written.contains(
                #""width": 6, "height": 4, "coco_url": "in/a.jpg", "neg_category_ids": [], "not_exhaustive_category_ids": []}"#
            ))
        #expect(
            written.contains(
                #"{"id": 5, "name": "big dog", "frequency": "r", "image_count": 1, "instance_count": 2, "synonyms": ["big dog"]}"#
            ))
    }

    @Test("YouTube-VIS: frames of a folder are a video, a track is one instance")
    func ytvis() throws {
        func record(_ id: Int, image: Int, track: String) -> String {
            #"{"id": \#(id), "image_id": \#(image), "category_id": 3, "bbox": [0, 0, 1, 1], "segmentation": {"size": [2, 2], "counts": [0, 1, 3]}\#(track)}"#
        }
        let file = try folder.read(
            document(
                annotations: [
                    record(1, image: 1, track: #", "track_id": 7"#), record(2, image: 1, track: ""),
                    record(3, image: 2, track: #", "track_id": 7"#), record(4, image: 3, track: ""),
                ].joined(separator: ", "),
                images: [
                    #"{"id": 1, "file_name": "v/0.jpg", "width": 2, "height": 2}"#,
                    #"{"id": 2, "file_name": "v/1.jpg", "width": 2, "height": 2}"#,
                    #"{"id": 3, "file_name": "w/0.jpg", "width": 2, "height": 2}"#,
                ].joined(separator: ", ")))
        let report = try export(file, .ytvis, "out.json")
        #expect(report.writtenCount == 4)
        #expect(
            try text(of: folder.path + "/out.json") == #"""
                {"info":{},"licenses":[],"videos":[
                {"id":1,"width":2,"height":2,"length":2,"file_names":["v/0.jpg","v/1.jpg"]},
                {"id":2,"width":2,"height":2,"length":1,"file_names":["w/0.jpg"]}
                ],"categories":[
                {"id":3,"name":"cat"}
                ],"annotations":[
                {"id":1,"video_id":1,"category_id":3,"iscrowd":0,"width":2,"height":2,"segmentations":[{"size":[2,2],"counts":"013"},{"size":[2,2],"counts":"013"}],"bboxes":[[0,0,1,1],[0,0,1,1]],"areas":[1,1]},
                {"id":2,"video_id":1,"category_id":3,"iscrowd":0,"width":2,"height":2,"segmentations":[{"size":[2,2],"counts":"013"},null],"bboxes":[[0,0,1,1],null],"areas":[1,null]},
                {"id":3,"video_id":2,"category_id":3,"iscrowd":0,"width":2,"height":2,"segmentations":[{"size":[2,2],"counts":"013"}],"bboxes":[[0,0,1,1]],"areas":[1]}
                ]}

                """#)
    }

    // MARK: Text

    @Test("YOLO: polygons or boxes in shares of the sides, classes from 0, an empty file for none")
    func yolo() throws {
        var report = try export(try small(), .yoloSegmentation) { $0.fill = .edges }
        #expect(
            try output("labels/in/a.txt") == """
                0 0.000000 0.000000 0.666667 0.000000 0.666667 1.000000 0.000000 1.000000
                1 0.500000 0.250000 1.000000 0.250000 1.000000 0.750000 0.500000 0.750000
                1 0.666667 0.750000 1.000000 0.750000 1.000000 1.000000 0.666667 1.000000

                """)
        #expect(
            try output("data.yaml") == """
                train: images
                val: images
                names:
                  0: "cat"
                  1: "big dog"

                """)
        #expect(losses(report) == [.withoutMask: 1, .crowds: 1, .scores: 2])
        #expect(report.worstIoU == 1)
        report = try export(try small(), .yolo) { $0.overwrites = true }
        #expect(
            try output("labels/in/a.txt").hasSuffix(
                "0 0.375000 0.500000 0.416667 0.500000\n"))
        #expect(losses(report) == [.masks: 3, .crowds: 1, .scores: 2])
    }

    @Test("any name of a class comes back from YOLO's data.yaml")
    func yoloNames() throws {
        let names = ["dog 🐶", "é \u{7F}\u{85}\u{2028}", "a: \"b\" \\n #", "- x"]
        let categories = names.enumerated().map { #"{"id": \#($0 + 1), "name": \#(jsonText($1))}"# }
        let file = try folder.read(
            document(
                annotations: #"{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 3, 2]}"#,
                images: #"{"id": 1, "file_name": "a.jpg", "width": 6, "height": 4}"#,
                categories: #", "categories": [\#(categories.joined(separator: ", "))]"#))
        _ = try export(file, .yolo)
        try folder.add("out/images/a.jpg", pngHeader(width: 6, height: 4))
        #expect(try folder.load("out").categories.map(\.name) == names)
    }

    @Test("parts of one mask become one YOLO polygon and one LabelMe group")
    func parts() throws {
        let file = try folder.read(
            document(
                annotations: #"""
                    {"id": 1, "image_id": 1, "category_id": 3, "bbox": [0, 0, 10, 8],
                     "segmentation": [[0, 0, 2, 0, 2, 2, 0, 2], [4, 4, 6, 4, 6, 6, 4, 6]]}
                    """#))
        var report = try export(file, .yoloSegmentation) { $0.fill = .edges }
        #expect(
            try output("labels/a.txt")
                == "0 0.000000 0.000000 0.200000 0.000000 0.200000 0.250000 0.400000 0.500000 "
                + "0.600000 0.500000 0.600000 0.750000 0.400000 0.750000 0.400000 0.500000 "
                + "0.200000 0.250000 0.000000 0.250000\n")
        #expect(losses(report) == [.joinedParts: 1])
        #expect(report.worstIoU == 1)
        report = try export(file, .labelme) { $0.overwrites = true }
        #expect(losses(report) == [:])
        #expect(
            try output("a.json") == #"""
                {"version": "5.0.1", "flags": {}, "shapes": [
                {"label": "cat", "points": [[0,0], [2,0], [2,2], [0,2]], "group_id": 1, "shape_type": "polygon", "flags": {}, "annotation_id": 1, "category_id": 3},
                {"label": "cat", "points": [[4,4], [6,4], [6,6], [4,6]], "group_id": 1, "shape_type": "polygon", "flags": {}, "annotation_id": 1, "category_id": 3}],
                "imagePath": "a.jpg", "imageData": null, "imageHeight": 8, "imageWidth": 10, "image_id": 1}

                """#)
    }

    @Test("YOLO: corners on the limit of a fifth pixel, and parts that overlap, keep their masks")
    func yoloLimits() throws {
        let file = try folder.read(
            document(
                annotations: #"""
                    {"id": 1, "image_id": 1, "category_id": 3, "bbox": [0, 0, 9, 9],
                     "segmentation": [[1.1, 1.3, 8.9, 1.7, 8.5, 6.3, 2.7, 6.9]]},
                    {"id": 2, "image_id": 1, "category_id": 3, "bbox": [0, 0, 9, 9],
                     "segmentation": [[1, 1, 6, 1, 6, 6, 1, 6], [4, 4, 9, 4, 9, 8, 4, 8]]}
                    """#,
                images: #"{"id": 1, "file_name": "a.png", "width": 11, "height": 13}"#))
        let report = try export(file, .yoloSegmentation) { $0.fill = .edges }
        #expect(report.worstIoU == 1)
        try folder.add("out/images/a.png", pngHeader(width: 11, height: 13))
        let again = try AnnotationFile.read(
            AnnotationSource(path: folder.path + "/out", polygonFill: .edges))
        let size = Size(height: 13, width: 11)
        for (annotation, other) in zip(file.annotations, again.annotations) {
            #expect(
                try file.truth(of: annotation, imageSize: size)
                    == again.truth(of: other, imageSize: size))
        }
    }

    @Test("VOC XML, KITTI and CSV, as text")
    func boxes() throws {
        _ = try export(try small(), .voc)
        #expect(
            try output("Annotations/in/a.xml").contains(
                "<name>big dog</name>\n    <pose>Unspecified</pose><truncated>0</truncated>"
                    + "<difficult>0</difficult>\n    <bndbox><xmin>4</xmin><ymin>2</ymin>"
                    + "<xmax>6</xmax><ymax>3</ymax></bndbox>"))
        let report = try export(try small(), .kitti) { $0.overwrites = true }
        #expect(losses(report) == [.masks: 3, .ignored: 1, .changedNames: 1])
        #expect(
            try output("label_2/in/a.txt") == """
                cat 0 0 -10 0 0 4 4 -1 -1 -1 -1000 -1000 -1000 -10 0.9
                big_dog 0 0 -10 3 1 6 3 -1 -1 -1 -1000 -1000 -1000 -10 0.3
                DontCare -1 -1 -10 4 3 6 4 -1 -1 -1 -1000 -1000 -1000 -10
                cat 0 0 -10 1 1 3.5 3 -1 -1 -1 -1000 -1000 -1000 -10

                """)
        _ = try export(try small(), .csv, "out.csv")
        #expect(
            try text(of: folder.path + "/out.csv") == """
                image,x,y,w,h,label,score,image_width,image_height
                in/a.jpg,0,0,4,4,cat,0.9,6,4
                in/a.jpg,3,1,3,2,big dog,0.3,6,4
                in/a.jpg,4,3,2,1,big dog,,6,4
                in/a.jpg,1,1,2.5,2,cat,,6,4

                """)
    }

    // MARK: Label images

    @Test("semantic: the smaller mask is on top, or the one with the higher score; a legend")
    func semantic() throws {
        var report = try export(try small(), .semantic)
        let rows = try labels("in/a.png")
        #expect(
            rows == [
                [3, 3, 3, 3, 0, 0], [3, 3, 3, 5, 5, 5], [3, 3, 3, 5, 5, 5], [3, 3, 3, 3, 5, 5],
            ])
        #expect(
            losses(report) == [
                .withoutMask: 1, .crowds: 1, .scores: 2, .overlapped: 1, .overlapPixels: 2,
            ])
        #expect(report.writtenCount == 3)
        #expect(
            try output("categories.csv") == """
                value,id,name,red,green,blue
                3,3,cat,128,128,0
                5,5,big dog,128,0,128

                """)
        report = try export(try small(), .semantic) {
            $0.overwrites = true
            $0.overlap = .score
        }
        #expect(try labels("in/a.png")[1] == [3, 3, 3, 3, 5, 5])
        #expect(report.losses[.overlapPixels] == 2)
    }

    @Test("a void border lies on both sides of every edge, as wide as asked")
    func void() throws {
        let file = try folder.read(
            document(
                annotations: #"""
                    {"id": 1, "image_id": 1, "category_id": 3, "bbox": [0, 0, 5, 1],
                     "segmentation": {"size": [1, 12], "counts": [0, 6, 6]}}
                    """#, images: #"{"id": 1, "file_name": "a.jpg", "width": 12, "height": 1}"#))
        for (border, row) in [
            (1, [3, 3, 3, 3, 3, 255, 255, 0, 0, 0, 0, 0]),
            (3, [3, 3, 3, 255, 255, 255, 255, 255, 255, 0, 0, 0]),
        ] {
            _ = try export(file, .semantic) {
                $0.overwrites = true
                $0.voidBorder = border
            }
            #expect(try labels("a.png") == [row.map { UInt16($0) }])
            #expect(try output("categories.csv").hasSuffix("255,,void,224,224,192\n"))
        }
    }

    @Test("VOC's PNG files number classes and instances and carry VOC's palette")
    func vocPNG() throws {
        let report = try export(try small(), .vocPNG)
        #expect(try labels("SegmentationClass/in/a.png")[1] == [3, 3, 3, 5, 5, 5])
        #expect(try labels("SegmentationObject/in/a.png")[1] == [1, 1, 1, 2, 2, 2])
        #expect(try labels("SegmentationObject/in/a.png")[3] == [1, 1, 1, 1, 3, 3])
        #expect(try output("ImageSets/Segmentation/trainval.txt") == "in/a\n")
        #expect(report.losses[.overlapped] == 1)
        let image = try ImageCodec.decode(
            path: folder.path + "/out/SegmentationClass/in/a.png")
        #expect(Array(image.pixels.prefix(3)) == [128, 128, 0])
    }

    @Test("MOTS: 16 bits and text hold the same; a track keeps its number, a crowd is 10000")
    func mots() throws {
        let more = #"""
            , {"id": 5, "image_id": 1, "category_id": 5, "bbox": [4, 0, 1, 1], "track_id": 41,
               "segmentation": {"size": [4, 6], "counts": [16, 1, 7]}}
            """#
        _ = try export(try small(more), .motsPNG)
        let rows = try labels("instances/in/000000.png")
        #expect(rows[0] == [3000, 3000, 3000, 3000, 5041, 0])
        #expect(rows[1] == [3000, 3000, 3000, 5000, 5000, 5000])
        #expect(rows[3] == [3000, 3000, 3000, 3000, 10000, 10000])
        #expect(
            try output("images.csv")
                == "sequence,frame,image,width,height\nin,0,in/a.jpg,6,4\n")
        _ = try export(try small(more), .motsText) { $0.overwrites = true }
        let lines = try output("instances_txt/in.txt").split(separator: "\n")
        var drawn = [[UInt16]](repeating: [0, 0, 0, 0, 0, 0], count: 4)
        for line in lines {
            let fields = line.split(separator: " ")
            #expect(fields.count == 6)
            #expect(fields[0] == "0")
            #expect(fields[3...4] == ["4", "6"])
            let id = try #require(UInt16(fields[1]))
            #expect(UInt16(fields[2]) == id / 1000)
            let mask = try RLE(size: Size(height: 4, width: 6), compressed: String(fields[5]))
                .mask()
            for (place, value) in mask.pixels.enumerated() where value == 1 {
                #expect(drawn[place / 6][place % 6] == 0)
                drawn[place / 6][place % 6] = id
            }
        }
        #expect(drawn == rows)
    }

    @Test(
        "MOTS: a track that is no number below 1000 gets one", arguments: ["1e18", "9e18", "-9e18"])
    func absurdTrack(track: String) throws {
        let more = #"""
            , {"id": 5, "image_id": 1, "category_id": 5, "bbox": [4, 0, 1, 1], "track_id": \#(track),
               "segmentation": {"size": [4, 6], "counts": [16, 1, 7]}}
            """#
        _ = try export(try small(more), .motsPNG)
        #expect(try labels("instances/in/000000.png")[0][4] == 5001)
    }

    @Test("a PNG a mask loses nothing; the annotations keep their keys")
    func png() throws {
        let report = try export(try small(), .png)
        #expect(losses(report) == [.boxOnly: 1])
        #expect(try labels("masks/in/a/2.png")[1] == [0, 0, 0, 1, 1, 1])
        #expect(
            try output("annotations.json").contains(
                #""segmentation": null, "note": [1], "mask_file": "masks/in/a/2.png"}"#))
        let again = try AnnotationFile.read(path: folder.path + "/out/annotations.json")
        #expect(again.annotations.count == 4)
    }

    @Test("more than 254 categories need 16 bits")
    func wide() throws {
        let categories = (1...300).map { #"{"id": \#($0), "name": "c\#($0)"}"# }
        let file = try folder.read(
            document(
                annotations: #"""
                    {"id": 1, "image_id": 1, "category_id": 299, "bbox": [0, 0, 1, 1],
                     "segmentation": {"size": [1, 2], "counts": [0, 1, 1]}}
                    """#, images: #"{"id": 1, "file_name": "a.jpg", "width": 2, "height": 1}"#,
                categories: #", "categories": [\#(categories.joined(separator: ", "))]"#))
        _ = try export(file, .semantic)
        #expect(try labels("a.png") == [[299, 0]])
        let report = try export(file, .motsPNG, "mots")
        #expect(report.writtenCount == 1)
    }

    // MARK: Places

    @Test("two images of one name, but for the extension, do not meet")
    func stems() throws {
        let file = try folder.read(
            document(
                annotations: "",
                images: [
                    #"{"id": 1, "file_name": "a.jpg", "width": 2, "height": 1}"#,
                    #"{"id": 2, "file_name": "./a.png", "width": 2, "height": 1}"#,
                    #"{"id": 3, "file_name": "a.png", "width": 2, "height": 1}"#,
                ].joined(separator: ", ")))
        let report = try export(file, .semantic)
        #expect(losses(report) == [.renamedImages: 2])
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.path + "/out").sorted() == [
                ".mal-export", "a.png", "a.png-2.png", "a.png.png", "categories.csv", "images.csv",
            ])
    }

    @Test("an output that is there is kept unless it may be overwritten, one of others always")
    func overwriting() throws {
        let out = folder.path + "/out"
        _ = try export(try small(), .yolo)
        #expect(
            throws: FileError.unwritable(
                path: out, reason: "the folder is there; --overwrite replaces it")
        ) { try export(try small(), .labelme) }
        _ = try export(try small(), .labelme) { $0.overwrites = true }
        #expect(!FileManager.default.fileExists(atPath: out + "/data.yaml"))
        try FileManager.default.removeItem(atPath: out + "/.mal-export")
        #expect(
            throws: FileError.unwritable(
                path: out,
                reason: "the folder is not empty and was not written by mal; give another name")
        ) { try export(try small(), .labelme) { $0.overwrites = true } }
        _ = try export(try small(), .csv, "boxes.csv")
        #expect(
            throws: FileError.unwritable(
                path: folder.path + "/boxes.csv",
                reason: "the file is there; --overwrite replaces it")
        ) { try export(try small(), .csv, "boxes.csv") }
    }

    @Test("an export that fails leaves nothing, and what was there before")
    func atomic() throws {
        _ = try export(try small(), .yolo)
        let before = try output("labels/in/a.txt")
        struct Stop: Error {}
        var options = ExportOptions()
        options.overwrites = true
        let export = try AnnotationExport(
            format: .semantic, path: folder.path + "/out", options: options)
        #expect(throws: Stop.self) { try export.write(try small()) { _ in throw Stop() } }
        #expect(try output("labels/in/a.txt") == before)
        #expect(try folder.names == ["boxes.json", "out"])
    }

    @Test("an image without a size is named, or measured where the images are")
    func sizes() throws {
        let file = try folder.read(
            document(annotations: "", images: #"{"id": 1, "file_name": "a.png"}"#))
        #expect(throws: AnnotationError.self) { try export(file, .semantic) }
        do {
            _ = try export(file, .semantic)
        } catch let error as AnnotationError {
            #expect(
                error.description == "\(file.path): image 1: width, height: expected the image's "
                    + "size (or the folder of images: --images), found nothing")
        }
        let size = Size(height: 3, width: 5)
        _ = try folder.write(
            try ImageCodec.encodePNG(grey: [UInt8](repeating: 9, count: 15), size: size),
            to: "a.png")
        _ = try export(file, .semantic) { $0.imagesDirectory = folder.path }
        #expect(try labels("a.png").count == 3)
    }

    @Test("a mask of another size than its image stops the export and is named")
    func wrongSize() throws {
        let file = try folder.read(
            document(
                annotations: #"""
                    {"id": 4, "image_id": 1, "category_id": 3, "bbox": [1, 1, 3, 3],
                     "segmentation": {"size": [10, 8], "counts": [80]}}
                    """#))
        let boxes: [AnnotationFormat] = [.voc, .yolo, .kitti, .csv]
        for format in AnnotationFormat.allCases where format.isWritten && !boxes.contains(format) {
            #expect(throws: AnnotationError.self, "\(format)") { try export(file, format) }
        }
        #expect(try folder.names == ["boxes.json"])
    }
}
