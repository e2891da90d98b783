"""Annotation files: broken JSON, wrong types, impossible boxes, bad masks, hostile file names."""

import copy
import os

from png import png
from sandbox import Case

BASE = {
    "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [8, 8, 32, 24], "area": 768, "iscrowd": 0}],
    "categories": [{"id": 1, "name": "thing"}],
}
TEXT = (
    '{"images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}], "annotations": [%s], '
    '"categories": [{"id": 1, "name": "thing"}]}')


def annotation(**values):
    file = copy.deepcopy(BASE)
    file["annotations"][0].update(values)
    return file


def image(**values):
    file = copy.deepcopy(BASE)
    file["images"][0].update(values)
    return file


def without(section, key=None):
    file = copy.deepcopy(BASE)
    if key is None:
        del file[section]
    else:
        del file[section][0][key]
    return file


def whole(**values):
    return {**copy.deepcopy(BASE), **values}


def raw_box(text):
    return TEXT % ('{"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": %s}' % text)


def twice(section):
    file = copy.deepcopy(BASE)
    file[section].append(copy.deepcopy(file[section][0]))
    return file


GOOD = TEXT % '{"id": 1, "image_id": 1, "category_id": 1, "bbox": [8, 8, 32, 24], "area": 768, "iscrowd": 0}'

