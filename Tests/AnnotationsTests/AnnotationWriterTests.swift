import Annotations
import Files
import Foundation
import Imaging
import Testing
import TestSupport

@Suite struct AnnotationWriterTests {
    let folder: TestFolder
    let mask: RLE

    init() throws {
        folder = try TestFolder()
        mask = try RLE(size: Size(height: 8, width: 10), counts: [3, 4, 73])
    }

    private func written(_ text: String, _ results: (Int) -> AnnotationResult?) throws -> String {
        let file = try folder.read(text)
        let path = folder.path + "/masks.json"
        try AnnotationWriter(file).write(to: path, results: results)
        return try AnnotationsTests.text(of: path)
    }

    @Test("without results the output is the input, byte for byte")
    func identity() throws {
        for name in ["coco/instances.json", "inference_load_mask_True.json"] {
            let file = try AnnotationFile.read(path: fixture(name))
            let path = folder.path + "/copy.json"
            try AnnotationWriter(file).write(to: path) { _ in nil }
            #expect(try bytes(of: path) == bytes(of: fixture(name)))
        }
    }

    @Test("only segmentation and area change; numbers, order and white space stay")
    func splice() throws {
        let input = #"""
            { "images":[{"id":1,"file_name":"a.jpg","width":10,"height":8, "big": 1e400}],
              "info": {"é": "\u00e9"}, "categories": [],
              "annotations": [
                {"area": 1.50, "id": 12345678901234567890123, "segmentation" : [[1,2,3,4,5,6]],
                 "image_id": 1, "bbox": [1.10, 2.0, 3e0, 4], "score": 0.30000000000000004 },
                {"id": 2, "image_id": 1, "bbox": [1, 1, 2, 2]
                },
                {"id": 3, "image_id": 1, "bbox": [1, 1, 2, 2], "segmentation": null}
              ] }

            """#
        let output = try written(input) { $0 == 2 ? nil : AnnotationResult(mask) }
        let value = #"{"size": [8, 10], "counts": "34Y2"}"#
        let expected =
            input
            .replacingOccurrences(of: "1.50", with: "4")
            .replacingOccurrences(of: "[[1,2,3,4,5,6]]", with: value)
            .replacingOccurrences(
                of: "[1, 1, 2, 2]\n",
                with: #"[1, 1, 2, 2], "segmentation": \#(value), "area": 4"# + "\n")
        #expect(output == expected)
    }

    @Test("a compact file stays compact; backslashes in counts are escaped; extra keys are set")
    func compact() throws {
        let input =
            #"{"images":[{"id":1,"file_name":"a"}],"annotations":[{"id":1,"image_id":1,"#
            + #""bbox":[1,1,2,2],"score":5,"x":"y"}]}"#
        let result = AnnotationResult(
            size: Size(height: 1, width: 2), counts: Array(#"0\o"#.utf8), area: 7,
            extra: [.init("score", 0.25), .init("quality", 1)])
        let output = try written(input) { _ in result }
        #expect(
            output
                == input
                .replacingOccurrences(of: "\"score\":5", with: "\"score\":0.25")
                .replacingOccurrences(
                    of: #""x":"y""#,
                    with:
                        #""x":"y","segmentation":{"size":[1,2],"counts":"0\\o"},"area":7,"quality":1.0"#
                ))
    }

    @Test("a repeated or escaped key is set wherever it occurs")
    func repeatedKeys() throws {
        let output = try written(
            document(
                annotations: #"""
                    {"area": 1, "id": 1, "image_id": 1, "bbox": [1, 1, 2, 2], "are\u0061": 2,
                     "segmentation": [], "segmentation": null}
                    """#)
        ) { _ in AnnotationResult(mask) }
        let value = #"{"size": [8, 10], "counts": "34Y2"}"#
        #expect(output.contains(#"{"area": 4,"#) && output.contains(#""are\u0061": 4,"#))
        #expect(output.contains(#""segmentation": \#(value), "segmentation": \#(value)}"#))
    }

    @Test("an error while writing leaves neither output nor temporary file")
    func failure() throws {
        struct Stop: Error {}
        let file = try folder.read(
            document(annotations: #"{"id": 1, "image_id": 1, "bbox": [1, 1, 2, 2]}"#))
        #expect(throws: Stop.self) {
            try AnnotationWriter(file).write(to: folder.path + "/masks.json") { _ in throw Stop() }
        }
        #expect(try folder.names == ["boxes.json"])
        #expect(
            throws: FileError.unwritable(
                path: folder.path + "/none/masks.json", reason: "no such file or directory")
        ) {
            try AnnotationWriter(file).write(to: folder.path + "/none/masks.json") { _ in nil }
        }
        #expect(throws: FileError.unwritable(path: folder.path, reason: "it is a folder")) {
            try AnnotationWriter(file).write(to: folder.path) { _ in nil }
        }
    }

    @Test("the output may replace the input")
    func inPlace() throws {
        let file = try folder.read(
            document(annotations: #"{"id": 1, "image_id": 1, "bbox": [1, 1, 2, 2]}"#))
        try AnnotationWriter(file).write(to: file.path) { _ in AnnotationResult(mask) }
        let again = try AnnotationFile.read(path: file.path)
        #expect(try again.segmentation(of: again.annotations[0]) == .rle(mask))
        #expect(try folder.names == ["boxes.json"])
    }
}
