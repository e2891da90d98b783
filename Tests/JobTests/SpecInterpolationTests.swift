import Specs
import Testing

@Suite struct SpecInterpolationTests {
    private func read(_ text: String, _ environment: [String: String] = [:]) throws -> Spec {
        try Spec.read(text: text, name: "t", command: .train, environment: environment).spec
    }

    @Test("a key can take the value of another, with its type or inside a text")
    func keys() throws {
        let spec = try read(
            """
            results_dir: /runs/${model_name}/${train.batch_size}
            model_name: small
            dataset:
              train_img_dir: ${dataset.val_img_dir}
              val_img_dir: ${results_dir}/images
            evaluate:
              batch_size: ${train.batch_size}
            train:
              optim_betas: ${train.margin_rate}
              margin_rate: [0.1, '${train.crf_zeta}']
            """)
        #expect(spec.resultsDir == "/runs/small/3")
        #expect(spec.dataset.trainImageDir == "/runs/small/3/images")
        #expect(spec.evaluate.batchSize == 3)
        #expect(spec.train.optimizerBetas == [0.1, 0.1])
    }

    @Test("the environment gives texts, with a default when a variable is not set")
    func environment() throws {
        let text = """
            results_dir: ${oc.env:HOME}/runs
            model_name: ${oc.env:NAME, mal}
            train: {batch_size: '${oc.env:BATCH}'}
            wandb: {name: 'a \\${b} c'}
            """
        let spec = try read(text, ["HOME": "/home/x", "BATCH": "7"])
        #expect(spec.resultsDir == "/home/x/runs")
        #expect(spec.modelName == "mal")
        #expect(spec.train.batchSize == 7)
        #expect(spec.wandb.name == "a ${b} c")
    }

    static let wrong: [(String, String)] = [
        (
            "results_dir: ${model_name}\nmodel_name: ${results_dir}",
            "results_dir refers to itself through results_dir"
        ),
        (
            "results_dir: ${oc.env:NONE}",
            "results_dir needs the environment variable NONE, which is not set"
        ),
        ("results_dir: ${nowhere}", "results_dir refers to nowhere, which is no key"),
        ("results_dir: ${train}", "results_dir refers to train, which is no key"),
        (
            "results_dir: ${inference.checkpoint}",
            "results_dir refers to inference.checkpoint, which has no value"
        ),
        ("results_dir: x${train.mask_thres}", "results_dir puts a list of 1 inside a text"),
        ("results_dir: ${model_name", "results_dir must close ${ with }"),
        (
            "results_dir: ${eval:1+1}",
            "results_dir has ${eval:1+1}: only ${section.key} and ${oc.env:NAME} are understood"
        ),
        (
            "results_dir: ${.model_name}",
            "results_dir has ${.model_name}: only ${section.key} and ${oc.env:NAME} are understood"
        ),
        ("train: {lr: '${model_name}'}", "train.lr must be a number, is \"${model_name}\""),
    ]

    @Test("an interpolation that can't be followed says why", arguments: wrong)
    func wrongInterpolation(text: String, message: String) {
        do {
            _ = try read(text)
            Issue.record("must throw")
        } catch {
            let first = (error as? SpecError)?.problems.first
            #expect(first?.place == "t line 1")
            if !message.hasPrefix("train.lr") { #expect(first?.message == message) }
        }
    }

    @Test("interpolations that double again and again are stopped")
    func doubling() {
        let keys = ["name", "project", "entity", "run_id"]
        var text = "model_name: \(String(repeating: "x", count: 1000))\nwandb:\n"
        for (index, key) in keys.enumerated() {
            let source = index == 0 ? "model_name" : "wandb.\(keys[index - 1])"
            text += "  \(key): \(String(repeating: "${\(source)}", count: 100))\n"
        }
        #expect(throws: SpecError.self) { try read(text) }
    }
}
