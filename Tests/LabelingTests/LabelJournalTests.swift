import Foundation
import Imaging
import Labeling
import Testing

@Suite("Journal")
struct LabelJournalTests {
    let size = Size(height: 3, width: 4)

    func fingerprint(_ value: Int = 1) -> RunFingerprint {
        var print = RunFingerprint()
        print.add("crop size", value)
        return print
    }

    func open(
        _ folder: TemporaryFolder, _ value: Int = 1, mode: JournalMode = .automatic
    ) throws -> LabelJournal {
        try LabelJournal(
            path: folder.path + "/j", fingerprint: fingerprint(value), mode: mode,
            annotationCount: 9)
    }

    func fill(_ journal: LabelJournal) throws {
        try journal.append(
            batch: 0,
            results: [
                (4, .mask(counts: Array("abc".utf8), area: 7, size: size, iou: 0.25)),
                (2, .unlabelled(reason: "gone")),
            ])
        try journal.append(
            batch: 3, results: [(8, .mask(counts: [], area: 0, size: size, iou: nil))])
    }

    @Test("what was appended is read back by the next process")
    func readsBack() throws {
        let folder = try TemporaryFolder()
        try fill(try open(folder))
        let journal = try open(folder, mode: .resume)
        #expect(journal.completedBatches == [0, 3])
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
            counts.append(journal.completedBatches.count)
            try journal.append(batch: 5, results: [(0, .unlabelled(reason: "later"))])
            #expect(try journal.outcome(annotation: 0) == .unlabelled(reason: "later"))
        }
        #expect(counts == counts.sorted())
        #expect(Set(counts) == [0, 1, 2])
    }

    @Test("a flipped bit ends what is believed")
    func flippedBits() throws {
        let folder = try TemporaryFolder()
        try fill(try open(folder))
        let whole = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/j"))
        for place in 60..<whole.count {
            var damaged = whole
            damaged[place] ^= 0x10
            try damaged.write(to: URL(fileURLWithPath: folder.path + "/j"))
            #expect(try open(folder).completedBatches.count < 2)
        }
    }

    @Test("an impossible number under a right checksum does not trap")
    func forged() throws {
        let folder = try TemporaryFolder()
        try open(folder).append(
            batch: 0, results: [(4, .mask(counts: [], area: 0x1234_5678, size: size, iou: nil))])
        var file = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/j"))
        let area = try #require(file.range(of: Data([0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0])))
        file.replaceSubrange(area, with: [UInt8](repeating: 0xFF, count: 8))
        // The payload begins 21 bytes before its first area, after its own checksum.
        let payload = area.lowerBound - 21
        withUnsafeBytes(of: FNV1a.hash(Array(file[payload...])).littleEndian) {
            file.replaceSubrange(payload - 8..<payload, with: $0)
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

    @Test("another fingerprint is an error that names the change; --fresh begins anew")
    func changed() throws {
        let folder = try TemporaryFolder()
        try fill(try open(folder))
        #expect(
            throws: LabelingError.journalChanged(
                path: folder.path + "/j", differences: ["crop size (was 1, is 2)"])
        ) { try open(folder, 2) }
        #expect(try open(folder, 2, mode: .fresh).completedBatches.isEmpty)
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
