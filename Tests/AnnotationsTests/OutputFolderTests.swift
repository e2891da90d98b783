import Annotations
import Files
import Formats
import Foundation
import Testing
import TestSupport

/// What was there before an output, and what others put beside it, stays.
@Suite("Output folders")
struct OutputFolderTests {
    let folder: TestFolder
    let out: String

    init() throws {
        folder = try TestFolder()
        out = folder.path + "/out"
    }

    private func small(_ name: String = "a.jpg") throws -> AnnotationFile {
        try folder.read(
            document(
                annotations: #"{"id": 4, "image_id": 1, "category_id": 3, "bbox": [1, 1, 3, 3]}"#,
                images: #"{"id": 1, "file_name": "\#(name)", "width": 10, "height": 8}"#))
    }

    @discardableResult
    private func export(
        _ file: AnnotationFile, to path: String? = nil, format: AnnotationFormat = .yolo
    ) throws -> ExportReport {
        var options = ExportOptions()
        options.overwrites = true
        var export = try AnnotationExport(format: format, path: path ?? out, options: options)
        try export.prepare(for: file)
        return try export.write(file)
    }

    private func put(_ text: String, _ name: String) throws {
        let url = URL(fileURLWithPath: out + "/" + name)
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }

    private func all() throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: out).sorted()
    }

