"""Wrong specs and wrong usage."""

import os

from annotations import BASE, evaluate_spec
from sandbox import Case

# Appended to a good spec, or in place of it where it starts with "=".
SPECS = [
    ("empty", "="),
    ("random bytes", "=\x01\x02\x7f\x1b[2J\x03"),
    ("a list", "=- 1\n- 2\n"),
    ("text", "=just text\n"),
    ("tab as indent", "=dataset:\n\tcrop_size: 224\n"),
    ("bracket not closed", "=dataset: {crop_size: 224\n"),
    ("two documents", "=results_dir: out\n---\nresults_dir: out\n"),
    ("unknown key", "frobnicate: 1\n"),
    ("key twice", "results_dir: other\n"),
    ("section is a number", "train: 5\n"),
    ("section is a list", "train: [1, 2]\n"),
    ("text for a number", "train: {mask_thres: many}\n"),
    ("list for a number", "train: {seed: [1]}\n"),
    ("number of 30 digits", "train: {seed: 999999999999999999999999999999}\n"),
    ("number out of range", "train: {test_margin_rate: [-5.0, -5.0]}\n"),
    ("NaN", "train: {mask_thres: [.nan]}\n"),
    ("infinity", "train: {test_margin_rate: [.inf, .inf]}\n"),
    ("Python object", "wandb: !!python/object/apply:os.system ['touch ../PWNED']\n"),
    ("alias to itself", "=results_dir: &a [*a]\n"),
    ("alias unknown", "train: *nothing\n"),
    ("billion laughs", "=a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        "%s: &%s [%s]\n" % (y, y, ",".join(["*" + x] * 10)) for x, y in zip("abcdefghij", "bcdefghijk")) + "results_dir: *k\n"),
    ("20,000 lists deep", "=results_dir: " + "[" * 20_000 + "]" * 20_000 + "\n"),
    ("20,000 mappings deep", "=" + "{a: " * 20_000 + "1" + "}" * 20_000 + "\n"),
    ("key of 4 MB", "k" * (4 << 20) + ": 1\n"),
    ("100,000 unknown keys", "".join(f"x{i}: 1\n" for i in range(100_000))),
    ("interpolation", "encryption_key: ${oc.env:HOME}\nfoo: ${foo}\n"),
    ("invalid UTF-8", "model_name: \udcff\n"),
]
OVERRIDES = [
    ("unknown key", "model.archh=vit-mae-base/16"),
    ("unknown section", "modell.arch=vit-mae-base/16"),
    ("no such arch", "model.arch=vit-mae-enormous/16"),
    ("FAN arch", "model.arch=fan_small_12_p4_hybridx"),
    ("no value", "dataset.crop_size="),
    ("only an equals sign", "="),
    ("only dots", "...=1"),
    ("text for a number", "dataset.crop_size=large"),
    ("crop size of 10^9", "dataset.crop_size=1000000006"),
    ("crop size not of whole patches", "dataset.crop_size=225"),
    ("batch size -1", "evaluate.batch_size=-1"),
    ("batch size of 30 digits", "evaluate.batch_size=" + "9" * 30),
    ("checkpoint left open", "evaluate.checkpoint=???"),
    ("checkpoint missing", "evaluate.checkpoint=nothing.pth"),
    ("dataset type", "dataset.type=voc"),
    ("brackets not closed", "train.mask_thres=[0.1"),
    ("5 thresholds", "train.mask_thres=[0.1,0.2,0.3,0.4,0.5]"),
    ("10,000 brackets", "train.mask_thres=" + "[" * 10_000),
    ("depth 0", "model.depth=0"),
    ("depth of 10^9", "model.depth=1000000000"),
    ("width of 10^9", "model.embed_dim=1000000000"),
    ("heads that do not divide the width", "model.num_heads=7"),
    ("mask head of 10^6 convolutions", "model.mask_head_num_convs=1000000"),
    ("mask head 10^9 wide", "model.mask_head_hidden_channel=1000000000"),
    ("results under a file", "results_dir=images/a.png/results"),
]
USAGE = [
    ("unknown command", ["frobnicate"]), ("label without anything", ["label"]), ("label without boxes", ["label", "images"]),
    ("inference without a spec", ["inference"]), ("evaluate, spec without a name", ["evaluate", "-e"]),
    ("checkpoint, unknown", ["checkpoint", "run"]), ("checkpoint convert, one file", ["checkpoint", "convert", "in.pth"]),
    ("spec of what", ["spec", "frobnicate"]), ("validate without a file", ["validate"]),
]


def cases(settings):
    good = {"size": [48, 64], "counts": [400, 800, 1872]}
    boxes = {**BASE, "annotations": [{**BASE["annotations"][0], "segmentation": good}]}

    def evaluate(sandbox, text):
        sandbox.write("boxes.json", boxes)
        sandbox.write("spec.yaml", text.encode("utf-8", "surrogateescape"))
        return ["evaluate", "-e", "spec.yaml"]

    for name, text in SPECS:
        full = text[1:] if text.startswith("=") else evaluate_spec(settings) + text
        yield Case("spec: " + name, "error", lambda sandbox, full=full: evaluate(sandbox, full))
    for name, override in OVERRIDES:
        yield Case(
            "override: " + name, "error", lambda sandbox, o=override: evaluate(sandbox, evaluate_spec(settings)) + [o])
    for name, path in [("missing", "nothing.yaml"), ("a folder", "images"), ("/dev/zero", "/dev/zero"), ("an image", "images/a.png")]:
        yield Case("spec file: " + name, "error", lambda sandbox, path=path: ["inference", "-e", path])

    def pipe(sandbox):
        os.mkfifo(sandbox.work / "spec.yaml")
        return ["inference", "-e", "spec.yaml"]

    yield Case("spec file: a pipe that nobody writes", "error", pipe)

    def outside(sandbox):
        sandbox.write("boxes.json", boxes)
        sandbox.write("spec.yaml", (
            "results_dir: out\ndataset: {crop_size: %s}\nmodel: {arch: %s}\ninference:\n  checkpoint: %s\n  ann_path: boxes.json\n"
            "  img_dir: images\n  batch_size: 1\n  label_dump_path: ''\n") % (settings["crop"], settings["arch"], settings["checkpoint"]))
        return ["inference", "-e", "spec.yaml"]

    yield Case("spec: inference into no file name", "error", outside)
    for name, arguments in USAGE:
        yield Case("usage: " + name, "usage", lambda sandbox, arguments=arguments: arguments)
