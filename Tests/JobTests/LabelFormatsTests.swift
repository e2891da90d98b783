import Annotations
import Foundation
import Inference
import MaskAutoLabeler
import Specs
import Testing
import TestSupport

/// The same boxes in another format get the same masks.
@Suite("Labelling from other formats")
struct LabelFormatsTests {
    /// The boxes of `coco/instances.json`, which the tests of labelling use.
    private let file: AnnotationFile
    private let folder: TemporaryFolder

    init() throws {
        file = try AnnotationFile.read(path: fixture("coco/instances.json"))
        folder = try TemporaryFolder()
    }

    private func label(_ boxes: String, style: OutputStyle = .lossless) async throws -> [String:
        Any]
    {
        let settings =
            microSettings + [
                SpecSetting("test", "inference.label_dump_path", .text(folder.path + "/out.json")),
                SpecSetting("test", "inference.ann_path", .text(boxes)),
            ]
        var exports = ExportSettings()
        exports.overwrites = true
        _ = try await LabelJob(
            specPath: nil, overrides: [], settings: settings,
            options: .with {
                $0.style = style; $0.exportSettings = exports
            }, onEvent: { _ in }
        ).run(shouldStop: { false })
        return try json(folder.path + "/out.json")
    }

    private func write(_ text: String, _ name: String) throws -> String {
        try text.write(toFile: folder.path + "/" + name, atomically: true, encoding: .utf8)
        return folder.path + "/" + name
    }

    private func counts(_ segmentations: [Any?]) throws -> [String] {
        try segmentations.map { value in
            let mask = try #require(value as? [String: Any])
            return try #require(mask["counts"] as? String)
        }
    }

    private func expected() async throws -> [String] {
        let output = try await label(fixture("coco/instances.json"))
        let records = try #require(output["annotations"] as? [[String: Any]])
        #expect(records.count == 18)
        return try counts(records.map { $0["segmentation"] })
    }

    @Test("a table of boxes gives COCO JSON with the masks of the same boxes in COCO JSON")
    func table() async throws {
        let expected = try await expected()
        let rows = file.annotations.map { annotation in
            let image = file.images[annotation.imageIndex ?? 0].fileName
            let box = [annotation.x, annotation.y, annotation.width, annotation.height]
            return ([image, "thing"] + box.map { "\($0)" }).joined(separator: ",")
        }
        let path = try write(
            "image,label,x,y,w,h\n" + rows.joined(separator: "\n"), "boxes.csv")
        let output = try await label(path)
        let records = try #require(output["annotations"] as? [[String: Any]])
        #expect(try counts(records.map { $0["segmentation"] }) == expected)
        #expect((output["categories"] as? [[String: Any]])?.count == 1)
        #expect(records.allSatisfy { $0["score"] is Double })
    }

    @Test("YouTube-VIS masks lie at their frames, with areas and scores")
    func video() async throws {
        let expected = try await expected()
        // All images are the frames of one video; every box is an instance of its own.
        let names = file.images.map { "\"\($0.fileName)\"" }.joined(separator: ", ")
        let instances = file.annotations.map { annotation in
            let boxes = file.images.indices.map { image in
                image == annotation.imageIndex
                    ? "[\(annotation.x), \(annotation.y), \(annotation.width), \(annotation.height)]"
                    : "null"
            }.joined(separator: ", ")
            return "{\"id\": \(annotation.index + 1), \"video_id\": 1, \"category_id\": 1, "
                + "\"bboxes\": [\(boxes)]}"
        }.joined(separator: ",\n")
        let path = try write(
            "{\"videos\": [{\"id\": 1, \"file_names\": [\(names)]}], \"annotations\": "
                + "[\(instances)], \"categories\": [{\"id\": 1, \"name\": \"thing\"}]}",
            "video.json")
        let output = try await label(path)
        let records = try #require(output["annotations"] as? [[String: Any]])
        for (record, annotation) in zip(records, file.annotations) {
            let frame = try #require(annotation.imageIndex)
            for key in ["segmentations", "areas", "scores"] {
                let list = try #require(record[key] as? [Any])
                #expect(list.count == file.images.count)
                for (place, value) in list.enumerated() {
                    #expect((value is NSNull) == (place != frame))
                }
            }
            let masks = try #require(record["segmentations"] as? [Any])
            #expect(try counts([masks[frame]]) == [expected[annotation.index]])
        }
        await #expect(throws: LabelingError.self) { _ = try await label(path, style: .tao) }
    }
}
