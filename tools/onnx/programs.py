"""Runs the two programs of docs/export.md on the demo's photographs and compares their masks with `mal label --no-cleanup`.

    python3 -m venv VENV && VENV/bin/pip install onnxruntime openvino numpy Pillow
    VENV/bin/python tools/onnx/programs.py [CHECKPOINT]

Needs g++ and .build/release/mal. Prints the intersection over union of each program's masks with mal's: mean and lowest.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import openvino
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "Examples/ONNX"
MAL = ROOT / ".build/release/mal"


def run(*command, **options):
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL, **options)


def decoded(size, counts):
    """A mask of COCO's compressed run lengths, which go down the columns."""
    runs, place = [], 0
    while place < len(counts):
        value, shift, more = 0, 0, True
        while more:
            code = ord(counts[place]) - 48
            value |= (code & 0x1F) << shift
            more, place, shift = bool(code & 0x20), place + 1, shift + 5
            if not more and code & 0x10:
                value |= -1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    values = np.repeat(np.arange(len(runs)) % 2, runs)
    return values.reshape(size[1], size[0]).T.astype(bool)


def main():
    checkpoint = sys.argv[1] if len(sys.argv) > 1 else "default"
    work = pathlib.Path(tempfile.mkdtemp())
    run(MAL, "export", work / "model.onnx", "--checkpoint", checkpoint, "-q")
    run(MAL, "label", ROOT / "Demo/images", "--boxes", ROOT / "Demo/boxes.json", "--out", work / "masks.json",
        "--checkpoint", checkpoint, "--no-cleanup", "-q")
    folder = pathlib.Path(openvino.__file__).parent
    library = next((folder / "libs").glob("libopenvino.so*"))
    run("g++", "-std=c++17", "-O2", "-Wall", "-Wextra", "-isystem", folder / "include", EXAMPLES / "label.cpp", library,
        f"-Wl,-rpath,{folder / 'libs'}", "-o", work / "label")
    document = json.loads((work / "masks.json").read_text())
    found = {"label.py": [], "label.cpp": []}
    for image in document["images"]:
        path = ROOT / "Demo/images" / image["file_name"]
        annotations = [item for item in document["annotations"] if item["image_id"] == image["id"]]
        boxes = [item["bbox"] for item in annotations]
        run(sys.executable, EXAMPLES / "label.py", work / "model.onnx", path, json.dumps(boxes), cwd=work)
        Image.open(path).convert("RGB").save(work / "photograph.ppm")
        for number, annotation in enumerate(annotations):
            run(work / "label", work / "model.onnx", work / "photograph.ppm", *boxes[number], work / "mask.pgm")
            truth = decoded(annotation["segmentation"]["size"], annotation["segmentation"]["counts"])
            for name, file in [("label.py", f"mask{number}.png"), ("label.cpp", "mask.pgm")]:
                mask = np.asarray(Image.open(work / file)) > 0
                found[name].append((mask & truth).sum() / max(1, (mask | truth).sum()))
    for name, overlaps in found.items():
        print(f"{name}: {len(overlaps)} masks, intersection over union with mal's: mean {np.mean(overlaps):.4f}, lowest {min(overlaps):.4f}")
    sys.exit(min(min(overlaps) for overlaps in found.values()) < 0.95)


main()
