import Annotations
import Files
import Foundation
import Testing

@Suite struct BadFileTests {
    let folder: TestFolder

    init() throws {
        folder = try TestFolder()
    }

    private func message(_ bytes: [UInt8]) throws -> String {
        let path = try folder.write(bytes)
        do {
            _ = try AnnotationFile.read(path: path)
            return "accepted"
        } catch {
            return "\(error)".replacingOccurrences(of: path, with: "F")
        }
    }

    @Test(
        "text that is not strict JSON is refused with its place",
        arguments: [
            ("{", "F line 1 column 2: expected a key in double quotes, found the end of the file"),
            (" \n ", "F line 2 column 2: the file holds no JSON value"),
            ("{\"a\": 1,\n}", "F line 2 column 1: expected a key in double quotes, found '}'"),
            ("{\"a\" 1}", "F line 1 column 6: expected ':', found '1'"),
            ("{\"a\": [1 2]}", "F line 1 column 10: expected ',' or ']', found '2'"),
            ("{\"a\": [1}", "F line 1 column 9: expected ',' or ']', found '}'"),
            ("{\"a\": {\"b\": 1]}", "F line 1 column 14: expected ',' or '}', found ']'"),
            ("{\"a\": 1} {}", "F line 1 column 10: expected the end of the file, found '{'"),
            ("{\"a\": 01}", "F line 1 column 7: malformed number"),
            ("{\"a\": 1.}", "F line 1 column 7: malformed number"),
            ("{\"a\": +1}", "F line 1 column 7: expected a value, found '+'"),
            ("{\"a\": tru}", "F line 1 column 7: expected a value, found 'tru'"),
            ("{\"a\": NaN}", "F line 1 column 7: NaN is not a JSON value"),
            ("{\"a\": -Infinity}", "F line 1 column 7: malformed number"),
            ("{'a': 1}", "F line 1 column 2: expected a key in double quotes, found '''"),
            ("{\"a\": \"b}", "F line 1 column 7: the string is not closed"),
            ("{\"a\": \"\\x\"}", "F line 1 column 8: unknown escape in a string"),
            ("{\"a\": \"\\u12g4\"}", "F line 1 column 8: unknown escape in a string"),
            (
                "{\"a\": \"b\nc\"}",
                "F line 1 column 9: control character 0x0A in a string must be escaped"
            ),
            ("// x\n{}", "F line 1 column 1: expected a value, found '/'"),
            ("images", "F line 1 column 1: expected a value, found 'images'"),
        ])
    func syntax(text: String, expected: String) throws {
        #expect(try message(Array(text.utf8)) == expected)
        // In a value that nobody asks for it is found all the same.
        let inside = "{\"images\": [], \"annotations\": [], \"x\": [1, " + text + "]}"
        #expect(try message(Array(inside.utf8)).hasPrefix("F line"))
    }