JSON = [  # name, expected, content (or a function that gives it)
    ("empty file", "error", ""),
    ("cut in the middle", "error", GOOD[: len(GOOD) // 2]),
    ("one byte short", "error", GOOD[:-1]),
    ("random bytes", "error", bytes((i * 167 + 13) % 256 for i in range(4096))),
    ("a list at the top", "error", [BASE]),
    ("a number at the top", "error", "7"),
    ("something after the end", "error", GOOD + "}"),
    ("comma too many", "error", GOOD.replace('"iscrowd": 0}', '"iscrowd": 0,}')),
    ("UTF-16", "error", GOOD.encode("utf-16")),
    ("invalid UTF-8 in a name", "error", GOOD.encode().replace(b"thing", b"th\xff\xfeg")),
    ("lone surrogate in a file name", "any", GOOD.replace("a.png", "a\\ud800.png")),
    ("100,000 lists deep", "error", "[" * 100_000),
    ("100,000 objects deep in an unknown key", "any", GOOD[:-1] + ', "x": ' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "}"),
    ("64 MB of spaces", "error", lambda: b" " * (64 << 20)),
    ("name of 32 MB", "any", lambda: image(file_name="a" * (32 << 20))),
    ("200,000 impossible boxes", "error", lambda: TEXT % ",".join(
        '{"id": %d, "image_id": 1, "category_id": 1, "bbox": [0, 0, -1, -1]}' % i for i in range(200_000))),
    ("no images", "error", without("images")),
    ("no annotations", "error", without("annotations")),
    ("images is an object", "error", whole(images={"1": BASE["images"][0]})),
    ("annotations is null", "error", whole(annotations=None)),
    ("annotation is a number", "error", whole(annotations=[5])),
    ("annotation is a list", "error", whole(annotations=[[1, 2]])),
    ("categories is text", "error", whole(categories="thing")),
    ("no box", "error", without("annotations", "bbox")),
    ("no image_id", "error", without("annotations", "image_id")),
    ("no file_name", "error", without("images", "file_name")),
    ("file_name is a number", "error", image(file_name=5)),
    ("id is a list", "error", annotation(id=[1])),
    ("id of 40 digits", "any", annotation(id=10**40)),
    ("image_id is 1.5", "error", annotation(image_id=1.5)),
    ("image_id is an object", "error", annotation(image_id={})),
    ("unknown image_id", "error", annotation(image_id=99)),
    ("unknown category_id", "any", annotation(category_id=99)),
    ("two annotations with one id", "any", twice("annotations")),
    ("two images with one id", "any", twice("images")),
    ("key bbox twice", "any", GOOD.replace('"area"', '"bbox": [1, 2, 3], "area"')),
    ("box of three numbers", "error", annotation(bbox=[1, 2, 3])),
    ("box of five numbers", "error", annotation(bbox=[1, 2, 3, 4, 5])),
    ("box is text", "error", annotation(bbox="8,8,32,24")),
    ("box holds text", "error", annotation(bbox=[8, 8, "32", 24])),
    ("box holds null", "error", annotation(bbox=[8, 8, None, 24])),
    ("box holds lists", "error", annotation(bbox=[[8], [8], [32], [24]])),
    ("box with NaN", "error", raw_box("[NaN, 8, 32, 24]")),
    ("box with Infinity", "error", raw_box("[8, 8, Infinity, 24]")),
    ("box with 1e999", "error", raw_box("[8, 8, 1e999, 24]")),
    ("box with 1e300", "any", raw_box("[-1e300, -1e300, 1e300, 1e300]")),
    ("box of 1e18 pixels", "any", raw_box("[0, 0, 1000000000000000000, 1000000000000000000]")),
    ("box of 2^63 pixels", "any", raw_box("[0, 0, 9223372036854775808, 24]")),
    ("box of width 0", "error", annotation(bbox=[8, 8, 0, 24])),
    ("box of negative width", "error", annotation(bbox=[40, 8, -32, 24])),
    ("box of width 1e-300", "any", raw_box("[8, 8, 1e-300, 24]")),
    ("box beside the image", "error", annotation(bbox=[500, 500, 32, 24])),
    ("box far beside the image", "error", annotation(bbox=[-1e15, 8, 32, 24])),
    ("image width is text", "error", image(width="64")),
    ("image width is negative", "error", image(width=-64)),
    ("image width is 2^62", "error", image(width=2**62, height=2**62)),
    ("image width is 2^64", "error", image(width=2**64)),
    ("image of another size than told", "any", image(width=640, height=480)),
]

SIZE = [48, 64]
MASKS = [
    ("run of -1", {"size": SIZE, "counts": [-1, 3073]}),
    ("runs longer than the image", {"size": SIZE, "counts": [0, 4000]}),
    ("runs shorter than the image", {"size": SIZE, "counts": [0, 30]}),
    ("run of 2^63", {"size": SIZE, "counts": [0, 2**63]}),
    ("runs that overflow when summed", {"size": SIZE, "counts": [2**63 - 1, 2**63 - 1, 3074]}),
    ("run of 1.5", {"size": SIZE, "counts": [0.5, 1.5, 3070]}),
    ("run is text", {"size": SIZE, "counts": [0, "3072"]}),
    ("counts is a number", {"size": SIZE, "counts": 3072}),
    ("no counts", {"size": SIZE}),
    ("no size", {"counts": [0, 3072]}),
    ("size of another image", {"size": [480, 640], "counts": [0, 307200]}),
    ("size is negative", {"size": [-48, -64], "counts": [0, 3072]}),
    ("size is 2^32 by 2^32", {"size": [2**32, 2**32], "counts": [0, 3072]}),
    ("size of three numbers", {"size": [48, 64, 1], "counts": [0, 3072]}),
    ("string cut in a number", {"size": SIZE, "counts": "ooo"}),
    ("string of wrong letters", {"size": SIZE, "counts": "\u00e9 ~~~"}),
    ("string with one long number", {"size": SIZE, "counts": "o" * 10_000 + "0"}),
    ("string of zero runs", {"size": SIZE, "counts": "0" * 1_000_000}),
    ("empty string", {"size": SIZE, "counts": ""}),
    ("segmentation is text", "mask"),
    ("segmentation is a number", 5),
    ("polygon of five numbers", [[1, 1, 20, 1, 20]]),
    ("polygon holds text", [[1, 1, 20, 1, "20", 20]]),
    ("polygon holds polygons", [[[1, 1, 20, 1, 20, 20]]]),
]
WILD = [  # legal in COCO, or nearly: only a crash is a fault
    ("polygon out to 1e18", [[0, 0, 1e18, 0, 1e18, 1e18]]),
    ("polygon out to 1e300", [[0, 0, 1e300, 0, -1e300, 1e300]]),
    ("polygon of 1e9-pixel edges, 500 times", [[0, 0, 1e9, 0, 0, 1e9] for _ in range(500)]),
    ("polygon of 100,000 points", [[(i * 7919) % 64 for i in range(200_000)]]),
    ("100,000 polygons", [[1, 1, 9, 1, 9, 9] for _ in range(100_000)]),
    ("polygon of two points", [[1, 1, 20, 20]]),
    ("empty list of polygons", []),
    ("null", None),
]

NAMES = [  # name, file name, expected
    ("out of the folder, missing", "../../../../../../../../etc/nothing-here.png", "error"),
    ("absolute, missing", "/nothing-here/nowhere.png", "error"),
    ("not an image, /etc/passwd", "/etc/passwd", "error"),
    ("empty", "", "error"),
    ("one dot", ".", "error"),
    ("a zero byte", "a.png\0.jpg", "error"),
    ("terminal control sequence", "\x1b[2J\x1b[1;31mmissing.png", "error"),
    ("line breaks", "missing\n\r\n.png", "error"),
    ("5,000 letters", "m" * 5000 + ".png", "error"),
    ("format letters", "%s%n%d%@.png", "error"),
    ("a device", "/dev/zero", "error"),
]
LABEL = ["label", "images", "--boxes", "boxes.json", "--out", "out/masks.json", "--fresh"]


def write(sandbox, content):
    sandbox.write("boxes.json", content() if callable(content) else content)


def cases(settings):
    label = LABEL + ["--checkpoint", settings["checkpoint"], "--crop-size", settings["crop"], "--strict"]

    def case(name, expect, content, arguments):
        def build(sandbox):
            write(sandbox, content)
            return arguments
        return Case(name, expect, build)

    yield case("control: validate", "done", BASE, ["validate", "boxes.json", "--images", "images"])
    yield case("control: label", "done", BASE, label + ["--overlays", "out/overlays"])
    for name, expect, content in JSON:
        yield case("JSON, validate: " + name, expect, content, ["validate", "boxes.json", "--images", "images"])
        yield case("JSON, label: " + name, expect, content, label)

    evaluate = ["evaluate", "-e", "spec.yaml"]

    def evaluated(name, expect, segmentation):
        def build(sandbox):
            sandbox.write("boxes.json", annotation(segmentation=segmentation))
            sandbox.write("spec.yaml", evaluate_spec(settings))
            return evaluate
        return Case(name, expect, build)

    yield evaluated("control: evaluate", "done", {"size": SIZE, "counts": [400, 800, 1872]})
    for name, segmentation in MASKS:
        yield evaluated("mask, evaluate: " + name, "error", segmentation)
    for name, segmentation in WILD:
        yield evaluated("mask, evaluate: " + name, "any", segmentation)

    for name, file_name, expect in NAMES:
        yield case("file name: " + name, expect, image(file_name=file_name), label + ["--overlays", "out/overlays"])
    yield Case("file name: climbs to a real image, with overlays", "any", climbing(label, "../../a.png"))
    yield Case("file name: climbs from a sub-folder, with overlays", "any", climbing(label, "sub/../../../a.png"))
    yield Case("file name: an absolute real image, with overlays", "any", climbing(label, None))
    yield Case("file name: a pipe that nobody writes", "error", pipe(label, "images/pipe.png", image(file_name="pipe.png")))
    yield Case("file name: a folder", "error", folder_as_image(label))
    yield Case("file name: a link to itself", "error", link_loop(label))
    yield Case("boxes: a pipe that nobody writes", "error", pipe(label, "boxes.json", None))
    for name, path in [("a folder", "images"), ("missing", "nothing.json"), ("/dev/zero", "/dev/zero")]:
        yield case("boxes: " + name, "error", BASE, [path if a == "boxes.json" else a for a in label])
    for name, path in [("a folder", "images"), ("under a file", "images/a.png/masks.json"), ("in /proc", "/proc/masks.json")]:
        yield case("output: " + name, "error", BASE, [path if a == "out/masks.json" else a for a in label])
    for name, extra in [
        ("overlays onto a file", ["--overlays", "images/a.png"]), ("batch size 0", ["--batch-size", "0"]),
        ("batch size of 20 digits", ["--batch-size", "9" * 20]), ("crop size 0", ["--crop-size", "0"]),
        ("crop size of 10^9", ["--crop-size", "1000000006"]), ("crop size of 2^62", ["--crop-size", str(2**62)]),
        ("device cuda:99", ["--device", "cuda:99"]), ("device text", ["--device", "gpu;ls"]),
        ("precision int3", ["--precision", "int3"]), ("max-pixels -1", ["--max-pixels", "-1"]), ("max-pixels 10", ["--max-pixels", "10"]),
        ("unknown option", ["--frobnicate"]), ("unknown key", ["model.archh=vit"]), ("depth of 10^18", ["model.depth=" + "9" * 18]),
        ("width of 10^9", ["model.embed_dim=1000000000"]),
    ]:
        base = label[:-3] + ["--strict"] if extra[0] == "--crop-size" else label
        yield case("option: " + name, "error", BASE, base + extra)
    yield Case("batch size of a million", "any", lambda s: (s.write("boxes.json", BASE), label + ["--batch-size", "1000000"])[1])


def evaluate_spec(settings, **values):
    lines = {
        "results_dir": "out", "boxes": "boxes.json", "images": "images", "crop": settings["crop"], "arch": settings["arch"],
        "checkpoint": settings["checkpoint"], **values,
    }
    return (
        "results_dir: {results_dir}\ndataset:\n  val_ann_path: {boxes}\n  val_img_dir: {images}\n  crop_size: {crop}\n"
        "  load_mask: true\nmodel:\n  arch: {arch}\nevaluate:\n  batch_size: 1\n  checkpoint: {checkpoint}\n").format(**lines)


def climbing(label, file_name):
    def build(sandbox):
        (sandbox.root / "a.png").write_bytes(png(64, 48))
        (sandbox.work / "images" / "sub").mkdir()
        sandbox.write("boxes.json", image(file_name=file_name or str(sandbox.root / "a.png")))
        return label + ["--overlays", "out/overlays"]
    return build


def pipe(label, path, content):
    def build(sandbox):
        os.mkfifo(sandbox.work / path)
        if content:
            sandbox.write("boxes.json", content)
        return label
    return build


def folder_as_image(label):
    def build(sandbox):
        (sandbox.work / "images" / "f.png").mkdir()
        sandbox.write("boxes.json", image(file_name="f.png"))
        return label
    return build


def link_loop(label):
    def build(sandbox):
        (sandbox.work / "images" / "loop.png").symlink_to("loop.png")
        sandbox.write("boxes.json", image(file_name="loop.png"))
        return label
    return build
