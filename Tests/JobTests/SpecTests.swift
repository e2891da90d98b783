import Foundation
import Specs
import Testing
import TestSupport
import Training

@Suite struct SpecTests {
    @Test("every default of TAO's configuration is ours")
    func defaultsEqualTAO() throws {
        let data = try Data(contentsOf: URL(fileURLWithPath: fixture("default_config.json")))
        let json = try #require(
            try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let keys = Dictionary(uniqueKeysWithValues: Spec.keys.map { ($0.name, $0) })
        var seen: Set<String> = []
        for (name, value) in leaves(of: json, below: "") {
            let key = try #require(keys[name], "\(name) is not a key")
            #expect(equal(key.defaultValue, value), "\(name): \(key.defaultValue) is not \(value)")
            seen.insert(name)
        }
        let ours = keys.values.filter(\.isOurs).map(\.name)
        #expect(Set(keys.keys).subtracting(seen) == Set(ours + ["strategy"]))
    }

    @Test("a spec read from nothing holds the defaults")
    func readsDefaults() throws {
        let overrides = ["inference.checkpoint=model.pth"]
        let (spec, warnings) = try Spec.read(path: nil, overrides: overrides, command: .inference)
        #expect(warnings.isEmpty)
        #expect(spec.inference.checkpoint == "model.pth")
        #expect(spec.train == Spec.standard.train)
        #expect(spec.evaluate.checkpoint == nil)
        #expect(spec.dataset.minObjectSize == 2048)
        #expect(spec.train.optimizerBetas == [0.9, 0.9])
        #expect(spec.wandb.tags == ["training", "tao-toolkit"])
    }

    @Test("results go to the command's folder, else to one inside the common folder")
    func resultsDirectories() throws {
        let overrides = ["results_dir=/r/", "evaluate.results_dir=/e", "inference.checkpoint=m"]
        let (spec, _) = try Spec.read(path: nil, overrides: overrides, command: .inference)
        #expect(spec.resultsDirectory(for: .train) == "/r/train")
        #expect(spec.resultsDirectory(for: .evaluate) == "/e")
        #expect(spec.labelPath == "/r/inference/instances_val2017_mal.json")
        let absolute = overrides + ["inference.label_dump_path=/x/masks.json"]
        let (other, _) = try Spec.read(path: nil, overrides: absolute, command: .inference)
        #expect(other.labelPath == "/x/masks.json")
    }

    @Test("the learning rate grows with devices and batch size")
    func learningRate() throws {
        let overrides = ["train.num_gpus=2", "train.batch_size=4", "train.lr=1e-6"]
        let (spec, _) = try Spec.read(path: nil, overrides: overrides, command: .train)
        #expect(abs(spec.train.scaledLearningRate - 8e-6) < 1e-18)
        #expect(abs(spec.train.scaledMinLearningRate - 1.6e-6) < 1e-18)
        #expect(spec.train.gpus.deviceIDs == [0, 1])
        #expect(spec.batchSize(for: .train) == 4)
        #expect(spec.batchSize(for: .inference) == 3)
    }

    @Test("auto precision is fp32 on the CPU; on a GPU bf16, unless use_amp is set")
    func precision() throws {
        #expect(Spec.standard.arithmetic(for: .evaluate, onGPU: false) == .fp32)
        #expect(Spec.standard.arithmetic(for: .evaluate, onGPU: true) == .bf16)
        #expect(
            Spec.standard.arithmetic(for: .train, onGPU: true, prefersBFloat16: false) == .fp16)
        let asTAO = try Spec.read(
            text: "train:\n  use_amp: true\n", name: "tao.yaml", command: .train)
        #expect(asTAO.spec.arithmetic(for: .inference, onGPU: true) == .fp16)
        #expect(asTAO.spec.arithmetic(for: .inference, onGPU: false) == .fp32)
        let overrides = ["train.use_amp=false", "evaluate.precision=bf16"]
        let (spec, _) = try Spec.read(path: nil, overrides: overrides, command: .train)
        #expect(spec.arithmetic(for: .train, onGPU: true) == .fp32)
        #expect(spec.arithmetic(for: .evaluate, onGPU: false) == .bf16)
    }

    @Test("options go over overrides and are taken as they are")
    func settings() throws {
        let settings = [
            SpecSetting("IMAGES", "inference.img_dir", .text("a, ${b}='c'")),
            SpecSetting("--batch-size", "inference.batch_size", .integer(8)),
        ]
        let (spec, _) = try Spec.read(
            path: nil, overrides: ["inference.batch_size=2", "inference.checkpoint=m"],
            settings: settings, command: .inference)
        #expect(spec.inference.imageDir == "a, ${b}='c'")
        #expect(spec.inference.batchSize == 8)
        #expect(throws: problem("--batch-size", "must be 1 or more, is 0")) {
            try Spec.read(
                path: nil, overrides: ["inference.checkpoint=m"],
                settings: [SpecSetting("--batch-size", "inference.batch_size", .integer(0))],
                command: .inference)
        }
    }

    @Test("devices are auto, cpu or cuda with a number")
    func devices() {
        #expect(DeviceChoice("cuda:3") == .cuda(3))
        #expect(DeviceChoice("cuda") == .cuda(0))
        for wrong in ["gpu", "cuda:", "cuda:-1", "cuda:99999999999999999999", "CPU"] {
            #expect(DeviceChoice(wrong) == nil)
        }
    }

    @Test("one mask threshold stands for all sizes")
    func thresholds() throws {
        #expect(Spec.standard.train.maskThresholdBySize == (0.1, 0.1, 0.1))
        let (spec, _) = try Spec.read(
            path: nil, overrides: ["train.mask_thres=[0.1,0.2,0.3]"], command: .train)
        #expect(spec.train.maskThresholdBySize == (0.1, 0.2, 0.3))
    }

    private func leaves(of json: [String: Any], below section: String) -> [(String, Any)] {
        json.flatMap { key, value in
            let name = section.isEmpty ? key : "\(section).\(key)"
            if let inner = value as? [String: Any] { return leaves(of: inner, below: name) }
            return [(name, value)]
        }
    }

    private func equal(_ value: SpecKey.Default, _ json: Any) -> Bool {
        switch value {
        case .null: json is NSNull
        case .mandatory: json as? String == "???"
        case .flag(let flag): json as? Bool == flag
        case .integer(let number): json as? Int == number
        case .number(let number): json as? Double == number
        case .text(let text): json as? String == text
        case .integers(let numbers): json as? [Int] == numbers
        case .numbers(let numbers): json as? [Double] == numbers
        case .texts(let texts): json as? [String] == texts
        }
    }
}

/// An error with one problem, of the command line when its place looks like that.
func problem(_ place: String, _ message: String) -> SpecError {
    let isOfCommandLine = place.hasPrefix("override ") || place.hasPrefix("--")
    return SpecError([.init(place: place, message: message, isOfCommandLine: isOfCommandLine)])
}
