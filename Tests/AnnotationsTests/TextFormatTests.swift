import Annotations
import Formats
import Foundation
import Imaging
import Testing

/// YOLO and KITTI.
@Suite struct TextFormatTests {
    let folder: TestFolder

    init() throws {
        folder = try TestFolder()
    }

    // MARK: YOLO

    private func addYOLO() throws {
        try folder.add("ds/data.yaml", "path: .\ntrain: images/train\nnames:\n  0: cat\n  1: dog\n")
        try folder.add("ds/images/train/a.png", pngHeader(width: 200, height: 100))
        try folder.add("ds/images/train/b.png", pngHeader(width: 50, height: 50))
        try folder.add("ds/images/val/a.png", pngHeader(width: 10, height: 10))
        try folder.add(
            "ds/labels/train/a.txt", "1 0.5 0.5 0.25 0.5\r\n\n0 0.1 0.2 0.2 0.4 0.875\n")
        try folder.add("ds/labels/val/a.txt", "0 0.1 0.1 0.5 0.1 0.5 0.6\n")
    }

    @Test("labels are found beside their images, whichever part of the data set is named")
    func yoloLayouts() throws {
        try addYOLO()
        let boxes = ["a.png dog 75 25 50 50", "a.png cat 0 0 40 40"]
        for (path, images) in [
            ("ds/data.yaml", "ds/images/train"), ("ds", "ds/images/train"),
            ("ds/labels/train", "ds/images/train"), ("ds/labels/train", nil),
            ("ds/labels/train/a.txt", nil),
        ] {
            let file = try folder.load(path, images: images)
            #expect(file.format == .yolo)
            #expect(lines(file) == boxes, "\(path) \(images ?? "-")")
            #expect(file.number("score", of: file.annotations[1]) == 0.875)
            // An image without labels is part of the data set.
            #expect(file.images.count == (path.hasSuffix(".txt") ? 1 : 2))
        }
        let whole = try folder.load("ds")
        #expect(
            lines(whole) == [
                "images/train/a.png dog 75 25 50 50", "images/train/a.png cat 0 0 40 40",
            ])
        #expect(whole.categories.map(\.name) == ["cat", "dog"])
        // Pixels of the border are the corners of polygons.
        let part = try folder.load("ds/labels/val")
        #expect(lines(part) == ["a.png cat 1 1 5 6"])
        guard case .rle(let mask) = try part.segmentation(of: part.annotations[0]) else {
            Issue.record("no mask")
            return
        }
        #expect(mask == (try RLE(filling: [1, 1, 5, 1, 5, 6], size: Size(height: 10, width: 10))))
        let edges = try AnnotationFile.read(
            AnnotationSource(path: folder.path + "/ds/labels/val", polygonFill: .edges))
        #expect(
            try edges.segmentation(of: edges.annotations[0]) == .polygons([[1, 1, 5, 1, 5, 6]]))
    }

    @Test("a box whose six decimals put it a hair outside is set back to the edge")
    func yoloEdges() throws {
        try folder.add("a.png", pngHeader(width: 333, height: 100))
        try folder.add("a.txt", "0 0.166667 0.5 0.333335 1\n0 0.9 0.5 0.21 1")
        let file = try folder.load("a.txt")
        #expect(file.annotations[0].x == 0)
        #expect(TAOFilter.validation.keeps(file.annotations[0], in: file))
        #expect(!TAOFilter.validation.keeps(file.annotations[1], in: file))
    }

    @Test("class names come from data.yaml as a list, from classes.txt, or are the numbers")
    func yoloNames() throws {
        try folder.add("l/a.png", pngHeader(width: 10, height: 10))
        try folder.add("l/a.txt", "2 0.5 0.5 0.5 0.5\n")
        #expect(try folder.load("l").categories.map(\.name) == ["0", "1", "2"])
        try folder.add("l/classes.txt", "x\ny\nz\n")
        #expect(lines(try folder.load("l")) == ["a.png z 2.5 2.5 5 5"])
        try folder.add("l/data.yaml", "nc: 3\nnames: ['p', 'q', 'r']\n")
        #expect(lines(try folder.load("l")) == ["a.png r 2.5 2.5 5 5"])
        try folder.add("l/data.yaml", "nc: 4\nnames: ['p', 'q', 'r']\n")
        #expect(
            folder.failure("l")
                == #"l/data.yaml line 1: nc: expected the number of names, 3, found "4""#)
        try folder.add("l/data.yaml", "names: [p]\n")
        #expect(
            folder.failure("l")
                == "l/a.txt line 1: class: expected a whole number from 0 to 0, as l/data.yaml "
                + #"has 1 names, found "2""#)
    }

    @Test("every wrong line is named, all at once")
    func brokenYOLO() throws {
        try folder.add("l/a.png", pngHeader(width: 10, height: 10))
        try folder.add(
            "l/a.txt",
            "0 0.5 0.5 0.5\n-1 .5 .5 .5 .5\n0 0.5 nan 0.5 0.5\n0 312 0.5 0.5 0.5\n1.5 0 0 0 0\n")
        try folder.add("l/b.txt", "0 0.5 0.5 0.5 0.5\n")
        #expect(
            folder.failure("l", format: .yolo) == """
                l/b.txt: image: expected one image of that name in l (boxes are shares of its \
                sides), found none
                l/a.txt line 1: expected 5 fields (class, centre, width, height), 6 with a \
                confidence, or the corners of a polygon, found 4
                l/a.txt line 2: class: expected a whole number from 0 to 65535, found "-1"
                l/a.txt line 3: field 3: expected a share of the image from 0 to 1, found "nan"
                l/a.txt line 4: field 2: expected a share of the image from 0 to 1, found "312"
                l/a.txt line 5: class: expected a whole number from 0 to 65535, found "1.5"
                """)
    }

    // MARK: KITTI

    private let car =
        "Car 0.00 1 -1.58 587.01 173.33 614.12 200.12 1.65 1.67 3.64 -0.65 1.71 46.7 -1.59"

    @Test("KITTI's boxes, and what else its lines say")
    func kitti() throws {
        try folder.add("k/training/label_2/000001.txt", car + "\n" + car + " 0.75\n")
        try folder.add(
            "k/training/label_2/000002.txt",
            "DontCare -1 -1 -10 1 2 3 4 -1 -1 -1 -1000 -1000 -1000 -10\n")
        try folder.add("k/training/image_2/000001.png", pngHeader(width: 1242, height: 375))
        for path in ["k", "k/training", "k/training/label_2"] {
            let file = try folder.load(path)
            #expect(file.format == .kitti)
            #expect(
                lines(file) == [
                    "000001.png Car 587.01 173.33 27.11 26.79",
                    "000001.png Car 587.01 173.33 27.11 26.79", "000002.png DontCare 1 2 2 2",
                ])
            #expect(file.annotations.map(\.isCrowd) == [false, false, true])
            #expect(file.images.map(\.size) == [Size(height: 375, width: 1242), nil])
            let first = file.text(file.annotations[1].range)
            for member in [
                #""occluded": 1.0"#, #""alpha": -1.58"#, #""dimensions": [1.65, 1.67, 3.64]"#,
                #""location": [-0.65, 1.71, 46.7]"#, #""rotation_y": -1.59"#, #""score": 0.75"#,
            ] { #expect(first.contains(member), "\(member)") }
        }
    }

    @Test("wrong KITTI lines are named")
    func brokenKITTI() throws {
        try folder.add("k/1.txt", car + "\n" + car.replacingOccurrences(of: "587.01", with: "inf"))
        try folder.add("k/2.txt", "Car 1 2 3\n" + "Car 1 " + car.dropFirst(4))
        try folder.add("k/3.txt", [0xFF] + Array(car.utf8))
        #expect(
            folder.failure("k", format: .kitti) == """
                k/1.txt line 2: left: expected a finite number, found "inf"
                k/2.txt line 1: expected 15 fields, or 16 with a score, found 4
                k/3.txt line 1: type: expected UTF-8, found "\u{FFFD}Car"
                """)
    }
}
