import Annotations
import Formats
import Foundation
import Imaging
import Testing
import TestSupport

@Suite struct LabelImageReadingTests {
    let folder: TestFolder

    init() throws {
        folder = try TestFolder()
    }

    /// A 6×4 image with two overlapping masks, a crowd and a box without a mask, and an empty image.
    private func small() throws -> AnnotationFile {
        try folder.read(
            document(
                annotations: #"""
                    {"id": 1, "image_id": 1, "category_id": 9, "bbox": [0, 0, 4, 4], "track_id": 7,
                     "segmentation": [[0, 0, 4, 0, 4, 4, 0, 4]]},
                    {"id": 2, "image_id": 1, "category_id": 5, "bbox": [3, 1, 3, 2], "note": [1],
                     "segmentation": {"size": [4, 6], "counts": [13, 2, 2, 2, 2, 2, 1]}},
                    {"id": 3, "image_id": 1, "category_id": 5, "bbox": [4, 3, 2, 1], "iscrowd": 1,
                     "segmentation": [[4, 3, 6, 3, 6, 4, 4, 4]]},
                    {"id": 4, "image_id": 1, "category_id": 9, "bbox": [1, 1, 2.5, 2]}
                    """#,
                images: #"""
                    {"id": 1, "file_name": "in/a.webp", "width": 6, "height": 4},
                    {"id": 2, "file_name": "in/b.webp", "width": 3, "height": 2}
                    """#,
                categories:
                    #", "categories": [{"id": 9, "name": "cat"}, {"id": 5, "name": "a, b"}]"#)
        )
    }

    private func write(_ format: AnnotationFormat, voidBorder: Int = 0) throws {
        var options = ExportOptions()
        options.voidBorder = voidBorder
        _ = try AnnotationExport(
            format: format, path: folder.path + "/out", options: options
        ).write(try small())
    }

    /// Category id, crowd flag and mask as rows of 0 and 1, of each annotation.
    private func masks(_ file: AnnotationFile) throws -> [String] {
        try file.annotations.map { annotation in
            let size = try #require(annotation.imageIndex.flatMap { file.images[$0].size })
            let category = annotation.categoryIndex.map { file.categories[$0] }
            guard let mask = try file.truth(of: annotation, imageSize: size) else { return "none" }
            #expect(mask.boundingBox == annotation.box)
            let pixels = try mask.mask().pixels
            let rows = (0..<size.height).map { row in
                pixels[row * size.width..<(row + 1) * size.width].map(String.init).joined()
            }
            return "\(category?.id ?? 0) \(annotation.isCrowd ? "crowd " : "")"
                + rows.joined(separator: " ")
        }
    }

    private func categories(_ file: AnnotationFile) -> [String] {
        file.categories.map { "\($0.id) \($0.name ?? "")" }
    }

    private func images(_ file: AnnotationFile) -> [String] {
        file.images.map { "\($0.fileName) \($0.size?.description ?? "no size")" }
    }

    private func labels(_ name: String, _ rows: [[UInt16]], isWide: Bool = false) throws {
        let values = rows.flatMap { $0 }
        let pixels: LabelPixels = isWide ? .words(values) : .bytes(values.map(UInt8.init))
        let size = Size(height: rows.count, width: rows[0].count)
        try folder.add(name, try ImageCodec.encodePNG(labels: pixels, size: size))
    }

    // MARK: What mal writes

    private let visible = [
        "9 111100 111000 111000 111100", "5 000000 000111 000111 000000",
    ]
    private let names = ["in/a.webp 6×4", "in/b.webp 3×2"]

    @Test("voc-png comes back with names, ids and what is visible of each mask")
    func vocPNG() throws {
        try write(.vocPNG)
        let file = try folder.load("out")
        #expect(file.format == .vocPNG)
        #expect(try masks(file) == visible + ["5 000000 000000 000000 000011"])
        #expect(categories(file) == ["9 cat", "5 a, b"])
        #expect(images(file) == names)
        #expect(file.problems.isEmpty)
    }

    @Test("semantic comes back as a record a category")
    func semantic() throws {
        try write(.semantic)
        let file = try folder.load("out")
        #expect(file.format == .semantic)
        #expect(try masks(file) == ["5 000000 000111 000111 000011", visible[0]])
        #expect(categories(file) == ["9 cat", "5 a, b"])
        #expect(images(file) == names)
    }

    @Test("void pixels belong to nothing")
    func void() throws {
        try write(.semantic, voidBorder: 1)
        #expect(
            try masks(try folder.load("out")) == [
                "5 000000 000000 000011 000001", "9 111000 110000 110000 111000",
            ])
    }

    @Test(
        "KITTI MOTS comes back with tracks and crowds",
        arguments: [
            AnnotationFormat.motsPNG, .motsText,
        ])
    func mots(_ format: AnnotationFormat) throws {
        try write(format)
        let file = try folder.load("out")
        #expect(file.format == format)
        let crowd = "1 crowd 000000 000000 000000 000011"
        #expect(
            try masks(file).sorted() == ([crowd] + visible).sorted())
        #expect(file.annotations.compactMap { file.number("track_id", of: $0) }.sorted() == [0, 7])
        #expect(categories(file) == ["9 cat", "5 a, b", "1 ignored"])
        #expect(images(file) == names)
    }

    @Test("a PNG a mask comes back as it was, byte for byte but the masks")
    func png() throws {
        try write(.png)
        let file = try folder.load("out")
        #expect(file.format == .png)
        let before = try small()
        #expect(try masks(file) == masks(before))
        let record = file.text(file.annotations[1].range)
        #expect(
            record
                == #"""
                {"id": 2, "image_id": 1, "category_id": 5, "bbox": [3, 1, 3, 2], "note": [1],
                 "segmentation": {"size": [4, 6], "counts": "=2222231"}, "mask_file": null}
                """#.replacing(
                    "=2222231",
                    with: try #require(
                        try before.truth(
                            of: before.annotations[1], imageSize: Size(height: 4, width: 6))
                    )
                    .compressedString))
        #expect(file.text(file.annotations[3].range) == before.text(before.annotations[3].range))
        #expect(try folder.load("out/annotations.json", format: .png).annotations.count == 4)
    }

    // MARK: What others write

    @Test("copies of Pascal VOC and KITTI MOTS have no legend: their classes are known")
    func customary() throws {
        try labels("voc/SegmentationObject/x.png", [[1, 1, 255, 2]])
        try labels("voc/SegmentationClass/x.png", [[15, 15, 255, 77]])
        let voc = try folder.load("voc")
        #expect(lines(voc) == ["x.jpg person 0 0 2 1", "x.jpg 77 3 0 1 1"])
        try labels("mots/instances/0003/000012.png", [[1005, 2000, 10_000, 0]], isWide: true)
        try labels("mots/image_02/0003/000012.jpg", [[0]])
        let mots = try folder.load("mots", images: "mots/image_02")
        #expect(
            lines(mots) == [
                "0003/000012.jpg car 0 0 1 1", "0003/000012.jpg pedestrian 1 0 1 1",
                "0003/000012.jpg ignored 2 0 1 1",
            ])
        #expect(mots.annotations.map(\.isCrowd) == [false, false, true])
        try folder.add("0005.txt", "3 2001 2 2 3 02\n3 17001 2 2 3 02\n\n")
        #expect(folder.failure("0005.txt").contains("line 1: run lengths: expected a mask as"))
        try folder.add("0005.txt", "3 2001 2 2 3 024\n3 17001 2 2 3 0Z\n")
        #expect(folder.failure("0005.txt").contains("line 2: run lengths"))
        try folder.add("0005.txt", "3 2001 2 2 3 024\n3 17001 2 2 3 222\n")
        let text = try folder.load("0005.txt")
        #expect(text.format == .motsText)
        #expect(
            lines(text) == [
                "0005/000003.png pedestrian 0 0 1 2", "0005/000003.png pedestrian 1 0 1 2",
            ])
        #expect(text.annotations.compactMap { text.number("track_id", of: $0) } == [1, 17_001])
    }

    @Test("label images alone need --format; numbers without a legend are names")
    func bare() throws {
        try labels("maps/x.png", [[7, 0, 255, 3]])
        #expect(
            folder.failure("maps").contains("a folder of 1 .png without categories.csv; --format"))
        let file = try folder.load("maps", format: .semantic)
        #expect(lines(file) == ["x.jpg 3 3 0 1 1", "x.jpg 7 0 0 1 1"])
    }

    @Test("an object of two classes is the class of most of its pixels, and the other is named")
    func twoClasses() throws {
        try labels("voc/SegmentationObject/x.png", [[1, 1, 1], [0, 1, 1]])
        try labels("voc/SegmentationClass/x.png", [[15, 15, 15], [0, 255, 3]])
        let file = try folder.load("voc")
        #expect(lines(file) == ["x.jpg person 0 0 3 2"])
        #expect(
            folder.warnings(file) == [
                "warning: voc/SegmentationObject/x.png object 1: pixel (1, 1): expected one class "
                    + "for all pixels, found 2 of 5 with another than 15, which counts"
            ])
    }

    // MARK: Mistakes

    @Test("an object in the background has no class")
    func background() throws {
        try labels("voc/SegmentationObject/a.png", [[1]])
        try labels("voc/SegmentationClass/a.png", [[0]])
        #expect(
            folder.failure("voc")
                == "voc/SegmentationObject/a.png object 1: pixel (0, 0): expected a class in "
                + "voc/SegmentationClass/a.png, found the background")
    }

    @Test("the two images of a VOC pair must be there and of one size")
    func pairs() throws {
        try labels("voc/SegmentationObject/a.png", [[1]])
        #expect(folder.failure("voc").contains("--format semantic reads classes alone"))
        try labels("voc/SegmentationClass/b.png", [[1]])
        #expect(
            folder.failure("voc").hasPrefix(
                "voc/SegmentationClass/a.png: expected a PNG of labels, found"))
        try labels("voc/SegmentationClass/a.png", [[1, 2]])
        #expect(
            folder.failure("voc")
                == "voc/SegmentationClass/a.png: size: expected 1×1, as its objects have, found 2×1"
        )
    }

    @Test("a number that the legend does not have is named with its pixel")
    func unknownNumber() throws {
        try labels("maps/x.png", [[0, 7], [0, 7]])
        try folder.add("maps/categories.csv", "value,id,name,red,green,blue\n3,1,cat,0,0,0\n")
        #expect(
            folder.failure("maps")
                == "maps/x.png: pixel (1, 0): expected a number that maps/categories.csv has, found 7"
        )
    }

    @Test(
        "legends and tables of images are checked line by line",
        arguments: [
            (
                "value,name\n",
                "line 1: expected a header with value, id, name, found \"value,name\""
            ),
            (
                "value,id,name\nx,1,cat\n",
                "line 2: value: expected a whole number up to 1000000, found \"x\""
            ),
            (
                "value,id,name\n1,1,cat\n1,2,dog\n",
                "line 3: value: expected a number of its own, found 1"
            ),
            ("value,id,name\n1,1,cat\n2,1,dog\n", "line 3: id: expected an id of its own, found 1"),
            (
                "value,id,name\n1,1,cat\n2,2,cat\n",
                "line 3: name: expected a name of its own, found \"cat\""
            ),
            (
                "value,id,name\n1\n",
                "line 2: expected a field for each column of the header, found 1"
            ),
        ])
    func legends(_ table: String, _ message: String) throws {
        try labels("maps/x.png", [[1]])
        try folder.add("maps/categories.csv", table)
        #expect(folder.failure("maps") == "maps/categories.csv " + message)
    }

    @Test("tables of images lead nowhere else and name only what is there")
    func imageTables() throws {
        try labels("maps/x.png", [[1]])
        try folder.add("maps/categories.csv", "value,id,name\n1,1,cat\n")
        try folder.add("maps/images.csv", "label,image\nx,../../x.jpg\n")
        #expect(
            folder.failure("maps")
                == "maps/images.csv line 2: image: expected a path inside the images folder, found "
                + "\"../../x.jpg\", which leads out of the images folder")
        try folder.add("maps/images.csv", "label,image\nx,x.jpg\ny,y.jpg\n")
        #expect(
            folder.failure("maps")
                == "maps/images.csv: label: expected a label image for \"y.jpg\", found no \"y.png\""
        )
        try folder.add("maps/images.csv", "label,image\nx,x.jpg\nx,y.jpg\n")
        #expect(folder.failure("maps").contains("line 3: label: expected a label file of its own"))
    }

    @Test(
        "KITTI MOTS: lines are checked field by field",
        arguments: [
            (
                "0 1001 1 2 3\n",
                "line 1: expected 6 fields (frame, id, class, height, width, run lengths), found 5"
            ),
            (
                "0 1001 1 2 x 6\n",
                "line 1: width: expected a whole number of at most 9 digits, found \"x\""
            ),
            (
                "0 1001 1 2 3 7\n",
                "line 1: run lengths: expected a mask as pycocotools writes it, found one whose run counts sum to 7, size [2, 3] needs 6"
            ),
            (
                "0 1001 1 2 3 6\n0 1001 1 2 3 6\n",
                "line 2: id: expected an id of its own in its frame, found 1001"
            ),
            (
                "0 1001 1 2 3 6\n0 1002 1 3 2 6\n",
                "line 2: height, width: expected 3×2, its image's size, found 2×3"
            ),
            ("0 0 0 2 3 6\n", "line 1: class: expected a number that the legend has, found 0"),
        ])
    func motsLines(_ text: String, _ message: String) throws {
        try folder.add("d/instances_txt/0000.txt", text)
        #expect(folder.failure("d") == "d/instances_txt/0000.txt " + message)
    }

    @Test("KITTI MOTS: images are checked")
    func motsImages() throws {
        try labels("d/instances/0000/000001.png", [[0, 5]])
        #expect(
            folder.failure("d")
                == "d/instances/0000/000001.png: pixel (1, 0): expected 1000 × class + instance, found 5"
        )
        try labels("d/instances/0000/first.png", [[0]])
        #expect(folder.failure("d").contains("expected a frame's number as the file's name"))
        try folder.add("d/images.csv", "sequence,frame,image,width,height\n0000,x,a.jpg,1,1\n")
        #expect(
            folder.failure("d").hasPrefix("d/images.csv line 2: frame, width, height: expected"))
        try folder.add("d/images.csv", "sequence,frame,image,width,height\n0000,9,a.jpg,1,1\n")
        #expect(
            folder.failure("d").contains("a label image for frame 9 of \"0000\", found none"))
    }

    @Test("a PNG a mask: names stay inside, sizes fit, colours are no mask")
    func instancePNG() throws {
        func failure(_ file: String) throws -> String {
            try folder.add(
                "d/annotations.json",
                document(
                    annotations: #"""
                        {"id": 4, "image_id": 1, "category_id": 3, "bbox": [1, 1, 3, 3],
                         "mask_file": \#(file)}
                        """#,
                    images: #"{"id": 1, "file_name": "a.jpg", "width": 2, "height": 1}"#))
            return folder.failure("d")
        }
        let start = "d/annotations.json: annotation 4: mask_file: expected "
        try labels("d/masks/a/1.png", [[1, 0, 1]])
        #expect(
            try failure(#""masks/a/1.png""#)
                == start + #"2×1, its image's size, found 3×1 in "masks/a/1.png""#)
        #expect(
            try failure(#""../a.png""#)
                == start
                + #"a path inside the folder, found "../a.png", which leads out of the images folder"#
        )
        #expect(try failure("[1]") == start + #"a text, found "[1]""#)
        #expect(try failure(#""masks/none.png""#).hasPrefix(start + "a PNG of a mask, found"))
        let photo = RGBImage(size: Size(height: 1, width: 2), filledWith: (9, 8, 7))
        try folder.add("d/masks/c.png", try ImageCodec.encodePNG(photo))
        #expect(try failure(#""masks/c.png""#).contains("colours where labels were expected"))
        try labels("d/masks/a/1.png", [[0, 255]])
        #expect(try failure(#""masks/a/1.png""#) == "accepted as png with 1 records")
        #expect(try failure("null") == "accepted as png with 1 records")
    }
}
