import Annotations
import Formats
import Foundation
import Inference
import MaskAutoLabeler
import Specs
import Testing
import TestSupport

/// Nothing that a run reads, and nothing that others made, is ever replaced by what it writes.
@Suite("Outputs and inputs")
struct RunPathsTests {
    let folder: TemporaryFolder
    let boxes: String
    let images: String

    init() throws {
        folder = try TemporaryFolder()
        boxes = folder.path + "/boxes.json"
        images = folder.path + "/images"
        let files = FileManager.default
        try files.copyItem(atPath: fixture("coco/instances.json"), toPath: boxes)
        try files.copyItem(atPath: fixture("coco/images"), toPath: images)
    }

    func job(
        out: String, boxes: String? = nil, overwrites: Bool = false, overrides: [String] = [],
        mode: JournalMode = .automatic, overlays: String? = nil, report: String? = nil,
        exports: [OutputTarget] = [], onEvent: @escaping RunEventHandler = { _ in }
    ) throws -> LabelJob {
        var settings = ExportSettings()
        settings.overwrites = overwrites
        return try LabelJob(
            specPath: nil, overrides: overrides,
            settings: microSettings + [
                SpecSetting("test", "inference.label_dump_path", .text(out)),
                SpecSetting("test", "inference.ann_path", .text(boxes ?? self.boxes)),
                SpecSetting("test", "inference.img_dir", .text(images)),
            ],
            options: .with {
                $0.journalMode = mode; $0.overlaysDirectory = overlays; $0.reportDirectory = report;
                $0.exports = exports; $0.exportSettings = settings
            }, onEvent: onEvent)
    }

