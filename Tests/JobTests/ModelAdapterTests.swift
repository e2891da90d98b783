import Foundation
import MaskAutoLabeler
import Specs
import TestSupport
import Testing
import Training

/// What `mal adapt` and `mal label --adapt` do.
@Suite("Adaptation")
struct ModelAdapterTests {
    let folder: TemporaryFolder
    let scenes: SyntheticScenes

    init() throws {
        folder = try TemporaryFolder()
        scenes = try SyntheticScenes(in: folder, count: 20)
    }

    /// A micro model with heads.
    func model() async throws -> String {
        let spec = try folder.file("spec.yaml", scenes.spec(results: folder.path + "/first"))
        _ = try await TrainJob(
            specPath: spec, overrides: ["dataset.val_ann_path=null", "train.max_steps=2"],
            threads: 1, onEvent: { _ in }
        ).run()
        return folder.path + "/first/train/model_latest"
    }

    func adapter(
        _ model: String, amount: AdaptationAmount = .steps(6), _ overrides: [String] = [],
        output: String? = nil, overwrites: Bool = false, log: TrainingLog = TrainingLog()
    ) throws -> ModelAdapter {
        var options = ModelAdapter.Options()
        options.checkpoint = model
        options.amount = amount
        options.threads = 1
        options.overrides = ["dataset.crop_size=32", "train.checkpoint_interval=2"] + overrides
        return try ModelAdapter(
            images: scenes.images, boxes: scenes.boxes, workspace: folder.path + "/work",
            output: output, overwrites: overwrites, options: options, onEvent: log.record)
    }

    func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

    @Test("A stopped run goes on, a finished one is used at once, and other settings begin anew")
    func resumesAndCaches() async throws {
        let model = try await model()
        let log = TrainingLog()
        let stopped = try adapter(model, log: log)
        await #expect(throws: LabelingError.self) {
            _ = try await stopped.run(shouldStop: { log.steps.last?.step == 3 })
        }
        let later = TrainingLog()
        let first = try await adapter(model, log: later).run(shouldStop: { false })
        #expect(later.steps.map(\.step) == [4, 5, 6])
        #expect(!first.wasDone)
        #expect(first.text.contains("6 steps on 30 boxes"))
        #expect(first.text.contains("on 10 boxes held out"))

        let again = TrainingLog()
        let second = try await adapter(model, log: again).run(shouldStop: { false })
        #expect(second.wasDone)
        #expect(again.steps.isEmpty)
        #expect(second.model == first.model)
        #expect(second.text == first.text)

