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
        let names = AnnotationFormat.names
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
}
