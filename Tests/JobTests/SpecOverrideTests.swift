import Files
import Specs
import Testing

@Suite struct SpecOverrideTests {
    private func read(_ overrides: String...) throws -> Spec {
        try Spec.read(path: nil, overrides: overrides, command: .train).spec
    }

    @Test("overrides set keys of every type")
    func types() throws {
        #expect(try read("train.lr=1e-4").train.learningRate == 1e-4)
        #expect(try read("dataset.crop_size=224").dataset.cropSize == 224)
        #expect(try read("model.frozen_stages=[0,1]").model.frozenStages == [0, 1])
        #expect(try read("model.frozen_stages=[]").model.frozenStages == [])
        #expect(try read("evaluate.results_dir=null").evaluate.resultsDir == nil)
        #expect(try read("train.use_amp=False").train.useAMP == false)
        #expect(try read("train.use_amp=off").train.useAMP == false)
        #expect(try read("train.num_epochs=010").train.epochCount == 10)
        #expect(try read("device=cuda:1").device == .cuda(1))
    }

    @Test("texts may be quoted, empty, escaped, or hold an equals sign")
    func texts() throws {
        #expect(try read("results_dir='/a, b'").resultsDir == "/a, b")
        #expect(try read(#"results_dir="it's \"here\"""#).resultsDir == #"it's "here""#)
        #expect(try read(#"results_dir=a\,b"#).resultsDir == "a,b")
        #expect(try read("results_dir=/runs/lr=1e-4").resultsDir == "/runs/lr=1e-4")
        #expect(try read("results_dir= /a b ").resultsDir == "/a b")
        #expect(try read("wandb.project=").wandb.project == "")
        #expect(try read("wandb.tags=[a, 'b, c']").wandb.tags == ["a", "b, c"])
    }

    @Test("a plus or two before the key change nothing, the last of two wins")
    func prefixes() throws {
        #expect(try read("+train.lr=1").train.learningRate == 1)
        #expect(try read("++train.lr=1", "train.lr=2").train.learningRate == 2)
    }

    @Test("a section in braces sets its keys and leaves the others")
    func sections() throws {
        let spec = try read("train={lr: 0.5, cudnn: {benchmark: true}, mask_thres: [0.2]}")
        #expect(spec.train.learningRate == 0.5)
        #expect(spec.train.cuDNN.benchmark)
        #expect(spec.train.maskThresholds == [0.2])
        #expect(spec.train.weightDecay == 0.0005)
    }

    @Test("an override goes over the file, also when only one of them uses an old spelling")
    func overFile() throws {
        let text = "train:\n  num_gpus: 4\n  gpu_ids: [0, 1, 2, 3]\n  lr: 1"
        let (spec, warnings) = try Spec.read(
            text: text, name: "t", overrides: ["gpus=[5]", "train.lr=2"], command: .train)
        #expect(spec.train.gpus.deviceIDs == [5])
        #expect(spec.train.gpus.count == 1)
        #expect(spec.train.learningRate == 2)
        #expect(warnings.count == 1)
    }

    static let wrong: [(String, String)] = [
        ("train.lr=abc", "must be a number"),
        ("train.lr=-1", "must be 0 or more"),
        ("train.lr=nan", "must be a number"),
        ("train.lr=", "must be a number"),
        ("train.lr=1,2", "has a comma: write a list as [a,b], quote a text as 'a,b'"),
        ("train.batch_size=1.5", "must be a whole number"),
        ("train.batch_size=null", "must be a whole number"),
        ("train.use_amp=2", "must be true or false"),
        ("train.mask_thres=[0.1", "must close its list with ]"),
        ("train.mask_thres=[0.1,,0.2]", "has an empty value in a list or section"),
        ("train={lr: x}", "train.lr must be a number, is \"x\""),
        ("train={lr 1}", "must hold key: value pairs inside { }"),
        ("train={lr: 1", "must close its section with }"),
        ("train=1", "must be a section"),
        ("results_dir='a", "must close its quote '"),
        ("results_dir='a'b", "has \"b\" too much"),
        ("~train.lr", "a key can't be removed: set it to the value you want"),
        ("train.lr", "must be key=value"),
        ("=1", "must begin with a dotted key such as train.lr"),
        ("train..lr=1", "must begin with a dotted key such as train.lr"),
        ("+++train.lr=1", "must be key=value"),
        ("train.Lr=1", "unknown key train.Lr: did you mean train.lr?"),
        ("dataset.cropsize=224", "unknown key dataset.cropsize: did you mean dataset.crop_size?"),
        (
            "model.arch=vit",
            "must be vit-…-tiny, -small, -base, -large or -huge with /8, /14 or /16, "
                + "or a fan_… name"
        ),
    ]

    @Test("a wrong override is named with what it must be", arguments: wrong)
    func wrongOverride(argument: String, message: String) {
        #expect(throws: problem("override \(argument)", message)) {
            try Spec.read(path: nil, overrides: [argument], command: .train)
        }
    }

    @Test("deep and long overrides are refused, not followed")
    func hostile() {
        let deep = "train.lr=" + String(repeating: "[", count: 50_000)
        #expect(throws: SpecError.self) {
            try Spec.read(path: nil, overrides: [deep], command: .train)
        }
        let long = "train.lr=" + String(repeating: "1", count: 100_000)
        #expect(throws: SpecError.self) {
            try Spec.read(path: nil, overrides: [long], command: .train)
        }
    }
}