        let other = TrainingLog()
        _ = try await adapter(model, amount: .steps(2), log: other).run(shouldStop: { false })
        #expect(other.steps.map(\.step) == [1, 2])
    }

    @Test("Of a model that is not kept, the output is the model before")
    func discards() async throws {
        let model = try await model()
        _ = try await adapter(model).run(shouldStop: { false })
        // As if the comparison had found something.
        let work = folder.path + "/work/"
        let own = work + (try #require(FileManager.default.contentsOfDirectory(atPath: work).first))
        var verdict = try #require(
            try JSONSerialization.jsonObject(with: bytes(own + "/verdict.json")) as? [String: Any])
        verdict["reason"] = "it is worse"
        try JSONSerialization.data(withJSONObject: verdict)
            .write(to: URL(fileURLWithPath: own + "/verdict.json"))

        let output = folder.path + "/out.safetensors"
        let found = try await adapter(model, output: output).run(shouldStop: { false })
        #expect(!found.isKept && found.wasDone)
        #expect(found.text.contains("is not kept: it is worse"))
        #expect(found.model == output)
        #expect(try bytes(output) == bytes(own + "/before.safetensors"))
        // The same again is done; another command does not replace the file.
        #expect(try await adapter(model, output: output).run(shouldStop: { false }).wasDone)
        #expect(throws: LabelingError.self) {
            try adapter(model, amount: .steps(2), output: output)
        }
        _ = try adapter(model, amount: .steps(2), output: output, overwrites: true)
    }

    @Test(
        "What speaks against a model is named",
        arguments: [
            // Fit, mirror and composites before and after; the runs of docs/adapt.md.
            (([0.992, 0.867, 0.804], [0.995, 0.890, 0.827]), 20.0, nil),
            (([0.968, 0.885, 0.747], [0.988, 0.897, 0.795]), 20, nil),
            (
                ([0.987, 0.892, 0.847], [0.986, 0.863, 0.812]), 20,
                "agreement with the mirrored crop fell from 0.892 to 0.863"
            ),
            (
                ([0.992, 0.867, 0.686], [0.999, 0.975, 0.611]), 20,
                "IoU on composites fell from 0.686 to 0.611"
            ),
            (
                ([0.9, 0.9, 0], [0.9, 0.9, 0]), 0,
                "the models are sure of no object, so that they can't be compared"
            ),
        ] as [(([Double], [Double]), Double, String?)])
    func faults(measures: ([Double], [Double]), weight: Double, fault: String?) throws {
        func text(_ values: [Double]) -> String {
            "{\"boxFit\": \(values[0]), \"mirror\": \(values[1]), \"composites\": \(values[2])}"
        }
        let json = """
            {"before": \(text(measures.0)), "after": \(text(measures.1)), "agreement": 0.9,
            "boxCount": 30, "compositeWeight": \(weight)}
            """
        let found = try JSONDecoder().decode(ModelComparison.self, from: Data(json.utf8))
        #expect(found.fault == fault)
    }

    @Test(
        "A model that got worse is not kept, and the output is the model before",
        arguments: ["train.lr=1", "train.lr=1000"])
    func gotWorse(rate: String) async throws {
        let output = folder.path + "/out.safetensors"
        var options = ModelAdapter.Options()
        options.checkpoint = fixture("micro_vit_trained.pth")
        options.amount = .steps(4)
        options.threads = 1
        options.overrides = [
            "model.num_heads=3", "dataset.crop_size=32", "train.warmup_steps=0",
            "model.teacher_momentum=0", rate,
        ]
        func adapter(overwrites: Bool = false) throws -> ModelAdapter {
            try ModelAdapter(
                images: fixture("../../Demo/images"), boxes: fixture("../../Demo/boxes.json"),
                workspace: folder.path + "/work", output: output, overwrites: overwrites,
                options: options, onEvent: { _ in })
        }
        let found = try await adapter().run(shouldStop: { false })
        #expect(!found.isKept)
        #expect(found.text.contains("is not kept: "))
        #expect(found.model == output)
        // The same again is done; another command does not replace the file.
        #expect(try await adapter().run(shouldStop: { false }).wasDone)
        options.amount = .steps(5)
        #expect(throws: LabelingError.self) { try adapter() }
        _ = try adapter(overwrites: true)
    }

    @Test("A time ends the training")
    func time() async throws {
        let log = TrainingLog()
        let found = try await adapter(try await model(), amount: .seconds(1), log: log)
            .run(shouldStop: { false })
        #expect(!log.steps.isEmpty)
        #expect(found.text.contains("\(log.steps.last?.step ?? 0) steps on 30 boxes"))
        #expect(log.steps.allSatisfy { $0.secondsLeft <= 1 && $0.stepCount < 1_000_000 })
        #expect(log.texts.contains { $0.contains("until the time is over") })
    }

    @Test("With few boxes the model stays as it is")
    func fewBoxes() async throws {
        let few = try SyntheticScenes(in: folder, count: 3, name: "few")
        var options = ModelAdapter.Options()
        options.checkpoint = try await model()
        options.overrides = ["dataset.crop_size=32"]
        let found = try await ModelAdapter(
            images: few.images, boxes: few.boxes, workspace: folder.path + "/work",
            options: options, onEvent: { _ in }
        ).run(shouldStop: { false })
        #expect(!found.isKept)
        #expect(found.model == options.checkpoint)
        #expect(found.text.contains("6 boxes can be learned from, 24 are needed"))
    }

    @Test(
        "Amounts",
        arguments: [
            ("auto", AdaptationAmount.automatic), ("300", .steps(300)), ("90s", .seconds(90)),
            ("10m", .seconds(600)), ("2h", .seconds(7200)), ("0", nil), ("soon", nil), ("0m", nil),
            ("-3", nil), ("m", nil), ("", nil), ("1000001", nil), ("99999999999999999999h", nil),
        ] as [(String, AdaptationAmount?)])
    func amounts(_ text: String, _ expected: AdaptationAmount?) {
        #expect(AdaptationAmount(text) == expected)
    }

    @Test("auto takes as many steps as there are boxes, in bounds")
    func automaticSteps() {
        let counts = [10, 80, 300, 5000].map(AdaptationAmount.automatic.stepCount(forBoxes:))
        #expect(counts == [80, 80, 300, 400])
        #expect(AdaptationAmount.steps(7).stepCount(forBoxes: 300) == 7)
    }
}
