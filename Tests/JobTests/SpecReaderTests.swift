import Files
import Specs
import Testing

@Suite struct SpecReaderTests {
    /// A spec that is wrong in one place, and the line that says so.
    struct Wrong: CustomTestStringConvertible, Sendable {
        let text: String
        let place: String
        let message: String
        var command = Spec.Command.train

        var testDescription: String { message }

        init(
            _ text: String, line: Int? = nil, _ message: String, _ command: Spec.Command = .train
        ) {
            self.text = text
            self.place = line.map { "train.yaml line \($0)" } ?? "train.yaml"
            self.message = message
            self.command = command
        }
    }

    static let wrongSpecs: [Wrong] = [
        Wrong("train:\n  batch_size: 0", line: 2, "train.batch_size must be 1 or more, is 0"),
        Wrong(
            "train:\n  batch_size: 70000", line: 2,
            "train.batch_size must be 65536 or less, is 70000"),
        Wrong(
            "train:\n  batch_size: 4.0", line: 2,
            "train.batch_size must be a whole number, is 4.0"),
        Wrong(
            "train:\n  batch_size: four", line: 2,
            "train.batch_size must be a whole number, is \"four\""),
        Wrong(
            "train:\n  batch_size: true", line: 2,
            "train.batch_size must be a whole number, is true"),
        Wrong("train:\n  batch_size:", line: 2, "train.batch_size must be a whole number, is null"),
        Wrong(
            "train:\n  batch_size: [4]", line: 2,
            "train.batch_size must be a whole number, is a list of 1"),
        Wrong(
            "train:\n  batch_size: 99999999999999999999", line: 2,
            "train.batch_size must be a whole number, is 99999999999999999999"),
        Wrong("train:\n  lr: .nan", line: 2, "train.lr must be a number, is .nan"),
        Wrong("train:\n  lr: 1e999", line: 2, "train.lr must be a number, is 1e999"),
        Wrong("train:\n  lr: .inf", line: 2, "train.lr must be a number, is .inf"),
        Wrong("train:\n  lr: -1e-6", line: 2, "train.lr must be 0 or more, is -1e-6"),
        Wrong("train: {crf_zeta: 0}", line: 1, "train.crf_zeta must be more than 0, is 0"),
        Wrong("train: {crf_kernel_size: 4}", line: 1, "train.crf_kernel_size must be odd, is 4"),
        Wrong(
            "train:\n  use_amp: maybe", line: 2, "train.use_amp must be true or false, is \"maybe\""
        ),
        Wrong("train:\n  use_amp: 2", line: 2, "train.use_amp must be true or false, is 2"),
        Wrong("train:\n  optim_type: sgd", line: 2, "train.optim_type must be adamw, is \"sgd\""),
        Wrong(
            "train:\n  checkpoint_interval_unit: day", line: 2,
            "train.checkpoint_interval_unit must be one of epoch, step, is \"day\""),
        Wrong(
            "train:\n  precision: half", line: 2,
            "train.precision must be one of auto, fp32, bf16, fp16, is \"half\""),
        Wrong(
            "train:\n  precision: int8", line: 2,
            "train.precision must be one of auto, fp32, bf16, fp16, is \"int8\""),
        Wrong(
            "train:\n  optim_betas: [0.9]", line: 2,
            "train.optim_betas must be a list of 2 numbers, is a list of 1"),
        Wrong(
            "train:\n  optim_betas: [0.9, 1.0]", line: 2,
            "train.optim_betas must hold numbers of less than 1, has 1.0"),
        Wrong(
            "train:\n  margin_rate: [1.2, 0]", line: 2, "train.margin_rate must rise, is [1.2, 0.0]"
        ),
        Wrong(
            "train:\n  mask_thres: [0.1, 0.2]", line: 2,
            "train.mask_thres must be a list of 1 or 3 numbers, is a list of 2"),
        Wrong(
            "train:\n  mask_thres: 0.1", line: 2,
            "train.mask_thres must be a list of numbers, is 0.1"),
        Wrong(
            "train:\n  mask_thres: [low]", line: 2,
            "train.mask_thres must be a list of numbers, is a list of 1"),
        Wrong(
            "train:\n  crf_value_low_thres: 0.95", line: 2,
            "train.crf_value_high_thres must be more than train.crf_value_low_thres, is 0.9"),
        Wrong("train: 3", line: 1, "train must be a section, is 3"),
        Wrong("train:\n  lr:\n    a: 1", line: 2, "train.lr must be a number, is a section"),
        Wrong(
            "train:\n  bach_size: 4", line: 2,
            "unknown key train.bach_size: did you mean train.batch_size?"),
        Wrong("trian:\n  lr: 1", line: 1, "unknown key trian: did you mean train?"),
        Wrong("\nlr: 1", line: 2, "unknown key lr: did you mean train.lr?"),
        Wrong("photographs: 1", line: 1, "unknown key photographs"),
        Wrong("? [a]\n: 1", line: 1, "a key must be a word, is a list or section"),
        Wrong(
            "model:\n  arch: resnet50", line: 2,
            "model.arch must be vit-…-tiny, -small, -base, -large or -huge with /8, /14 or /16, "
                + "or a fan_… name, is \"resnet50\""),
        Wrong(
            "model:\n  mask_scale_ratio: 4", line: 2,
            "model.mask_scale_ratio must be 2 unless model.not_adjust_scale is true, is 4.0"),
        Wrong(
            "model:\n  embed_dim: 100\n  num_heads: 3", line: 2,
            "model.embed_dim must be a multiple of model.num_heads, is 100 with 3 heads"),
        Wrong(
            "model:\n  frozen_stages: -1", line: 2,
            "model.frozen_stages must be a list of whole numbers, is -1"),
        Wrong("dataset:\n  type: voc", line: 2, "dataset.type must be coco, is \"voc\""),
        Wrong("dataset:\n  crop_size: 0", line: 2, "dataset.crop_size must be 16 or more, is 0"),
        Wrong(
            "dataset:\n  min_obj_size: 2.0e+10", line: 2,
            "dataset.max_obj_size must be more than dataset.min_obj_size, is 10000000000.0"),
        Wrong(
            "dataset:\n  train_ann_path: null", line: 2,
            "dataset.train_ann_path is mandatory: set it in the file or with "
                + "dataset.train_ann_path=PATH"
        ),
        Wrong(
            "evaluate:\n  batch_size: 2",
            "evaluate.checkpoint is mandatory: set it in the file or with evaluate.checkpoint=PATH",
            .evaluate),
        Wrong("train:\n  seed: ???", line: 2, "train.seed is mandatory (???): give it a value"),
        Wrong("device: gpu", line: 1, "device must be auto, cpu or cuda:N, is \"gpu\""),
        Wrong("results_dir: [a]", line: 1, "results_dir must be text, is a list of 1"),
        Wrong(
            "results_dir: \"a\\e[2J\"\ndevice: \"\\e[2J\"", line: 2,
            "device must be auto, cpu or cuda:N, is \"\\u{1b}[2J\""),
    ]

