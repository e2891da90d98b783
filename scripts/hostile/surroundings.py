"""What is around the program: streams that are full or closed, little address space, names of one letter; weights, ids and sizes that end in no number."""

import copy
import json
import os
import resource
import struct

import training
from annotations import BASE, LABEL
from sandbox import Case

RLE = {"size": [48, 64], "counts": [100, 20, 2952]}
WIDEST = {"size": [1, 4294967295], "counts": [0, 4294967295]}


def full(*streams):
    def prepare():
        device = os.open("/dev/full", os.O_WRONLY)
        for stream in streams:
            os.dup2(device, stream)
        os.close(device)
    return prepare


def closed(*streams):
    return lambda: [os.close(stream) for stream in streams]


def space(megabytes):
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))


def in_out():
    os.chdir("out")


def with_boxes(*arguments, content=None):
    def build(sandbox):
        sandbox.write("boxes.json", content or BASE)
        return list(arguments)
    return build


def masks(**values):
    file = copy.deepcopy(BASE)
    file["annotations"][0].update({"segmentation": RLE, "score": 0.5, **values})
    return file


def sized(width, height, segmentation):
    file = masks(segmentation=segmentation, bbox=[0, 0, width, height])
    file["images"][0].update(width=width, height=height)
    return file


def sizeless():
    file = masks()
    del file["images"][0]["width"], file["images"][0]["height"]
    return file


def changed_model(path, metadata=None, name="patch_embed", value=None):
    """A copy of a safetensors file with other metadata, or with one value of the first tensor whose name holds `name`."""
    with open(path, "rb") as file:
        content = bytearray(file.read())
    size, = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + size])
    if value is not None:
        entry = next(entry for key, entry in header.items() if name in key and entry["dtype"] in ("F32", "F16"))
        start, form = 8 + size + entry["data_offsets"][0], {"F32": "<f", "F16": "<e"}[entry["dtype"]]
        content[start:start + struct.calcsize(form)] = struct.pack(form, value)
    if metadata:
        header["__metadata__"] = {**header.get("__metadata__", {}), **metadata}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(content[8 + size:])


def cases(settings):
    label = [*LABEL, "--checkpoint", settings["checkpoint"], "--crop-size", settings["crop"]]
    convert = ["convert", "boxes.json", "out/x.json", "--to", "coco"]
    report = ["report", "boxes.json", "--images", "images", "--out", "out/pages"]
    for word, streams in [("full", full), ("closed", closed)]:
        yield Case(f"standard error {word}: convert", "done", with_boxes(*convert), streams(2))
        yield Case(f"standard error {word}: label", "done", with_boxes(*label), streams(2))
        yield Case(f"standard error {word}: train", "done", lambda s: training.train(s)[:-1], streams(2))
        yield Case(f"standard error {word}: report", "done", with_boxes(*report, content=masks()), streams(2))
        yield Case(f"standard output {word}: convert", "error", with_boxes(*convert), streams(1))
        yield Case(f"standard output {word}: label", "error", with_boxes(*label), streams(1))
        yield Case(f"standard output {word}: train", "error", training.train, streams(1))
        yield Case(f"standard output {word}: validate", "error", with_boxes("validate", "boxes.json"), streams(1))
        yield Case(f"standard output {word}: help", "error", with_boxes("--help"), streams(1))
        yield Case(f"standard output {word}: spec", "error", with_boxes("spec", "train"), streams(1))
    for megabytes in [200, 400, 480, 500, 520, 540, 560, 580, 600, 640, 680, 720, 800, 1000, 1500]:
        yield Case(f"address space of {megabytes} MB: label", "any", with_boxes(*label), space(megabytes))
        yield Case(f"address space of {megabytes} MB: train", "any", training.train, space(megabytes))
        yield Case(f"address space of {megabytes} MB: convert", "any", with_boxes(*convert), space(megabytes))
    for name in ["o", "é", "o/", "./o"]:
        def overlays(sandbox, name=name):
            sandbox.write("boxes.json", BASE)
            return [
                "label", "../images", "--boxes", "../boxes.json", "--out", "m", "--overlays", name, "--quiet",
                *label[label.index("--checkpoint"):]]

        def train(sandbox, name=name):
            training.train(sandbox, spec=training.SPEC.replace("boxes.json", "../boxes.json").replace("images", "../images"))
            return ["train", "-e", "../spec.yaml", "--threads", "1", "--quiet", "-r", name]
        yield Case(f"a folder called {name}: label", "done", overlays, in_out)
        yield Case(f"a folder called {name}: train", "done", train, in_out)
    yield Case("a file called m: checkpoint convert", "done", lambda s: ["checkpoint", "convert", settings["checkpoint"], "m.safetensors"], in_out)
    for name, values in [
        ("a weight that is NaN", {"value": float("nan")}), ("a weight that is infinite", {"value": float("-inf")}),
        ("a crop size of 2^63 - 1", {"metadata": {"crop_size": str(2 ** 63 - 1)}}),
    ]:
        def weights(sandbox, values=values):
            sandbox.write("boxes.json", BASE)
            sandbox.write("m.safetensors", changed_model(settings["checkpoint"], **values))
            return [*LABEL, "--checkpoint", "m.safetensors"]
        yield Case("model file: " + name, "error", weights)
    yield Case("model file: a weight of 60000", "any", lambda s: (
        s.write("boxes.json", BASE), s.write("m.safetensors", changed_model(settings["checkpoint"], value=60000.0)),
        [*LABEL, "--checkpoint", "m.safetensors"])[2])
    yield Case("report: an id of -2^63", "done", with_boxes(*report, content=masks(id=-2 ** 63)))
    yield Case("report: an image without a size", "done", with_boxes(*report, content=sizeless()))
    yield Case("report: an image of 1 × 4294967295", "any", with_boxes(*report, content=sized(4294967295, 1, WIDEST)))
    yield Case("evaluate: an image of 1 × 4294967295", "any", with_boxes(
        "evaluate", "--predictions", "boxes.json", "--truth", "boxes.json", content=sized(4294967295, 1, WIDEST)))
    for track in [1e18, 9e18, -9e18, 1e308]:
        for form in ["mots-png", "mots-txt", "ytvis"]:
            yield Case(f"{form}: a track of {track:g}", "any", with_boxes(
                "convert", "boxes.json", "out/x", "--to", form, content=masks(track_id=track)))
    for form in ["coco-polygons", "lvis", "ytvis", "csv", "yolo-seg", "labelme", "voc-png", "mots-png", "mots-txt", "png", "semantic"]:
        yield Case(f"{form}: an image of 1 × 4294967295", "any", with_boxes(
            "convert", "boxes.json", "out/x", "--to", form, content=sized(4294967295, 1, WIDEST)))
