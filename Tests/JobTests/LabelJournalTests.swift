import Files
import Foundation
import Glibc
import Imaging
import Inference
import Specs
import Testing

@Suite("Journal")
struct LabelJournalTests {
    let size = Size(height: 3, width: 4)

    func fingerprint(_ value: Int = 1) -> RunFingerprint {
        var print = RunFingerprint()
        print.add("crop size", value)
        return print
    }

    func environment(_ threads: Int) -> RunFingerprint {
        var print = RunFingerprint()
        print.add("threads", threads)
        return print
    }

    func open(
        _ folder: TemporaryFolder, _ value: Int = 1, mode: JournalMode = .automatic,
        threads: Int = 1, isStrict: Bool = false
    ) throws -> LabelJournal {
        try LabelJournal(
            path: folder.path + "/j", fingerprint: fingerprint(value),
            environment: environment(threads), mode: mode, isStrict: isStrict, annotationCount: 9)
    }

    var identity: ImageIdentity {
        var identity = ImageIdentity()
        identity.byteCount = 5
        identity.hash = 6
        return identity
    }

    func fill(_ journal: LabelJournal) throws {
        try journal.append(
            results: [
                (4, .mask(counts: Array("abc".utf8), area: 7, size: size, iou: 0.25)),
                (2, .unlabelled(reason: "gone")),
            ], images: [(3, identity)])
        try journal.append(
            results: [(8, .mask(counts: [], area: 0, size: size, iou: nil))], images: [])
    }

    func batchCount(_ journal: LabelJournal) -> Int {
        [[4, 2], [8]].count { journal.holds(batchOf: $0) }
    }

