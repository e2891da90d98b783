import Annotations
import Foundation
import Imaging
import Inference
import MaskAutoLabeler
import Specs
import Testing
import TestSupport

/// Between a stop and the same command again, things change: the output is that of a run that began
/// after the change, or the change is named.
@Suite("Resumed labelling")
struct LabelResumeTests {
    let folder: TemporaryFolder
    let files = FileManager.default

    init() throws {
        folder = try TemporaryFolder()
        try files.copyItem(atPath: fixture("coco/images"), toPath: images)
    }

    var images: String { folder.path + "/images" }

    func job(
        _ name: String, images: String? = nil, mode: JournalMode = .automatic,
        isStrict: Bool = false,
        threads: Int? = nil, precision: String = "fp32", log: EventLog = EventLog()
    ) throws -> LabelJob {
        try LabelJob(
            specPath: nil, overrides: [],
            settings: microSettings + [
                SpecSetting("test", "inference.batch_size", .integer(2)),
                SpecSetting("test", "inference.precision", .text(precision)),
                SpecSetting("test", "inference.img_dir", .text(images ?? self.images)),
                SpecSetting(
                    "test", "inference.label_dump_path", .text(folder.path + "/\(name).json")),
            ],
            options: .with {
                $0.threads = threads; $0.journalMode = mode; $0.isStrict = isStrict
            }, onEvent: log.record)
    }