    @Test("a wrong spec says where, what was expected and what was found", arguments: wrongSpecs)
    func wrongSpec(_ wrong: Wrong) {
        #expect(throws: problem(wrong.place, wrong.message)) {
            try Spec.read(text: wrong.text, name: "train.yaml", command: wrong.command)
        }
    }

    @Test("all problems come at once, in the order of the file, then of the overrides")
    func collectsProblems() {
        let text = """
            train:
              lr: high
              batch_size: 0
            datset: {}
            evaluate:
              precision: fp64
            """
        #expect(
            throws: SpecError([
                .init(
                    place: "train.yaml line 2", message: "train.lr must be a number, is \"high\""),
                .init(
                    place: "train.yaml line 3",
                    message: "train.batch_size must be 1 or more, is 0"),
                .init(
                    place: "train.yaml line 4",
                    message: "unknown key datset: did you mean dataset?"),
                .init(
                    place: "train.yaml line 6",
                    message:
                        "evaluate.precision must be one of auto, fp32, bf16, fp16, int8, is \"fp64\""
                ),
                .init(
                    place: "override train.wd=x", message: "must be a number",
                    isOfCommandLine: true),
                .init(
                    place: "train.yaml",
                    message: "evaluate.checkpoint is mandatory: set it in the file or with "
                        + "evaluate.checkpoint=PATH"),
            ])
        ) {
            try Spec.read(
                text: text, name: "train.yaml", overrides: ["train.wd=x"], command: .evaluate)
        }
    }

    @Test("a mandatory value may be missing when the command does not need it")
    func missingWhereUnused() throws {
        let text = "evaluate:\n  checkpoint: ???\ninference:\n  checkpoint: ???\n  img_dir: ''"
        let (spec, _) = try Spec.read(text: text, name: "t", command: .train)
        #expect(spec.evaluate.checkpoint == nil)
        #expect(spec.inference.imageDir == nil)
        #expect(throws: SpecError.self) {
            try Spec.read(text: text, name: "t", command: .inference)
        }
    }

    @Test("values have the types that OmegaConf gives them")
    func types() throws {
        let text = """
            results_dir: 2024
            dataset:
              crop_size: "0512"
              load_mask: Off
              max_pixels: 1_000_000
            train:
              seed: 0x10
              lr: 1e-6
              wd: 1
              loss_mil_weight: .5
              loss_crf_weight: "3.0"
              num_wave: 2.
              use_amp: "no"
              num_epochs: 012
            model:
              frozen_stages: [0, "1"]
            wandb:
              run_id: 0123
              tags: [a, 1, yes]
            """
        let (spec, _) = try Spec.read(text: text, name: "t", command: .train)
        #expect(spec.resultsDir == "2024")
        #expect(spec.dataset.cropSize == 512)
        #expect(!spec.dataset.loadsMasks)
        #expect(spec.dataset.maxPixelCount == 1_000_000)
        #expect(spec.train.seed == 16)
        #expect(spec.train.learningRate == 1e-6)
        #expect(spec.train.weightDecay == 1)
        #expect(spec.train.milLossWeight == 0.5)
        #expect(spec.train.crfLossWeight == 3)
        #expect(spec.train.waveCount == 2)
        #expect(!spec.train.useAMP)
        #expect(spec.train.epochCount == 10)
        #expect(spec.model.frozenStages == [0, 1])
        #expect(spec.wandb.runID == "0123")
        #expect(spec.wandb.tags == ["a", "1", "yes"])
    }

    @Test("an error shows at most fifty problems")
    func manyProblems() {
        let text = (0..<80).map { "zzzzzzzz\($0): 1" }.joined(separator: "\n")
        do {
            _ = try Spec.read(text: text, name: "t", command: .train)
            Issue.record("must throw")
        } catch {
            #expect(error.problems.count == 80)
            #expect(error.description.hasSuffix("\nand 30 more problems"))
        }
    }

    @Test("a flood of unknown keys is listed, with suggestions for the first ones only")
    func unknownKeys() {
        let text = (0..<14_000).map { "train.lr\($0): 1\n" }.joined()
        let error = #expect(throws: SpecError.self) {
            try Spec.read(text: text, name: "train.yaml", command: .train)
        }
        let messages = error?.problems.map(\.message) ?? []
        #expect(messages.count >= 14_000)
        #expect(messages.contains("unknown key train.lr0: did you mean train.lr?"))
        #expect(messages.contains("unknown key train.lr13999"))
    }
}
