import Annotations
import Foundation
import Inference
import MaskAutoLabeler
import Specs
import Testing
import TestSupport

@Suite("Scores and clean-up of a labelling run")
struct LabelNotesTests {
    func label(
        _ folder: TemporaryFolder, boxes: String = fixture("coco/instances.json"),
        style: OutputStyle = .lossless, overrides: [String] = [], report: String? = nil
    ) async throws -> (summary: LabelSummary, file: AnnotationFile) {
        let settings =
            microSettings + [
                SpecSetting("test", "inference.label_dump_path", .text(folder.path + "/out.json")),
                SpecSetting("test", "inference.ann_path", .text(boxes)),
            ]
        let job = try LabelJob(
            specPath: nil, overrides: overrides, settings: settings,
            options: .with {
                $0.style = style; $0.reportDirectory = report;
                $0.featuresPath = folder.path + "/features.jsonl"
            },
            onEvent: { _ in })
        let summary = try await job.run(shouldStop: { false })
        return (summary, try AnnotationFile.read(path: folder.path + "/out.json"))
    }

    @Test("Every mask has a score in 0…1, and a report can follow")
    func scores() async throws {
        let folder = try TemporaryFolder()
        let (summary, file) = try await label(folder, report: folder.path + "/look")
        #expect(summary.scoreKey == "score")
        let scores = file.annotations.compactMap { file.number("score", of: $0) }
        #expect(scores.count == 18)
        #expect(scores.allSatisfy { $0 >= 0 && $0 <= 1 })
        #expect(summary.reportPath == folder.path + "/look/index.html")
        let features = try String(contentsOfFile: folder.path + "/features.jsonl", encoding: .utf8)
        #expect(features.split(separator: "\n").count == 18)
    }

    @Test("A score that the input has is never touched")
    func inputScore() async throws {
        let folder = try TemporaryFolder()
        let input = try String(contentsOfFile: fixture("coco/instances.json"), encoding: .utf8)
        let id = try #require(input.firstMatch(of: /"bbox"/))
        let boxes = try folder.file(
            "boxes.json", input.replacingCharacters(in: id.range, with: "\"score\": 7e-1, \"bbox\"")
        )
        let (summary, file) = try await label(folder, boxes: boxes)
        #expect(summary.scoreKey == "mask_score")
        #expect(file.annotations.allSatisfy { file.number("mask_score", of: $0) != nil })
        let text = try String(contentsOfFile: folder.path + "/out.json", encoding: .utf8)
        #expect(text.contains("\"score\": 7e-1"))
        #expect(file.annotations.count { file.number("score", of: $0) != nil } == 1)
    }

    @Test("Switched off, and in TAO's style, the output is as the network gives it")
    func off() async throws {
        let folder = try TemporaryFolder()
        let (summary, file) = try await label(
            folder, overrides: ["inference.score=false", "inference.cleanup=false"])
        #expect(summary.scoreKey == nil)
        #expect(summary.cleanup == CleanupTotals())
        #expect(!file.anyAnnotationHas("score"))
        let tao = try TemporaryFolder()
        let (taoSummary, taoFile) = try await label(tao, style: .tao)
        #expect(taoSummary.scoreKey == nil)
        #expect(taoSummary.cleanup == CleanupTotals())
        #expect(!taoFile.anyAnnotationHas("score"))
    }

    @Test("What clean-up changed is beside the output, and undoes it")
    func cleanup() async throws {
        let (plain, cleaned) = (try TemporaryFolder(), try TemporaryFolder())
        let (_, before) = try await label(plain, overrides: ["inference.cleanup=false"])
        let (summary, after) = try await label(cleaned)
        // At a threshold of 0.1 masks bleed over the edges of their boxes.
        #expect(summary.cleanup.outsidePixels > 0)
        let lines = try String(
            contentsOfFile: cleaned.path + "/out.json.cleanup.jsonl", encoding: .utf8
        ).split(separator: "\n")
        #expect(lines.count == summary.cleanup.masks)
        for line in lines {
            let object = try #require(
                try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            let id = try #require(object["id"] as? Int)
            let place = try #require(
                after.annotations.firstIndex { $0.id == .integer(Int64(id)) })
            let size = try #require(
                after.annotations[place].imageIndex.flatMap { after.images[$0].size })
            let counts = try #require((object["changed"] as? [String: Any])?["counts"] as? String)
            let changed = try RLE(size: size, compressed: counts)
            let mask = try #require(try after.truth(of: after.annotations[place], imageSize: size))
            let restored = RLE.union([mask.without(changed), changed.without(mask)])
            #expect(restored == (try before.truth(of: before.annotations[place], imageSize: size)))
        }
    }
}
