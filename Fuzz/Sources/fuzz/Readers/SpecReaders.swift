import Specs

extension Reader {
    /// YAML spec files.
    static func spec(_ places: Places) throws -> Reader {
        var corpus = try places.corpus("Tests/Fixtures/specs", suffix: ".yaml")
        corpus += try places.corpus("specs", suffix: ".yaml", limit: 1 << 15)
        corpus += yaml.map { Array($0.utf8) }
        let mutate = Mutator(corpus, words: words, isText: true)
        return Reader(name: "spec", generate: { mutate(&$0) }) { input, index in
            let commands = Spec.Command.allCases
            let (spec, warnings) = try Spec.read(
                path: places.write(input), command: commands[index % commands.count],
                environment: ["HOME": "/root"])
            _ = spec.resultsDirectory(for: .inference)
            require(warnings.count <= 1000, "\(warnings.count) warnings")
        }
    }

    /// `key=value` arguments, a line each.
    static func override(_ places: Places) throws -> Reader {
        let mutate = Mutator(overrides.map { Array($0.utf8) }, words: words, isText: true)
        return Reader(name: "override", generate: { mutate(&$0) }) { input, index in
            let commands = Spec.Command.allCases
            let lines = String(decoding: input, as: UTF8.self).split(separator: "\n").map(
                String.init)
            _ = try Spec.read(
                path: nil, overrides: lines, command: commands[index % commands.count],
                environment: ["HOME": "/root"])
        }
    }

    private static let yaml = [
        "train: &t\n  lr: 1e-4\n  batch_size: 4\nmodel:\n  arch: 'vit-mae-base/16'\n",
        "mal:\n  dataset: {crop_size: 512, load_mask: yes}\n  results_dir: ${oc.env:HOME}/out\n",
        "gpu_ids: [0, 1]\nevaluate:\n  checkpoint: ${results_dir}/a.pth\nresults_dir: \"/x\\ty\"\n",
        "model:\n  frozen_stages:\n  - -1\n  arch: >-\n    vit-deit-tiny/16\n# note\ntrain:\n  lr: .5\n",
        "a: &a [1, 2]\nb: &b [*a, *a]\nc: *b\n? key\n: value\n--- \nx: !!int '3'\n...\n",
        "inference:\n  ann_path: ???\n  img_dir: ~\n  label_dump_path: |\n    one\n    two\n",
    ]

    private static let overrides = [
        "train.lr=1e-4\nmodel.frozen_stages=[0,1]\n++results_dir='a b'\n+gpu_ids=[0]",
        "dataset={crop_size: 512, load_mask: true}\ninference.checkpoint=/a/b.pth",
        "results_dir=${oc.env:HOME,x}/y\ninference.checkpoint=${results_dir}/m.pth",
        "model.arch=vit-mae-base/16\ntrain.optim_betas=[0.9, 0.9]\ntrain.mask_thres=[0.1]",
        "~train.lr\ntrain.seed=0x10\na.b.c=\"\\\"x\\\"\"\nevaluate.use_flip_test=True",
    ]

    private static let words = [
        "\n", "\n  ", "\t", ": ", "- ", "? ", "# ", "&a ", "*a", "<<: *a\n", "!!int ", "!!binary ",
        "!x ", "|\n", ">-\n", "'", "\"", "\\", "{", "}", "[", "]", ",", "${", "${oc.env:HOME}",
        "${results_dir}", "${train.lr}", "???", "null", "~", "true", "no", ".inf", "-.nan", "---\n",
        "...\n", "%YAML 1.1\n", "\u{FEFF}", "\u{0}", "\u{85}", "\u{2028}", "é", "=", "+", "++",
        "train:", "model:", "dataset:", "mal:", "lr", "train.lr=", "results_dir=", "gpu_ids: ",
        "[[[[[[[[", "{{{{{{{{", "a: b: c", "0o17", "1:30", "0b11", "12e03", "_1",
    ]
}