    private func inode(_ name: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: out + "/" + name)[.systemFileNumber]
            as? Int
    }

    @Test("photographs and notes in an output's folder stay, the same files, when it is replaced")
    func foreignFilesStay() throws {
        try export(try small())
        try put("photo", "images/a.jpg")
        try put("mine", "labels/notes.md")
        try FileManager.default.createSymbolicLink(
            atPath: out + "/link", withDestinationPath: "/nowhere")
        let before = try inode("images/a.jpg")
        try export(try small("b.jpg"))
        #expect(
            try all() == [
                ".mal-export", "data.yaml", "images", "images/a.jpg", "labels", "labels/b.txt",
                "labels/notes.md", "link",
            ])
        #expect(try text(of: out + "/images/a.jpg") == "photo")
        #expect(try inode("images/a.jpg") == before)
        #expect(try folder.names == ["boxes.json", "out"])
    }

    @Test("a file that mal did not write, or that was changed, stands in the way before any work")
    func obstacles() throws {
        let file = try small()
        try export(file)
        try put("by hand", "labels/a.txt")
        func error(_ name: String) -> FileError {
            .unwritable(
                path: out + "/" + name,
                reason: "mal did not write what is there, or it has changed since; move it away")
        }
        #expect(throws: error("labels/a.txt")) { try export(file) }
        #expect(try text(of: out + "/labels/a.txt") == "by hand")
        // Under another name it is in nobody's way.
        try export(try small("b.jpg"))
        #expect(try text(of: out + "/labels/a.txt") == "by hand")
        #expect(throws: error("labels/a.txt")) { try export(file) }
        // Where a folder is needed, and where a folder is.
        try FileManager.default.removeItem(atPath: out)
        try export(try small(), format: .labelme)
        try put("a file", "labels")
        #expect(throws: error("labels")) { try export(file) }
        try FileManager.default.removeItem(atPath: out + "/labels")
        try put("x", "labels/a.txt/x")
        #expect(throws: error("labels/a.txt")) { try export(file) }
    }

    @Test("every format tells the names that it writes", arguments: AnnotationFormat.allCases)
    func names(format: AnnotationFormat) throws {
        guard format.isFolder else { return }
        let file = try folder.read(
            document(
                annotations: #"""
                    {"id": 4, "image_id": 1, "category_id": 3, "bbox": [1, 1, 3, 3],
                     "segmentation": [[1, 1, 4, 1, 4, 4, 1, 4]]}
                    """#))
        try export(file, format: format)
        let written = try all().filter { name in
            var isFolder: ObjCBool = false
            _ = FileManager.default.fileExists(
                atPath: out + "/" + name, isDirectory: &isFolder)
            return !isFolder.boolValue && name != ".mal-export"
        }
        #expect(!written.isEmpty)
        for name in written {
            let content = try bytes(of: out + "/" + name)
            try Data("changed".utf8).write(to: URL(fileURLWithPath: out + "/" + name))
            #expect(throws: FileError.self, "\(name)") {
                var options = ExportOptions()
                options.overwrites = true
                var export = try AnnotationExport(format: format, path: out, options: options)
                try export.prepare(for: file)
            }
            try Data(content).write(to: URL(fileURLWithPath: out + "/" + name))
        }
        try export(file, format: format)
    }

    @Test("a manifest that was tampered with removes nothing outside, and nothing that differs")
    func tampering() throws {
        try export(try small())
        try put("photo", "images/a.jpg")
        let victim = try folder.write("precious", to: "victim")
        let manifest = out + "/.mal-export"
        let text = try text(of: manifest)
        try
            (text + #"{"path": "../victim", "size": 8, "hash": "0"}"# + "\n"
            + #"{"path": "images/a.jpg", "size": 5, "hash": "0"}"# + "\n[1,2\n{\"path\": 7}\n")
            .write(toFile: manifest, atomically: true, encoding: .utf8)
        try export(try small())
        #expect(try AnnotationsTests.text(of: victim) == "precious")
        #expect(try AnnotationsTests.text(of: out + "/images/a.jpg") == "photo")
    }

    @Test("an output that is a link writes to the link's target, and the link stays")
    func links() throws {
        let target = folder.path + "/target"
        try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: out, withDestinationPath: target)
        try export(try small())
        #expect(
            try FileManager.default.destinationOfSymbolicLink(atPath: out) == target)
        #expect(FileManager.default.fileExists(atPath: target + "/data.yaml"))
        let file = try folder.write("old", to: "old.csv")
        let link = folder.path + "/link.csv"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: file)
        try export(try small(), to: link, format: .csv)
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == file)
        #expect(try text(of: file).hasPrefix("image"))
        let nowhere = folder.path + "/nowhere.csv"
        try FileManager.default.createSymbolicLink(
            atPath: nowhere, withDestinationPath: folder.path + "/gone")
        #expect(
            throws: FileError.unwritable(path: nowhere, reason: "it is a link to nothing")
        ) { try export(try small(), to: nowhere, format: .csv) }
    }

    @Test("what killed processes left beside an output is put in order by the next one")
    func recovery() throws {
        try export(try small())
        try put("photo", "images/a.jpg")
        let hidden = folder.path + "/.out.0123456789abcdef"
        let files = FileManager.default
        // Killed before the exchange, after it, and on a file system without one.
        try files.createDirectory(
            atPath: hidden + ".partial/images", withIntermediateDirectories: true)
        try files.linkItem(
            atPath: out + "/images/a.jpg", toPath: hidden + ".partial/images/a.jpg")
        _ = try OutputLock(out)
        #expect(try folder.names == ["boxes.json", "out"])
        // Killed while the manifest was written.
        try files.copyItem(atPath: out, toPath: hidden + ".partial")
        try files.moveItem(
            atPath: hidden + ".partial/.mal-export", toPath: hidden + ".partial/.mal-export.new")
        try Data("half".utf8).write(
            to: URL(fileURLWithPath: hidden + ".partial/labels/new.txt"))
        _ = try OutputLock(out)
        #expect(try folder.names == ["boxes.json", "out"])
        #expect(!files.fileExists(atPath: out + "/labels/new.txt"))
        try files.copyItem(atPath: out, toPath: hidden + ".partial")
        try files.removeItem(atPath: hidden + ".partial/images/a.jpg")
        try files.linkItem(
            atPath: out + "/images/a.jpg", toPath: hidden + ".partial/images/a.jpg")
        try Data("late".utf8).write(to: URL(fileURLWithPath: hidden + ".partial/late.txt"))
        _ = try OutputLock(out)
        #expect(try folder.names == ["boxes.json", "out"])
        #expect(try text(of: out + "/late.txt") == "late")
        #expect(try text(of: out + "/images/a.jpg") == "photo")
        try files.moveItem(atPath: out, toPath: hidden + ".old")
        _ = try OutputLock(out)
        #expect(try folder.names == ["boxes.json", "out"])
        #expect(try text(of: out + "/images/a.jpg") == "photo")
    }

    @Test("a second writer ends at once, with the number of the first")
    func lock() throws {
        let first = try OutputLock(out)
        #expect(
            throws: FileError.unwritable(
                path: out,
                reason: "another mal (process \(getpid())) is writing it; wait until "
                    + "it ends, or end it")
        ) { _ = try OutputLock(out) }
        withExtendedLifetime(first) {}
    }

    @Test("names that no file can have are refused")
    func names() {
        let long = String(repeating: "x", count: 256)
        #expect(OutputPlace.fault(in: "a/" + long) == "a name has at most 255 bytes, this one 256")
        #expect(OutputPlace.fault(in: "a\nb") == "a name must not hold a line break")
        #expect(OutputPlace.fault(in: "a/" + long.dropLast()) == nil)
    }

    @Test("a file with a name of 255 bytes is written and locked")
    func longName() throws {
        let path = folder.path + "/" + String(repeating: "x", count: 251) + ".csv"
        try export(try small(), to: path, format: .csv)
        #expect(try text(of: path).hasPrefix("image"))
    }
}
