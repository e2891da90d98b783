import Annotations
import Foundation
import Imaging
import Inference
import MaskAutoLabeler
import Specs
import Testing
import TestSupport
import Training

@Suite("Smaller crops for small boxes")
struct AdaptiveCropTests {
    /// Of 64 and 96 pixels besides 128.
    let adaptive = AdaptiveCrop(cropSize: 128, stride: 16)
    let file: AnnotationFile
    let plan: BoxPlan

    init() throws {
        file = try AnnotationFile.read(path: fixture("coco/instances.json"))
        plan = BoxPlan(
            file: file, imagesDirectory: fixture("coco/images"), selection: .all,
            decoding: DecodeOptions(), onEvent: { _ in })
    }

    func settings(_ batchSize: Int, adaptive: AdaptiveCrop?) -> CropSettings {
        CropSettings(
            cropSize: 128, marginRate: 0.6, batchSize: batchSize, decoding: DecodeOptions(),
            adaptive: adaptive)
    }

    @Test("A box gets the smallest crop that has enough pixels for each of its own")
    func rule() {
        func size(_ width: Double, _ height: Double, density: Double = 2) -> Int? {
            AdaptiveCrop(cropSize: 224, stride: 14, density: density)
                .size(for: Box(cocoX: 5, y: 7, width: width, height: height))
        }
        #expect(size(56, 3) == 112)
        #expect(size(3, 56.5) == 168)
        #expect(size(84, 84) == 168)
        #expect(size(84.5, 1) == nil)
        #expect(size(84.5, 1, density: 1) == 112)
    }

    @Test(
        "Sizes are multiples of the token stride with two tokens or more",
        arguments: [
            (224, 14, [112, 168]), (512, 16, [256, 384]), (336, 14, [168, 252]),
            (80, 16, [48, 64]), (48, 16, [32]), (32, 16, []),
        ])
    func sizes(cropSize: Int, stride: Int, expected: [Int]) {
        #expect(AdaptiveCrop(cropSize: cropSize, stride: stride).sizes == expected)
    }

    @Test("A description gives the same again, other text nothing")
    func description() {
        for adaptive in [adaptive, AdaptiveCrop(cropSize: 32, stride: 16, density: 1.25)] {
            #expect(AdaptiveCrop(adaptive.description) == adaptive)
        }
        for text in ["", "2", "2 times to a", "0 times to 64", "2 times to 64, -3"] {
            #expect(AdaptiveCrop(text) == nil, "\(text)")
        }
    }

    @Test("Every box is in one batch of its size, in order; all but the last of a size are full")
    func batches() {
        let batches = BatchPlan(plan, settings(2, adaptive: adaptive))
        var seen: [Int: [Int]] = [:]
        var counts: [Int: [Int]] = [:]
        for index in 0..<batches.count {
            let size = batches.cropSize(ofBatch: index)
            seen[size, default: []] += batches.positions(ofBatch: index)
            counts[size, default: []].append(batches.positions(ofBatch: index).count)
        }
        for (size, positions) in seen {
            let expected = plan.boxes.indices.filter {
                adaptive.size(for: plan.boxes[$0].box) ?? 128 == size
            }
            #expect(positions == expected)
            #expect(counts[size]?.dropLast().allSatisfy { $0 == 2 } == true)
        }
        #expect(seen.keys.sorted() == [64, 96, 128])
        #expect(batches.boxCounts.map(\.count).reduce(0, +) == plan.boxes.count)
        let plain = BatchPlan(plan, settings(5, adaptive: nil))
        #expect((0..<plain.count).map { plain.positions(ofBatch: $0).count } == [5, 5, 5, 3])
        #expect(
            (0..<plain.count).flatMap { plain.positions(ofBatch: $0) } == Array(plan.boxes.indices))
    }

    @Test("The loader makes each batch at its size")
    func loads() async {
        let settings = settings(2, adaptive: adaptive)
        let batches = BatchPlan(plan, settings)
        var loader = CropBatchLoader(plan: plan, settings: settings)
        var index = 0
        while let batch = await loader.next() {
            let size = batches.cropSize(ofBatch: index)
            #expect(batch.index == index && batch.cropSize == size)
            #expect(batch.items.map(\.planned.place) == Array(batches.positions(ofBatch: index)))
            #expect(batch.boxMasks.count == batch.items.count * size * size)
            #expect(batch.pixels.count == batch.boxMasks.count * 3)
            index += 1
        }
        #expect(index == batches.count)
    }

    /// The output of a run, stopped after every `stop` batches until it is done.
    func label(_ overrides: [String], stop: Int = .max) async throws -> Data {
        let folder = try TemporaryFolder()
        let settings =
            microSettings.filter { $0.key != "dataset.crop_size" } + [
                SpecSetting("test", "inference.label_dump_path", .text(folder.path + "/out.json"))
            ]
        while true {
            var batches = 0
            do {
                _ = try await LabelJob(
                    specPath: nil, overrides: ["dataset.crop_size=128"] + overrides,
                    settings: settings, options: .with { $0.threads = 1 }, onEvent: { _ in }
                ).run(shouldStop: {
                    batches += 1
                    return batches > stop
                })
                return try Data(contentsOf: URL(fileURLWithPath: folder.path + "/out.json"))
            } catch LabelingError.interrupted { continue }
        }
    }

    @Test("Boxes that keep their crop keep their mask; the others get one too")
    func masks() async throws {
        func masks(_ overrides: [String]) async throws -> [Int: String] {
            // One crop a batch, so that no mask depends on the others of its batch.
            let output = try await label(["inference.batch_size=1"] + overrides)
            let document = try JSONSerialization.jsonObject(with: output) as? [String: Any]
            let annotations = try #require(document?["annotations"] as? [[String: Any]])
            return Dictionary(
                uniqueKeysWithValues: annotations.compactMap {
                    guard let id = $0["id"] as? Int else { return nil }
                    let mask = $0["segmentation"] as? [String: Any]
                    return (id, mask?["counts"] as? String ?? "none")
                })
        }
        let plain = try await masks([])
        let smaller = try await masks(["dataset.adaptive_crop=true"])
        #expect(!smaller.values.contains("none"))
        var changed = 0
        for planned in plan.boxes {
            let id = Int("\(file.annotations[planned.annotation].id)") ?? -1
            if adaptive.size(for: planned.box) == nil {
                #expect(plain[id] == smaller[id], "annotation \(id)")
            } else if plain[id] != smaller[id] {
                changed += 1
            }
        }
        #expect(changed > 0)
    }

    @Test("A run stopped after every second batch gives the file of an undisturbed one")
    func resumes() async throws {
        let overrides = ["inference.batch_size=2", "dataset.adaptive_crop=true"]
        #expect(try await label(overrides) == label(overrides, stop: 2))
    }

    @Test("Evaluation keeps the order of the objects")
    func evaluation() async throws {
        func ids(_ overrides: [String]) async throws -> [Substring] {
            let folder = try TemporaryFolder()
            let job = try EvaluateJob(
                specPath: nil,
                overrides: ["results_dir=\(folder.path)", "evaluate.batch_size=2"] + overrides,
                settings: microSettings, threads: 1, onEvent: { _ in })
            _ = try await job.run(shouldStop: { false })
            return try String(
                contentsOfFile: folder.path + "/evaluate/per_instance.jsonl", encoding: .utf8
            ).split(separator: "\n").map { $0.prefix { $0 != "," } }
        }
        let plain = try await ids([])
        #expect(plain.count == 13)
        #expect(try await ids(["dataset.adaptive_crop=true"]) == plain)
    }
}
