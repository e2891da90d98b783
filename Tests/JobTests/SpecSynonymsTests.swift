import Specs
import Testing
import Training

@Suite struct SpecSynonymsTests {
    @Test("every synonym stands for keys that there are, and is none itself")
    func table() {
        let keys = Set(Spec.keys.map(\.name))
        for (words, targets) in SpecSynonyms.table {
            #expect(!words.isEmpty && !targets.isEmpty)
            for target in targets { #expect(keys.contains(target), "\(target)") }
        }
        let words = SpecSynonyms.table.flatMap(\.words)
        #expect(Set(words).count == words.count)
        #expect(words.allSatisfy { $0 == $0.lowercased() })
    }

    @Test(
        "an unknown key is understood by its meaning",
        arguments: [
            ("train.learning_rate", Spec.Command.train, "train.lr"),
            ("learning_rate", .train, "train.lr"),
            ("train.epochs", .train, "train.num_epochs"),
            ("batch", .train, "train.batch_size"),
            ("batch", .inference, "inference.batch_size"),
            ("evaluate.batch", .inference, "evaluate.batch_size"),
            ("dataset.imgsz", .train, "dataset.crop_size"),
            ("train.device", .train, "device"),
            ("dataset.workers", .train, "dataset.num_workers_per_gpu"),
            ("weights", .train, "train.pretrained_model_path"),
            ("weights", .evaluate, "evaluate.checkpoint"),
            ("inference.weights", .train, "inference.checkpoint"),
            ("output", .inference, "results_dir"),
            ("train.Output-Dir", .train, "results_dir"),
            ("annotations", .evaluate, "dataset.val_ann_path"),
            ("train.weight_decay", .train, "train.wd"),
        ])
    func suggestions(_ key: String, _ command: Spec.Command, _ meant: String) {
        let error = #expect(throws: SpecError.self) {
            try Spec.read(path: nil, overrides: ["\(key)=1"], command: command)
        }
        #expect(
            error?.problems.map(\.message).contains("unknown key \(key): did you mean \(meant)?")
                == true, "\(error?.description ?? "")")
    }
}