    @Test("what was appended is read back by the next process")
    func readsBack() throws {
        let folder = try TemporaryFolder()
        try fill(try open(folder))
        let journal = try open(folder, mode: .resume)
        #expect(journal.holds(batchOf: [2, 4]) && journal.holds(batchOf: [8]))
        for other in [[2], [2, 4, 8], [4, 8], [1]] { #expect(!journal.holds(batchOf: other)) }
        #expect(journal.images(ofBatchOf: 2).map(\.image) == [3])
        #expect(journal.images(ofBatchOf: 2).first?.identity == identity)
        #expect(journal.images(ofBatchOf: 8).isEmpty)
        #expect(
            try journal.outcome(annotation: 4)
                == .mask(counts: Array("abc".utf8), area: 7, size: size, iou: 0.25))
        #expect(try journal.outcome(annotation: 2) == .unlabelled(reason: "gone"))
        #expect(
            try journal.outcome(annotation: 8) == .mask(counts: [], area: 0, size: size, iou: nil))
        #expect(try journal.outcome(annotation: 1) == nil)
    }

    @Test("cut off at any byte, the whole frames before the cut count")
    func cutAnywhere() throws {
        let folder = try TemporaryFolder()
        try fill(try open(folder))
        let whole = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/j"))
        var counts: [Int] = []
        for length in 0...whole.count {
            try whole.prefix(length).write(to: URL(fileURLWithPath: folder.path + "/j"))
            let journal = try open(folder)
            counts.append(batchCount(journal))
            try journal.append(results: [(0, .unlabelled(reason: "later"))], images: [])
            #expect(try journal.outcome(annotation: 0) == .unlabelled(reason: "later"))
        }
        #expect(counts == counts.sorted())
        #expect(Set(counts) == [0, 1, 2])
    }

    @Test("a flipped bit costs its batch, and what is not damaged is still believed")
    func flippedBits() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/j"
        _ = try open(folder)
        let begin = try Data(contentsOf: URL(fileURLWithPath: path)).count
        try fill(try open(folder))
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        var counts: [Int] = []
        for place in 0..<whole.count {
            var damaged = whole
            damaged[place] ^= 0x10
            try damaged.write(to: URL(fileURLWithPath: path))
            do {
                let journal = try open(folder)
                if place >= begin { counts.append(batchCount(journal)) }
                if journal.holds(batchOf: [8]), !journal.holds(batchOf: [2, 4]) {
                    #expect(journal.damagedPlaces.count == 1)
                }
                for annotation in [2, 4, 8] {
                    let outcome = try journal.outcome(annotation: annotation)
                    #expect(outcome == nil || journal.hasResult(annotation: annotation))
                }
            } catch {
                // The first line.
                #expect(place < 14, "byte \(place): \(error)")
            }
        }
        #expect(!counts.contains(2) && counts.contains(1))
        // Most of the file is the first batch: a flip there leaves the second.
        #expect(counts.count { $0 == 1 } > counts.count / 2)
    }

    @Test("a journal that is damaged while it is written gives up what was there, and nothing else")
    func damagedWhileOpen() throws {
        for length in [0, 5, 60, 100, 200] {
            let folder = try TemporaryFolder()
            let journal = try open(folder)
            try fill(journal)
            truncate(folder.path + "/j", off_t(length))
            try journal.append(results: [(0, .unlabelled(reason: "later"))], images: [])
            let places = try journal.recheck()
            #expect(places.isEmpty == (batchCount(journal) == 2))
            #expect(try journal.outcome(annotation: 0) == .unlabelled(reason: "later"))
            for annotation in [2, 4, 8] where !journal.hasResult(annotation: annotation) {
                #expect(try journal.outcome(annotation: annotation) == nil)
            }
        }
        let folder = try TemporaryFolder()
        let journal = try open(folder)
        try fill(journal)
        truncate(folder.path + "/j", 0)
        let error = #expect(throws: LabelingError.self) { try journal.outcome(annotation: 4) }
        guard case .journalDamaged = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test("what computes now is told, and refused if that is wanted")
    func otherEnvironment() throws {
        let folder = try TemporaryFolder()
        try fill(try open(folder, threads: 2))
        #expect(
            throws: LabelingError.journalChanged(
                path: folder.path + "/j", differences: ["threads (was 2, is 1)"])
        ) { try open(folder, isStrict: true) }
        do {
            let journal = try open(folder)
            #expect(journal.environmentDifferences == ["threads (was 2, is 1)"])
            #expect(batchCount(journal) == 2)
        }
        #expect(try open(folder, isStrict: true).environmentDifferences.isEmpty)
    }

    @Test("which images could be used is known to the next run")
    func usableImages() throws {
        let folder = try TemporaryFolder()
        let images = (0..<19).map { $0 % 3 == 0 }
        #expect(try open(folder).continueWith(usableImages: images) == nil)
        #expect(try open(folder).continueWith(usableImages: [true]) == images)
        #expect(try open(folder).usableImages == [true])
    }

    @Test("an impossible number under right checksums does not trap")
    func forged() throws {
        let folder = try TemporaryFolder()
        try open(folder).append(
            results: [(4, .mask(counts: [], area: 0x1234_5678, size: size, iou: nil))], images: [])
        var file = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/j"))
        let area = try #require(file.range(of: Data([0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0])))
        file.replaceSubrange(area, with: [UInt8](repeating: 0xFF, count: 8))
        // An entry begins with its hash and has 13 bytes before its area; a payload, after its own hash,
        // begins 9 bytes before its only entry.
        for start in [area.lowerBound - 13, area.lowerBound - 13 - 8 - 9] {
            withUnsafeBytes(of: ContentHash.hash(Array(file[start...])).littleEndian) {
                file.replaceSubrange(start - 8..<start, with: $0)
            }
        }
        try file.write(to: URL(fileURLWithPath: folder.path + "/j"))
        let outcome = try open(folder, mode: .resume).outcome(annotation: 4)
        #expect(outcome == .mask(counts: [], area: .max, size: size, iou: nil))
    }

    @Test("two processes do not share a journal")
    func busy() throws {
        let folder = try TemporaryFolder()
        let first = try open(folder)
        #expect(throws: LabelingError.journalBusy(path: first.path)) { try open(folder) }
    }

    @Test("what was not begun is removed, if nobody holds it; anything else stays")
    func unbegun() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/j"
        for text in ["", "mal jou", "mal journal 3\n"] {
            try Data(text.utf8).write(to: URL(filePath: path))
            LabelJournal.removeUnbegun(path)
            #expect(!FileManager.default.fileExists(atPath: path), "\(text)")
        }
        for text in ["notes", "mal journal 2\n"] {
            try Data(text.utf8).write(to: URL(filePath: path))
            LabelJournal.removeUnbegun(path)
            #expect(FileManager.default.contents(atPath: path) == Data(text.utf8))
        }
        try FileManager.default.removeItem(atPath: path)
        _ = try open(folder)
        LabelJournal.removeUnbegun(path)
        #expect(FileManager.default.fileExists(atPath: path))
        try FileManager.default.removeItem(atPath: path)
        let held = Glibc.open(path, O_RDWR | O_CREAT, 0o644)
        #expect(flock(held, LOCK_EX) == 0)
        LabelJournal.removeUnbegun(path)
        close(held)
        #expect(FileManager.default.fileExists(atPath: path))
        try FileManager.default.moveItem(atPath: path, toPath: folder.path + "/other")
        try FileManager.default.createSymbolicLink(
            atPath: path, withDestinationPath: folder.path + "/other")
        LabelJournal.removeUnbegun(path)
        #expect(FileManager.default.fileExists(atPath: folder.path + "/other"))
    }

    @Test("another fingerprint is an error that names the change; --fresh begins anew")
    func changed() throws {
        let folder = try TemporaryFolder()
        try fill(try open(folder))
        #expect(
            throws: LabelingError.journalChanged(
                path: folder.path + "/j", differences: ["crop size (was 1, is 2)"])
        ) { try open(folder, 2) }
        #expect(try open(folder, 2, mode: .fresh).hasResult(annotation: 4) == false)
    }

    @Test("a journal of an older mal is left alone, with a clear word")
    func older() throws {
        let folder = try TemporaryFolder()
        _ = try folder.file("j", "mal journal 2\nabc")
        let error = #expect(throws: LabelingError.self) { try open(folder) }
        #expect("\(try #require(error))".contains("another version of mal wrote it"))
        #expect(try String(contentsOfFile: folder.path + "/j", encoding: .utf8).hasSuffix("abc"))
    }

    @Test("a file that is no journal is left alone")
    func foreign() throws {
        let folder = try TemporaryFolder()
        _ = try folder.file("j", "{\"annotations\": []}")
        #expect(
            throws: LabelingError.journalUnreadable(
                path: folder.path + "/j", reason: "it does not begin like one")
        ) { try open(folder) }
        #expect(try String(contentsOfFile: folder.path + "/j", encoding: .utf8).hasPrefix("{"))
    }
}
