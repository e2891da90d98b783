import Annotations
import Formats
import Foundation
import Testing

@Suite struct FormatDetectionTests {
    let folder: TestFolder

    init() throws {
        folder = try TestFolder()
    }

    @Test("content decides, not the extension")
    func content() throws {
        try folder.add("boxes.txt", document(annotations: ""))
        #expect(try folder.load("boxes.txt").format == .coco)
        try folder.add("table.txt", "image,x,y,w,h,label\na.jpg,1,2,3,4,cat\n")
        #expect(try folder.load("table.txt").format == .csv)
        // The deciding key comes late.
        let filler = #"{"annotations": [], "x": "\#(String(repeating: "a", count: 100_000))", "#
        try folder.add("late.json", filler + #""videos": [], "categories": []}"#)
        #expect(try folder.load("late.json").format == .ytvis)
        try folder.add("late.json", filler + #""images": [], "categories": []}"#)
        #expect(try folder.load("late.json").format == .coco)
    }

    @Test("a folder with label files of two kinds needs --format")
    func ambiguous() throws {
        try folder.add("d/a.xml", "<annotation><filename>a.jpg</filename></annotation>")
        try folder.add("d/b.txt", "0 0.5 0.5 0.5 0.5\n")
        #expect(folder.failure("d").contains("found a folder with 1 .xml, 1 .txt; --format says"))
        #expect(try folder.load("d", format: .voc).images.map(\.fileName) == ["a.jpg"])
        try FileManager.default.removeItem(atPath: folder.path + "/d/b.txt")
        try folder.add("d/classes.txt", "cat\n")
        #expect(try folder.load("d").format == .voc)
    }

    @Test("what is no annotation is refused with the formats that are")
    func unknown() throws {
        let names = AnnotationFormat.names().joined(separator: ", ")
        try folder.add("a.bin", [0, 1, 2, 200])
        #expect(
            folder.failure("a.bin")
                == #"a.bin: expected annotations in a known format, found a file that begins with "#
                + #""\0\u{01}\u{02}"# + "\u{FFFD}\"; --format says which (\(names))")
        try folder.add("empty/readme.md", "")
        #expect(folder.failure("empty").contains("found a folder without .xml, .json and .txt"))
        #expect(folder.failure("none") == "none: no such file or directory")
        try folder.add("c/instances.json", document(annotations: ""))
        #expect(folder.failure("c").contains(#""instances.json" in it is coco"#))
    }

    @Test("folders that hold themselves, and hidden files, are no trap")
    func folders() throws {
        try folder.add("d/a.xml", "<annotation><filename>a.jpg</filename></annotation>")
        try folder.add("d/._a.xml", [0, 5, 22, 7])
        try FileManager.default.createSymbolicLink(
            atPath: folder.path + "/d/self", withDestinationPath: folder.path + "/d")
        #expect(try folder.load("d").images.count == 1)
    }

    @Test("warnings of the records name the file and line they come from")
    func places() throws {
        try folder.add("t.csv", "image,x,y,w,h,label\na.jpg,1,2,-3,4,cat\n")
        #expect(
            folder.warnings(try folder.load("t.csv")) == [
                "warning: t.csv line 2: annotation 1: bbox: expected a width and height above 0, "
                    + "found [1.0, 2.0, -3.0, 4.0] (kept without a mask)"
            ])
    }

    @Test("an unknown JSON or XML names the formats that it is close to")
    func closest() throws {
        try folder.add("a.json", #"[{"id": 3, "annotations": [], "label": "x"}]"#)
        let names = AnnotationFormat.names().joined(separator: ", ")
        #expect(
            folder.failure("a.json")
                == #"a.json: expected annotations in a known format, found a JSON list whose records "#
                + #"have "annotations", "id", "label"; closest: coco (told by the key `images`), "#
                + "label-studio (told by tasks with `data`, and `annotations` or `predictions`), "
                + "createml (told by a list whose records have `image` and `annotations`); "
                + "--format says which (\(names))")
        try folder.add("b.json", #"{"a": 1, "b": 2}"#)
        #expect(
            folder.failure("b.json")
                == #"b.json: expected annotations in a known format, found JSON with the keys "a", "#
                + #""b"; --format says which (\#(names))"#)
        try folder.add("c.json", #"{"annotations": [], "categories": []}"#)
        #expect(folder.failure("c.json").contains("images: expected an array of objects"))
        try folder.add("d.json", #"{"a": [}"#)
        #expect(folder.failure("d.json").contains("d.json line 1 column 8"))
        try folder.add("e.xml", "<?xml version='1.0'?><!-- <x> --><html lang='a'></html>")
        #expect(
            folder.failure("e.xml").hasPrefix(
                "e.xml: expected annotations in a known format, found XML whose root is <html>; "
                    + "closest: cvat (told by the element `annotations`), voc (told by"))
    }
}
