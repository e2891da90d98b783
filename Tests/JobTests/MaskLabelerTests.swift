import Annotations
import Foundation
import Imaging
import Inference
import MaskAutoLabeler
import Specs
import TestSupport
import Testing

@Suite("Masks in memory")
struct MaskLabelerTests {
    private let folder: TemporaryFolder
    private let scenes: SyntheticScenes

    init() throws {
        folder = try TemporaryFolder()
        scenes = try SyntheticScenes(in: folder, count: 3)
    }

    /// The boxes of each image, by its file name.
    private func boxes() throws -> [(path: String, boxes: [Box], ids: [Int])] {
        let file = try AnnotationFile.read(path: scenes.boxes)
        return file.images.enumerated().map { index, image in
            let records = file.annotations.filter { $0.imageIndex == index }
            return (
                scenes.images + "/" + image.fileName, records.map(\.box),
                records.map(\.index)
            )
        }
    }

    @Test("The masks and scores are those of a labelling run, whoever calls at the same time")
    func sameAsRun() async throws {
        let out = folder.path + "/masks.json"
        let job = try LabelJob(
            specPath: nil, overrides: [],
            settings: [
                SpecSetting("", "inference.img_dir", .text(scenes.images)),
                SpecSetting("", "inference.ann_path", .text(scenes.boxes)),
                SpecSetting("", "inference.label_dump_path", .text(out)),
                SpecSetting("", "inference.checkpoint", .text("tiny")),
                SpecSetting("", "results_dir", .text(folder.path)),
                SpecSetting("", "device", .text("cpu")),
            ], options: .with { $0.threads = 1 },
            onEvent: { _ in })
        _ = try await job.run(shouldStop: { false })
        let expected = try AnnotationFile.read(path: out)
        var options = MaskLabeler.Options(device: .cpu)
        options.threads = 1
        let labeler = try await MaskLabeler(model: .tiny, options: options)
        let images = try boxes()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for image in images {
                group.addTask {
                    let decoded = try Image(contentsOf: URL(fileURLWithPath: image.path))
                    let masks = try await labeler.masks(in: decoded, boxes: image.boxes)
                    #expect(masks.map(\.box) == image.boxes)
                    for (mask, index) in zip(masks, image.ids) {
                        let record = expected.annotations[index]
                        let size = Size(height: decoded.height, width: decoded.width)
                        let truth = try #require(try expected.truth(of: record, imageSize: size))
                        // Other boxes in the batch may move single pixels.
                        #expect(mask.rle.iou(with: truth) > 0.999)
                        let score = try #require(expected.number("score", of: record))
                        #expect(abs(mask.score - score) < 1e-3)
                        #expect(mask.pixels.area == mask.rle.area)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test("Masks in int8 are near those in float32")
    func int8() async throws {
        var options = MaskLabeler.Options(device: .cpu)
        let float = try await MaskLabeler(model: .tiny, options: options)
        options.precision = .int8
        let int8 = try await MaskLabeler(model: .tiny, options: options)
        for (path, boxes, _) in try boxes() {
            let image = try Image(contentsOf: URL(fileURLWithPath: path))
            let expected = try await float.masks(in: image, boxes: boxes)
            let made = try await int8.masks(in: image, boxes: boxes)
            for (mask, truth) in zip(made, expected) where truth.rle.area > 0 {
                #expect(mask.rle.iou(with: truth.rle) > 0.9)
            }
        }
    }

    @Test("Polygons fill to the mask; probabilities are there when asked for")
    func parts() async throws {
        var options = MaskLabeler.Options(device: .cpu)
        options.keepsProbabilities = true
        let labeler = try await MaskLabeler(model: .tiny, options: options)
        let (path, boxes, _) = try boxes()[0]
        let image = try Image(data: Data(contentsOf: URL(fileURLWithPath: path)))
        let masks = try await labeler.masks(in: image, boxes: boxes)
        let mask = try #require(masks.first)
        let again = try RLE(polygons: mask.polygons(), size: mask.rle.size)
        #expect(again == mask.rle)
        let probabilities = try #require(mask.probabilities)
        #expect(probabilities.values.count == probabilities.side * probabilities.side)
        #expect(probabilities.values.allSatisfy { (0...1).contains($0) })
        #expect(probabilities.window.width >= mask.box.width.rounded(.down))
    }

    @Test("Rows with bytes between them are the same image; too few bytes are told")
    func stride() async throws {
        let pixels = (0..<6 * 5 * 3).map { UInt8($0 * 7 & 255) }
        let padded = (0..<5).flatMap { pixels[$0 * 18..<$0 * 18 + 18] + [1, 2, 3, 4] }
        let labeler = try await MaskLabeler(model: .tiny)
        let box = Box(x: 1, y: 1, width: 4, height: 3)
        let plain = try await labeler.masks(
            in: Image(rgb: pixels, width: 6, height: 5), boxes: [box])
        let wide = try await labeler.masks(
            in: Image(rgb: padded, width: 6, height: 5, bytesPerRow: 22), boxes: [box])
        #expect(plain[0].rle == wide[0].rle)
        for (width, height, row) in [
            (7, 5, nil), (6, 6, nil), (0, 5, nil), (.max, 2, nil), (6, 5, 17),
        ]
            as [(Int, Int, Int?)]
        {
            #expect(throws: LabelingError.self) {
                try Image(rgb: pixels, width: width, height: height, bytesPerRow: row)
            }
        }
    }

    @Test("A box without pixels of the image is named before any is labelled")
    func impossibleBoxes() async throws {
        let labeler = try await MaskLabeler(model: .tiny)
        let image = try Image(rgb: [UInt8](repeating: 9, count: 300), width: 10, height: 10)
        for box in [
            Box(x: 20, y: 0, width: 5, height: 5), Box(x: 0, y: 0, width: 0, height: 5),
            Box(x: .nan, y: 0, width: 5, height: 5), Box(x: 0, y: 0, width: .infinity, height: 5),
        ] {
            let error = await #expect(throws: LabelingError.self) {
                try await labeler.masks(
                    in: image, boxes: [Box(x: 1, y: 1, width: 5, height: 5), box])
            }
            #expect(
                "\(try #require(error))".hasPrefix(
                    "boxes[1]: expected a box with pixels of the image"))
        }
        #expect(try await labeler.masks(in: image, boxes: []).isEmpty)
    }

    @Test(
        "Options that can't be are refused by name",
        arguments: ["threads", "threshold", "cropSize"])
    func options(_ name: String) async throws {
        var options = MaskLabeler.Options()
        switch name {
        case "threads": options.threads = 0
        case "threshold": options.threshold = 1
        default: options.cropSize = 225
        }
        let error = await #expect(throws: (any Error).self) {
            try await MaskLabeler(model: .tiny, options: options)
        }
        #expect("\(try #require(error))".contains(name))
    }