    /// Stops after a few batches.
    func stop(_ name: String, after batches: Int = 5, threads: Int? = nil) async throws {
        var asked = 0
        await #expect(throws: LabelingError.self) {
            try await job(name, threads: threads).run(shouldStop: {
                asked += 1
                return asked > batches
            })
        }
    }

    func output(_ name: String) throws -> Data {
        try Data(contentsOf: URL(fileURLWithPath: folder.path + "/\(name).json"))
    }

    /// Goes on with `name`, and compares with a run that knows nothing of before.
    func finish(
        _ name: String, images: String? = nil
    ) async throws -> (log: EventLog, summary: LabelSummary) {
        let log = EventLog()
        let summary = try await job(name, images: images, log: log).run(shouldStop: { false })
        _ = try await job("undisturbed-\(name)").run(shouldStop: { false })
        #expect(try output(name) == output("undisturbed-\(name)"))
        return (log, summary)
    }

    @Test("a run in int8 continues in int8 only, to the bytes of one without a stop")
    func int8() async throws {
        var asked = 0
        await #expect(throws: LabelingError.self) {
            try await job("a", precision: "int8").run(shouldStop: {
                asked += 1
                return asked > 5
            })
        }
        let error = await #expect(throws: LabelingError.self) {
            try await job("a").run(shouldStop: { false })
        }
        #expect(error?.description.contains("precision") == true, "\(String(describing: error))")
        _ = try await job("a", precision: "int8").run(shouldStop: { false })
        _ = try await job("b", precision: "int8").run(shouldStop: { false })
        #expect(try output("a") == output("b"))
    }

    @Test("an image that appears makes other batches, and no box loses its mask or gets another's")
    func appeared() async throws {
        for name in try files.contentsOfDirectory(atPath: images).sorted() {
            try files.moveItem(atPath: images + "/" + name, toPath: folder.path + "/away")
            try await stop(name)
            try files.moveItem(atPath: folder.path + "/away", toPath: images + "/" + name)
            let (log, summary) = try await finish(name)
            #expect(
                log.texts.contains {
                    $0.hasPrefix("\(name): could not be used when this run began, and now can")
                })
            #expect(summary.labelledCount == summary.annotationCount)
        }
    }

    @Test("the boxes of an image that was replaced are labelled anew, of the same size too")
    func replaced() async throws {
        let picture = try ImageCodec.decode(path: images + "/a.png")
        var other = picture
        other.pixels[0] ^= 1
        for (name, bytes) in [
            ("pixel", try ImageCodec.encodePNG(other)),
            ("size", Array(try Data(contentsOf: URL(fileURLWithPath: images + "/b.jpg")))),
        ] {
            try await stop(name)
            try Data(bytes).write(to: URL(fileURLWithPath: images + "/a.png"))
            let log = try await finish(name).log
            #expect(
                log.texts.contains(
                    "a.png: has changed since its boxes were labelled; they are labelled anew"))
            try Data(try ImageCodec.encodePNG(picture))
                .write(to: URL(fileURLWithPath: images + "/a.png"))
        }
    }

    @Test("an image that was only copied or touched is the same image")
    func touched() async throws {
        try await stop("out")
        for name in try files.contentsOfDirectory(atPath: images) {
            let bytes = try Data(contentsOf: URL(fileURLWithPath: images + "/" + name))
            try files.removeItem(atPath: images + "/" + name)
            try bytes.write(to: URL(fileURLWithPath: images + "/" + name))
        }
        let (log, summary) = try await finish("out")
        #expect(summary.newlyLabelledCount < summary.labelledCount)
        #expect(!log.texts.contains { $0.contains("changed") })
    }

    @Test("a folder of images is the same folder under another name")
    func renamedFolder() async throws {
        try await stop("out")
        try files.moveItem(atPath: images, toPath: folder.path + "/moved")
        try files.createSymbolicLink(
            atPath: images, withDestinationPath: folder.path + "/moved")
        let (log, summary) = try await finish("out", images: folder.path + "/moved/")
        #expect(summary.newlyLabelledCount < summary.labelledCount)
        #expect(!log.texts.contains { $0.contains("changed") })
    }

    @Test("masks of an image that is gone stay, and it is named")
    func gone() async throws {
        _ = try await job("whole").run(shouldStop: { false })
        try await stop("out")
        try files.removeItem(atPath: images + "/a.png")
        let log = EventLog()
        let summary = try await job("out", log: log).run(shouldStop: { false })
        #expect(
            log.texts.filter {
                $0 == "a.png: is gone since boxes of it were labelled; their masks stay"
            }.count == 1)
        #expect(log.texts.contains { $0.hasPrefix("a.png: could be used when this run began") })
        let (before, after) = (
            try AnnotationFile.read(path: folder.path + "/whole.json"),
            try AnnotationFile.read(path: folder.path + "/out.json")
        )
        var kept = 0
        for (old, new) in zip(before.annotations, after.annotations) {
            guard let index = old.imageIndex, before.images[index].fileName == "a.png" else {
                continue
            }
            if summary.unlabelled.contains(where: { $0.id == "\(new.id)" }) { continue }
            kept += 1
            let size = Size(height: 150, width: 200)
            #expect(
                try before.truth(of: old, imageSize: size)
                    == after.truth(of: new, imageSize: size))
        }
        #expect(kept > 0)
    }

    @Test("another number of threads is told, and refused by --strict")
    func threads() async throws {
        try await stop("out", threads: 1)
        await #expect(
            throws: LabelingError.journalChanged(
                path: folder.path + "/out.json.journal",
                differences: ["threads (was 1, is 2)"])
        ) { try await job("out", isStrict: true, threads: 2).run(shouldStop: { false }) }
        let log = EventLog()
        _ = try await job("out", threads: 2, log: log).run(shouldStop: { false })
        #expect(
            log.texts.contains {
                $0.hasPrefix("going on with another program or machine: threads (was 1, is 2)")
            })
    }

    @Test("a journal that is emptied while the run goes on loses no box")
    func journalEmptied() async throws {
        for length in [0, 700] {
            let name = "out\(length)"
            var asked = 0
            let log = EventLog()
            _ = try await job(name, log: log).run(shouldStop: {
                asked += 1
                if asked == 7 { truncate(folder.path + "/\(name).json.journal", off_t(length)) }
                return false
            })
            _ = try await job("undisturbed-\(name)").run(shouldStop: { false })
            #expect(try output(name) == output("undisturbed-\(name)"))
            #expect(log.texts.contains { $0.contains(".journal: damaged at byte ") })
        }
    }
}