    /// All files below the folder with their contents.
    func state() throws -> [String: Data] {
        var state: [String: Data] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: folder.path) {
            state[name] = FileManager.default.contents(atPath: folder.path + "/" + name)
        }
        return state
    }

    func expectRefusal(_ words: String..., job: () throws -> LabelJob) throws {
        let before = try state()
        let error = #expect(throws: (any Error).self) { try job() }
        for word in words { #expect("\(error!)".contains(word), "\(error!)") }
        #expect(try state() == before)
    }

    @Test("an output that is an input, in one or around one is refused, and both are named")
    func inputs() throws {
        let photo = images + "/a.png"
        try expectRefusal(photo, "the input image") { try job(out: photo) }
        try expectRefusal(boxes, "the output masks", "the input boxes") { try job(out: boxes) }
        let linked = folder.path + "/linked.json"
        try FileManager.default.linkItem(atPath: boxes, toPath: linked)
        try expectRefusal(linked, boxes) { try job(out: linked) }
        let masks = folder.path + "/masks.json"
        try expectRefusal("the output csv", "the input boxes") {
            try job(out: masks, exports: [OutputTarget(format: .csv, path: boxes)], overwriting())
        }
        try expectRefusal("holds the input images") {
            try job(out: masks, overlays: images)
        }
        try expectRefusal("in each other's place") {
            try job(
                out: folder.path + "/look/masks.json", report: folder.path + "/look")
        }
        let voc = folder.path + "/voc"
        try FileManager.default.createDirectory(
            atPath: voc + "/Annotations", withIntermediateDirectories: true)
        for name in ["a", "b"] {
            _ = try folder.file(
                "voc/Annotations/\(name).xml",
                """
                <annotation><filename>\(name).png</filename><size><width>200</width>
                <height>150</height></size><object><name>x</name><bndbox><xmin>1</xmin>
                <ymin>1</ymin><xmax>90</xmax><ymax>90</ymax></bndbox></object></annotation>
                """)
        }
        try expectRefusal("lies in", voc) {
            try job(out: voc + "/Annotations/new.json", boxes: voc)
        }
        try expectRefusal("lies in", voc) { try job(out: voc + "/new.json", boxes: voc) }
        // A folder of its own beside the data set's is no danger to it.
        _ = try job(out: voc + "/out/new.json", boxes: voc)
    }

    private func overwriting() -> Bool { true }

    private func job(
        out: String, exports: [OutputTarget], _ overwrites: Bool
    ) throws -> LabelJob {
        try job(out: out, overwrites: overwrites, exports: exports)
    }

    @Test("the boxes file itself may become the masks, with --overwrite, and is done then")
    func inPlace() async throws {
        let summary = try await job(out: boxes, overwrites: true).run(shouldStop: { false })
        #expect(summary.labelledCount > 0)
        let before = try state()
        let again = try await job(out: boxes, overwrites: true).run(shouldStop: { false })
        #expect(again.wasDone)
        #expect(try state() == before)
    }

    @Test("a finished file stays: the same command is done, another one is refused")
    func finished() async throws {
        let out = folder.path + "/out.json"
        let first = try await job(out: out).run(shouldStop: { false })
        let before = try state()
        let again = try await job(out: out).run(shouldStop: { false })
        #expect(again.wasDone && again.labelledCount == first.labelledCount)
        #expect(again.text(outputPath: out).contains("done already"))
        #expect(try state() == before)
        try expectRefusal("thresholds (was", "--overwrite") {
            try job(out: out, overrides: ["train.mask_thres=[0.4]"])
        }
        // Pictures can be made of what is done.
        let look = folder.path + "/look"
        let drawn = try await job(out: out, overlays: look).run(shouldStop: { false })
        #expect(drawn.wasDone && drawn.overlayCount > 0)
        // A correction by hand is another's work.
        var text = try String(contentsOfFile: out, encoding: .utf8)
        text += "\n"
        try text.write(toFile: out, atomically: true, encoding: .utf8)
        try expectRefusal("has changed since", "--overwrite") { try job(out: out) }
        try expectRefusal("has changed since") { try job(out: out, mode: .fresh) }
        let replaced = try await job(out: out, overwrites: true).run(shouldStop: { false })
        #expect(!replaced.wasDone)
        #expect(try state()["out.json"] == before["out.json"])
        let fresh = try await job(out: out, overrides: ["train.mask_thres=[0.4]"], mode: .fresh)
            .run(shouldStop: { false })
        #expect(!fresh.wasDone)
    }

    @Test("a file of others at a sidecar's, an overlay's or the journal's name is refused")
    func sidecars() throws {
        let out = folder.path + "/out.json"
        let victim = try folder.file("victim", "precious")
        for ending in [".unlabelled.jsonl", ".cleanup.jsonl"] {
            _ = try folder.file("out.json" + ending, "mine")
            try expectRefusal(ending) { try job(out: out) }
            try FileManager.default.removeItem(atPath: out + ending)
            try FileManager.default.createSymbolicLink(
                atPath: out + ending, withDestinationPath: victim)
            try expectRefusal(ending) { try job(out: out) }
            try expectRefusal(ending) { try job(out: out, overwrites: true) }
            try FileManager.default.removeItem(atPath: out + ending)
        }
        let look = folder.path + "/look"
        try FileManager.default.createDirectory(atPath: look, withIntermediateDirectories: true)
        _ = try folder.file("look/a.png.png", "mine")
        try expectRefusal("a.png.png") { try job(out: out, overlays: look) }
    }

    @Test("a journal's name that is a link or another's file is refused, with --fresh too")
    func journals() async throws {
        let out = folder.path + "/out.json"
        let victim = try folder.file("victim", "precious")
        try FileManager.default.createSymbolicLink(
            atPath: out + ".journal", withDestinationPath: victim)
        for mode in [JournalMode.automatic, .fresh] {
            await #expect(throws: LabelingError.self) {
                try await job(out: out, mode: mode).run(shouldStop: { false })
            }
        }
        #expect(try String(contentsOfFile: victim, encoding: .utf8) == "precious")
        try FileManager.default.removeItem(atPath: out + ".journal")
        _ = try folder.file("out.json.journal", "my notes")
        await #expect(throws: LabelingError.self) {
            try await job(out: out, mode: .fresh).run(shouldStop: { false })
        }
        #expect(try String(contentsOfFile: out + ".journal", encoding: .utf8) == "my notes")
    }

    @Test("a format with a slip of the finger is an error with the nearest name")
    func formats() throws {
        let error = #expect(throws: LabelingError.self) { try OutputTarget("yoloseg:x") }
        #expect("\(error!)".contains("did you mean yolo-seg?"))
        #expect(try OutputTarget("./yoloseg:x").format == .coco)
        #expect(try OutputTarget("yolo-seg:x").format == .yoloSegmentation)
    }

    @Test("ids have their own type in the list of boxes without a mask")
    func ids() async throws {
        let file = try folder.file(
            "odd.json",
            """
            {"images": [{"id": "i", "file_name": "gone.png", "width": 9, "height": 9},
                        {"id": 2, "file_name": "a.png"}],
             "categories": [], "annotations": [
              {"id": 101, "image_id": "i", "bbox": [0, 0, 5, 5]},
              {"id": "x", "image_id": "i", "bbox": [0, 0, 5, 5]}]}
            """)
        let out = folder.path + "/out.json"
        _ = try await job(out: out, boxes: file).run(shouldStop: { false })
        let lines = try String(contentsOfFile: out + ".unlabelled.jsonl", encoding: .utf8)
            .split(separator: "\n")
        #expect(lines[0].hasPrefix(#"{"id": 101, "image_id": "i", "reason": "#))
        #expect(lines[1].hasPrefix(#"{"id": "x", "image_id": "i", "reason": "#))
        let again = try await job(out: out, boxes: file).run(shouldStop: { false })
        #expect(again.wasDone && again.unlabelled.map(\.id) == ["101", "\"x\""])
    }
}