    @Test("Alone or with others in its batch, a box's probabilities differ by less than 1e-5")
    func batches() async throws {
        var options = MaskLabeler.Options(device: .cpu)
        options.keepsProbabilities = true
        let labeler = try await MaskLabeler(model: .tiny, options: options)
        let (path, boxes, _) = try boxes()[0]
        let image = try Image(contentsOf: URL(fileURLWithPath: path))
        let many = (0..<8).map { boxes[$0 % boxes.count] }
        let together = try await labeler.masks(in: image, boxes: many)
        var largest: Float = 0
        for (mask, box) in zip(together, many) {
            let alone = try await labeler.masks(in: image, boxes: [box])[0]
            let (first, second) = (
                try #require(mask.probabilities), try #require(alone.probabilities)
            )
            for (a, b) in zip(first.values, second.values) { largest = max(largest, abs(a - b)) }
        }
        #expect(largest < 1e-5, "\(largest)")
    }

    @Test("A cancelled task ends with CancellationError, and others get their masks")
    func cancellation() async throws {
        let labeler = try await MaskLabeler(model: .tiny, options: .init(device: .cpu))
        let (path, boxes, _) = try boxes()[0]
        let image = try Image(contentsOf: URL(fileURLWithPath: path))
        let many = Array(repeating: boxes[0], count: 400)
        let long = Task { try await labeler.masks(in: image, boxes: many) }
        let short = Task { try await labeler.masks(in: image, boxes: [boxes[0]]) }
        long.cancel()
        await #expect(throws: CancellationError.self) { try await long.value }
        #expect(try await short.value.count == 1)
    }
}