    @Test(
        "bytes that are not UTF-8 are refused",
        arguments: [
            [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xE2, 0x82],
        ])
    func encoding(bad: [UInt8]) throws {
        let expected = "F line 1 column 8: the text is not UTF-8 (byte 0x%02X)"
        #expect(
            try message(Array("{\"a\": \"".utf8) + bad + Array("\"}".utf8))
                == String(format: expected, Int(bad[0])))
    }

    @Test("deep nesting is refused, wherever it is")
    func nesting() throws {
        for open in ["[", "{\"a\":"] {
            let deep = String(repeating: open, count: 200_000)
            let inside = #"{"images": [], "annotations": [{"x": "# + deep
            let text = "arrays and objects are nested deeper than 256"
            #expect(try message(Array(deep.utf8)).hasSuffix(text))
            #expect(try message(Array(inside.utf8)).hasSuffix(text))
        }
    }

    @Test("files that can't be JSON are refused")
    func files() throws {
        #expect(try message([]) == "F: the file is empty")
        #expect(try message([0xEF, 0xBB, 0xBF]) == "F: the file is empty")
        #expect(
            try message([0xFF, 0xFE, 0x7B, 0]) == "F: expected JSON in UTF-8, found UTF-16")
        #expect(
            throws: FileError.unreadable(
                path: folder.path, reason: "expected a JSON file, found a folder")
        ) { try AnnotationFile.read(path: folder.path) }
        let missing = folder.path + "/none.json"
        #expect(
            throws: FileError.unreadable(path: missing, reason: "no such file or directory")
        ) { try AnnotationFile.read(path: missing) }
        #expect(
            throws: FileError.unreadable(
                path: "/dev/zero", reason: "expected a JSON file, found a device or pipe")
        ) { try AnnotationFile.read(path: "/dev/zero") }
        let huge = folder.path + "/huge.json"
        #expect(FileManager.default.createFile(atPath: huge, contents: nil))
        #expect(truncate(huge, 5_000_000_000) == 0)
        #expect(
            throws: FileError.unreadable(
                path: huge, reason: "expected at most 4 GB (4294967000 bytes), found 5000000000")
        ) { try AnnotationFile.read(path: huge) }
    }

    @Test(
        "JSON that is not COCO is refused, with record and field",
        arguments: [
            ("[1, 2]", "F: expected an object with \"images\" and \"annotations\", found [1, 2]"),
            ("17", "F: expected an object with \"images\" and \"annotations\", found 17"),
            (
                "{}",
                """
                F: images: expected an array of objects, found no such key
                F: annotations: expected an array of objects, found no such key
                warning: F: categories: expected an array of objects, found no such key \
                (labelling needs none)
                """
            ),
            (
                #"{"images": {"a": 1}, "annotations": null, "categories": 3}"#,
                """
                F: images: expected an array of objects, found {"a": 1}
                F: annotations: expected an array of objects, found null
                F: categories: expected an array of objects, found 3
                """
            ),
            (
                #"{"images": [], "images": [], "annotations": [], "categories": []}"#,
                "F: images: expected the key once, found it twice"
            ),
            (
                #"{"images": [7], "annotations": ["a"], "categories": [[]]}"#,
                """
                F: images[0]: expected an object, found 7
                F: annotations[0]: expected an object, found "a"
                F: categories[0]: expected an object, found []
                """
            ),
        ])
    func structure(text: String, expected: String) throws {
        #expect(try message(Array(text.utf8)) == expected)
    }

    @Test(
        "wrong images are named",
        arguments: [
            (
                #"{"file_name": "a"}"#,
                "images[0]: id: expected a whole number or a text, found nothing"
            ),
            (
                #"{"id": 1.5, "file_name": "a"}"#,
                "images[0]: id: expected a whole number or a text, found 1.5"
            ),
            (#"{"id": 1}"#, "image 1: file_name: expected a text, found nothing"),
            (#"{"id": 1, "file_name": 5}"#, "image 1: file_name: expected a text, found 5"),
            (
                #"{"id": 1, "file_name": "\ud800"}"#,
                #"image 1: file_name: expected a text, found "\ud800""#
            ),
            (
                #"{"id": 1, "file_name": "../../etc/passwd"}"#,
                "image 1: file_name: expected a path inside the images folder, "
                    + "found \"../../etc/passwd\", which leads out of the images folder"
            ),
            (
                #"{"id": 1, "file_name": "/etc/passwd"}"#,
                "image 1: file_name: expected a path inside the images folder, "
                    + "found \"/etc/passwd\", which is absolute"
            ),
            (
                #"{"id": 1, "file_name": "a\u0000.jpg"}"#,
                "image 1: file_name: expected a path inside the images folder, "
                    + #"found "a\u0000.jpg", which holds a NUL character"#
            ),
            (
                #"{"id": 1, "file_name": ""}"#,
                "image 1: file_name: expected a path inside the images folder, "
                    + "found \"\", which is empty"
            ),
            (
                #"{"id": 1, "file_name": "a", "width": "640", "height": 480}"#,
                "image 1: width: expected a whole number of pixels above 0, found \"640\""
            ),
            (
                #"{"id": 1, "file_name": "a", "width": 640}"#,
                "image 1: height: expected a whole number of pixels above 0, found nothing"
            ),
            (
                #"{"id": 1, "file_name": "a", "width": -1, "height": 480}"#,
                "image 1: width: expected a whole number of pixels above 0, found -1"
            ),
            (
                #"{"id": 1, "file_name": "a", "width": 1000000000, "height": 1000000000}"#,
                "image 1: width, height: expected at most 4294967295 pixels, "
                    + "found 1000000000×1000000000"
            ),
            (
                #"{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}"#,
                "image 1: id: expected an id of its own, found that of images[0]"
            ),
        ])
    func images(records: String, expected: String) throws {
        let text = document(annotations: "", images: records)
        #expect(try message(Array(text.utf8)) == "F: " + expected)
    }

    @Test(
        "wrong annotations are named",
        arguments: [
            (
                #"{"image_id": 1, "bbox": [1, 1, 2, 2]}"#,
                "annotations[0]: id: expected a whole number or a text, found nothing"
            ),
            (
                #"{"id": [1], "image_id": 1, "bbox": [1, 1, 2, 2]}"#,
                "annotations[0]: id: expected a whole number or a text, found [1]"
            ),
            (
                #"{"id": true, "image_id": 1, "bbox": [1, 1, 2, 2]}"#,
                "annotations[0]: id: expected a whole number or a text, found true"
            ),
            (
                #"{"id": 1, "image_id": null, "bbox": [1, 1, 2, 2]}"#,
                "annotation 1: image_id: expected a whole number or a text, found null"
            ),
            (
                #"{"id": 1, "image_id": 1, "category_id": {}, "bbox": [1, 1, 2, 2]}"#,
                "annotation 1: category_id: expected a whole number or a text, found {}"
            ),
            (
                #"{"id": 1, "image_id": 1}"#,
                "annotation 1: bbox: expected 4 finite numbers, found nothing"
            ),
            (
                #"{"id": 1, "image_id": 1, "bbox": [1, 1, 2]}"#,
                "annotation 1: bbox: expected 4 finite numbers, found [1, 1, 2]"
            ),
            (
                #"{"id": 1, "image_id": 1, "bbox": [1, 1, 2, 3, 4]}"#,
                "annotation 1: bbox: expected 4 finite numbers, found [1, 1, 2, 3, 4]"
            ),
            (
                #"{"id": 1, "image_id": 1, "bbox": [1, 1, "2", 3]}"#,
                "annotation 1: bbox: expected 4 finite numbers, found [1, 1, \"2\", 3]"
            ),
            (
                #"{"id": 1, "image_id": 1, "bbox": [1, 1, 1e999, 3]}"#,
                "annotation 1: bbox: expected 4 finite numbers, found [1, 1, 1e999, 3]"
            ),
            (
                #"{"id": 1, "image_id": 1, "bbox": {"x": 1}}"#,
                "annotation 1: bbox: expected 4 finite numbers, found {\"x\": 1}"
            ),
            (
                #"{"id": 1, "image_id": 1, "bbox": [[1, 1], [2, 2]]}"#,
                "annotation 1: bbox: expected 4 finite numbers, found [[1, 1], [2, 2]]"
            ),
        ])
    func annotations(record: String, expected: String) throws {
        let text = document(annotations: record)
        let lines = try message(Array(text.utf8)).split(separator: "\n")
        #expect(lines.first.map(String.init) == "F: " + expected)
    }

    @Test("a file cut off anywhere is refused")
    func truncated() throws {
        let whole = document(
            annotations:
                #"{"id": 1, "image_id": 1, "bbox": [1, 1, 2, 2], "segmentation": [[1, 2]]}"#)
        let bytes = Array(whole.utf8)
        for length in 1..<bytes.count {
            #expect(try message(Array(bytes[..<length])).hasPrefix("F line 1"))
        }
    }
}
