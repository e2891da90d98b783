import Annotations
import Imaging

extension Reader {
    /// COCO annotation files: reading, every mask in them, and writing them again.
    static func coco(_ places: Places) throws -> Reader {
        let corpus =
            try places.corpus("Tests/Fixtures/coco", suffix: ".json")
            + [places.bytes("Demo/boxes.json")].filter { $0.count <= 20_000 }
            + small.map { Array($0.utf8) }
        let mutate = Mutator(corpus, words: words, isText: true)
        return Reader(name: "coco", generate: { mutate(&$0) }) { input, index in
            let file = try AnnotationFile.read(path: places.write(input))
            require(file.byteCount == input.count, "it holds \(file.byteCount) bytes")
            _ = file.problems.summary()
            _ = file.obstacles
            _ = file.checkSegmentations(isRequired: index % 2 == 0).summary()
            for annotation in file.annotations {
                _ = file.text(annotation.range)
                if index % 4 == 1 { crop(annotation.box) }
                guard case .rle(let mask)? = try? file.segmentation(of: annotation) else {
                    continue
                }
                use(mask)
            }
            if index % 4 == 0 { try write(file, to: places.scratch + "/output") }
        }
    }

    /// What labelling does with a box, in an image of 10 × 8.
    private static func crop(_ box: Box) {
        let size = Size(height: 8, width: 10)
        let image = RGBImage(size: size, filledWith: (1, 2, 3))
        let side = Size(square: 8)
        let whole = CropWindow(around: box, margins: .test(rate: 0.4))
        _ = try? image.wrappedCrop(whole, resizedTo: side)
        guard let clipped = box.clipped(to: size) else { return }
        let window = CropWindow(around: clipped, margins: .test(rate: 0.4))
        _ = try? image.wrappedCrop(window, resizedTo: side)
        _ = try? Mask(box: clipped, image: size, zeroPaddedCrop: window, resizedTo: side)
        _ = Mask(box: box, size: size)
    }

    /// What is written for any file that was read can be read again.
    private static func write(_ file: AnnotationFile, to path: String) throws {
        let size = Size(height: 2, width: 3)
        let result = AnnotationResult(
            size: size, counts: Array("03".utf8), area: 3,
            extra: [.init("mal_score", 0.25)])
        let writer = AnnotationWriter(file)
        try writer.write(to: path) { $0 % 3 == 2 ? nil : result }
        let again = try? AnnotationFile.read(path: path)
        require(
            again?.annotations.count == file.annotations.count, "the output is not a COCO file")
        try TAOWriter(file).write(to: path) { $0 % 3 == 2 ? nil : .init(result, score: 0.5) }
    }

    private static let small = [
        #"{"images":[{"id":1,"file_name":"a.jpg","width":10,"height":8}],"annotations":["#
            + #"{"id":1,"image_id":1,"category_id":3,"bbox":[1,2,3,4],"iscrowd":0},"#
            + #"{"id":2,"image_id":1,"category_id":3,"bbox":[0.5,0,9.5,8],"area":12.5,"#
            + #""segmentation":{"size":[8,10],"counts":[0,80]}},"#
            + #"{"id":3,"image_id":1,"category_id":3,"bbox":[0,0,1,1],"#
            + #""segmentation":[[1,1,5,1,5,5],[2.5,2.5,7,2,7,7,2,7]]},"#
            + #"{"id":4,"image_id":1,"category_id":3,"bbox":[0,0,1,1],"#
            + #""segmentation":{"size":[8,10],"counts":"`0P2"}}],"#
            + #""categories":[{"id":3,"name":"cat"}]}"#,
        #"{ "info": {"a": [1, {"b": null}]}, "licenses": [], "images": [{"id": "x\u00e9", "#
            + #""file_name": "d/\ud83d\ude00.png"}], "categories": [], "annotations": [{"#
            + #""image_id": "x\u00e9", "id": 9007199254740993, "bbox": [1e1, -2.5E-1, 3, 4], "#
            + #""segmentation": [], "id": 7, "extra": [true, false, "\\\"\n", 1.0e+2]}]}"#,
        #"{"images": [], "annotations": []}"#,
        "\n[{},\t{\"a\":[[[[]]]]}]\r\n",
    ]

    private static let words = [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "null", "true", "false", "[]", "{}", "\"\"", "[[",
        "]]", "\\u0000", "\\ud83d", "\\udc00\"", "\\\"", "\\x", "\u{0}", "\u{1}", "\u{FEFF}", " ",
        "\n", "\"id\":", "\"image_id\":", "\"category_id\":", "\"bbox\":", "\"segmentation\":",
        "\"counts\":", "\"size\":", "\"iscrowd\":", "\"area\":", "\"file_name\":", "\"width\":",
        "\"height\":", "\"images\":", "\"annotations\":", "\"categories\":", "[1,2,3,4]",
        "\"../x\"",
        "\"/etc/passwd\"", ",{}", "[4294967295]", "[[0,0,1e8,0,1e8,1e8]]", "// x\n", "e", "E-",
    ]
}
