"""Compares the ONNX files that mal writes with mal itself, in onnxruntime and OpenVINO.

    python3 -m venv VENV && VENV/bin/pip install onnx onnxruntime openvino numpy Pillow safetensors
    swift build -c release --product mal --product bench
    VENV/bin/python tools/onnx/check.py fixtures
    VENV/bin/python tools/onnx/check.py architectures
    VENV/bin/python tools/onnx/check.py photographs --boxes Demo/boxes.json --images Demo/images --limit 200

`fixtures` takes the small networks of Tests/Fixtures, `architectures` all published sizes up to base with random weights,
`photographs` the models that ship. Each file goes through onnx.checker with
full shape inference; then the largest difference of a logit from mal's is printed for each runtime. Exits with 1 when one is over
the bound: 1e-4 for fp32, 3e-2 for fp16, where logits over 1 count relative to their amount.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
import openvino
from PIL import Image
from safetensors.numpy import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / ".build/release"
FIXTURES = ROOT / "Tests/Fixtures"
BOUNDS = {"fp32": 1e-4, "fp16": 3e-2}
CORE = openvino.Core()


def run(*command):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


def with_onnxruntime(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda image, area: session.run(["logits"], {"image": image, "area": area})[0]


def with_openvino(path):
    model = CORE.compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda image, area: model({"image": image, "area": area})["logits"]


RUNTIMES = {"onnxruntime": with_onnxruntime, "openvino": with_openvino}


def window(box, margin=0.6):
    """The crop of a box (x, y, width, height): half of `margin` is added to each side, in half sides."""
    x, y, width, height = box
    def extend(low, high):
        centre = (low + high) / 2
        return (int(np.floor(centre - (centre - low) * (1 + margin / 2))),
                int(np.ceil(centre + (high - centre) * (1 + margin / 2) + 1)))
    return (*extend(x, x + width), *extend(y, y + height))


def crops(boxes, images, side, limit):
    document = json.loads(pathlib.Path(boxes).read_text())
    names = {image["id"]: image["file_name"] for image in document["images"]}
    pixels, areas = [], []
    for annotation in document["annotations"][:limit]:
        picture = np.asarray(Image.open(pathlib.Path(images) / names[annotation["image_id"]]).convert("RGB"))
        left, right, top, bottom = window(annotation["bbox"])
        rows, columns = np.arange(top, bottom) % picture.shape[0], np.arange(left, right) % picture.shape[1]
        crop = Image.fromarray(picture[rows][:, columns]).resize((side, side), Image.BICUBIC)
        pixels.append(np.asarray(crop))
        areas.append(annotation["bbox"][2] * annotation["bbox"][3])
    return np.stack(pixels), np.asarray(areas, np.float32)


def compare(name, checkpoint, pixels, areas, work, options=(), plain=False, heads=None, precisions=("fp32", "fp16"), opset=17, kind="float32"):
    """One line for each precision and runtime; returns how many are over the bound."""
    save_file({"image": pixels, "area": areas}, work / "crops.safetensors")
    extra = (["--plain"] if plain else []) + (["--heads", heads] if heads else [])
    run(BUILD / "bench", "logits", "--checkpoint", checkpoint, "--crops", work / "crops.safetensors", "--out", work / "logits.safetensors", *extra)
    expected = load_file(work / "logits.safetensors")["logits"]
    failures = 0
    for precision in precisions:
        path = work / f"{name}-{precision}.onnx"
        run(BUILD / "mal", "export", path, "--checkpoint", checkpoint, "--crop-size", pixels.shape[1], "--precision", precision,
            "--opset", opset, "--image", kind, "--overwrite", *options,
            *([f"model.num_heads={heads}"] if heads else []), *(["model.not_adjust_scale=true"] if plain else []))
        onnx.checker.check_model(str(path), full_check=True)
        image = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).astype(kind)
        for runtime, make in RUNTIMES.items():
            model = make(path)
            found = np.concatenate([model(image[start:start + 8], areas[start:start + 8]) for start in range(0, len(areas), 8)])
            difference = np.abs(found - expected)
            relative = (difference / np.maximum(1, np.abs(expected))).max()
            near = np.abs(expected) < 2
            same = ((found > 0) == (expected > 0))[near].mean() if near.any() else 1
            good = found.shape == expected.shape and relative <= BOUNDS[precision]
            failures += not good
            print(f"{name:16} {precision} opset {opset} {kind:7} {runtime:12} {len(areas):4} crops: largest difference {difference.max():.2e}, "
                  f"relative {relative:.2e}, logits {expected.min():.1f} to {expected.max():.1f}, same side of 0 near it {same:.4%}"
                  f"{'' if good else '  TOO FAR'}", flush=True)
    return failures


def fixtures(work, arguments):
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (6, 64, 64, 3), np.uint8)
    areas = np.asarray([100, 5000, 50000, 900, 20000, 2000], np.float32)
    failures = 0
    for name, heads in [("micro_vit_init", 3), ("micro_vit_trained", 3), ("convstem_micro_weights", 3), ("micro_fan_init", None)]:
        for plain in [False, True]:
            failures += compare(name.replace("_init", "").replace("_weights", "") + ("-plain" if plain else ""),
                                FIXTURES / f"{name}.safetensors", pixels, areas, work, plain=plain, heads=heads)
    for opset in range(18, 23):
        failures += compare("micro_vit", FIXTURES / "micro_vit_init.safetensors", pixels, areas, work, heads=3,
                            precisions=["fp32"], opset=opset, kind="uint8")
        failures += compare("micro_fan", FIXTURES / "micro_fan_init.safetensors", pixels, areas, work, precisions=["fp32"], opset=opset)
    # One size of box only, so that the other sizes have no crop; and a batch of one.
    for rows in [[0, 3], [1, 5], [2, 4], [0]]:
        failures += compare(f"micro_vit{rows}", FIXTURES / "micro_vit_init.safetensors", pixels[rows], areas[rows], work, heads=3, precisions=["fp32"])
    return failures


def architectures(work, arguments):
    """Random weights in the published shapes, on random crops."""
    generator = np.random.default_rng(0)
    shapes = json.loads((FIXTURES / "state_dict_shapes.json").read_text())
    failures = 0
    for name, backbone in shapes.items():
        if name.startswith("heads") or "large16" in name or "huge" in name or "micro" in name:
            continue
        width = backbone["cls_token"][-1]
        tensors = {}
        for prefix, part in [("student.backbone.", backbone), ("student.", heads(width))]:
            for key, shape in part.items():
                tensors[prefix + key] = random_weight(generator, key, shape)
        save_file(tensors, work / f"{name}.safetensors")
        pixels = generator.integers(0, 256, (3, arguments.crop, arguments.crop, 3), np.uint8)
        failures += compare(name, work / f"{name}.safetensors", pixels, np.asarray([500, 5000, 50000], np.float32), work)
        (work / f"{name}.safetensors").unlink()
    return failures


def heads(width):
    shapes = {f"roi_head.mlp{n}.weight": [256, width if n == 1 else 256] for n in (1, 2)}
    shapes |= {f"mask_head.convs.{n}.conv.weight": [256, 256 if n else width, 3, 3] for n in range(4)}
    return shapes | {name.replace("weight", "bias"): [256] for name in shapes}


def random_weight(generator, key, shape):
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    noise = generator.standard_normal(shape).astype(np.float32)
    if key.endswith("running_var") or key.endswith("temperature") or "gamma" in key or len(shape) == 1 and key.endswith("weight"):
        return 1 + np.float32(0.1) * np.clip(noise, -3, 3)
    return noise * np.float32(0.05 if len(shape) < 2 else 1 / np.sqrt(np.prod(shape[1:])))


def photographs(work, arguments):
    failures = 0
    for name in arguments.checkpoint or ["default", "tiny"]:
        pixels, areas = crops(arguments.boxes, arguments.images, arguments.crop, arguments.limit)
        failures += compare(pathlib.Path(name).stem, name, pixels, areas, work, kind=arguments.kind, options=arguments.options)
    return failures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["fixtures", "architectures", "photographs"])
    parser.add_argument("--boxes", default=ROOT / "Demo/boxes.json")
    parser.add_argument("--images", default=ROOT / "Demo/images")
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--crop", type=int, default=224)
    parser.add_argument("--checkpoint", action="append")
    parser.add_argument("--kind", default="float32")
    parser.add_argument("options", nargs="*")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        failures = {"fixtures": fixtures, "architectures": architectures, "photographs": photographs}[arguments.what](work, arguments)
    print("all within the bounds" if failures == 0 else f"{failures} too far")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
