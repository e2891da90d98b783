"""Masks of one model on the same boxes, seen in different ways, and how far they agree.

Boxes alone say nothing of a mask's IoU. What can be had without true masks: a mask that changes when
the crop is wider, narrower or mirrored is a worse one. Needs numpy, Pillow and pycocotools.
"""

import json
import random
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from pycocotools import mask as coco_mask

MARGINS = {"main": 0.6, "narrow": 0.2, "wide": 1.1}


def subset(boxes, count, always=(), seed=1):
    """`count` boxes, nine in ten from photographs that are labelled whole (others carry one person)."""
    data = json.loads(Path(boxes).read_text())
    per_image = {}
    for box in data["annotations"]:
        per_image.setdefault(box["image_id"], []).append(box)
    whole = [b for group in per_image.values() if len(group) > 1 for b in group]
    single = [group[0] for group in per_image.values() if len(group) == 1]
    generator = random.Random(seed)
    chosen = generator.sample(whole, min(count * 9 // 10, len(whole)))
    chosen += generator.sample(single, min(count - len(chosen), len(single)))
    ids = {b["id"] for b in chosen} | set(always)
    data["annotations"] = [b for b in data["annotations"] if b["id"] in ids]
    used = {b["image_id"] for b in data["annotations"]}
    data["images"] = [i for i in data["images"] if i["id"] in used]
    return data


def mirrored(data, images, folder):
    """The same boxes on mirrored pictures, written as PNG below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    width = {}
    result = json.loads(json.dumps(data))
    for record in result["images"]:
        with Image.open(Path(images) / record["file_name"]) as picture:
            flipped = ImageOps.mirror(picture.convert("RGB"))
        name = record["file_name"].replace("/", "_") + ".png"
        flipped.save(folder / name, compress_level=1)
        record["file_name"] = name
        width[record["id"]] = flipped.width
    for box in result["annotations"]:
        x, y, w, h = box["bbox"]
        box["bbox"] = [width[box["image_id"]] - x - w, y, w, h]
    return result


def label(mal, boxes, images, out, *options):
    """Runs `mal label` unless its output is there already: a run that was stopped continues."""
    if not out.exists():
        command = [mal, "label", images, "--boxes", boxes, "--out", out, "--no-score", "--quiet", *options]
        subprocess.run([str(part) for part in command], check=True)
    return {b["id"]: b.get("segmentation") for b in json.loads(out.read_text())["annotations"]}


def run(mal, data, images, work, checkpoint):
    """Features of the main masks, and each box's masks by variant, mirrored ones turned back."""
    work.mkdir(parents=True, exist_ok=True)
    boxes = work / "boxes.json"
    boxes.write_text(json.dumps(data))
    model = ["--checkpoint", checkpoint]
    features = work / "features.jsonl"
    masks = {}
    for name, margin in MARGINS.items():
        options = [*model, f"train.test_margin_rate=[{margin},{margin}]", "--no-cleanup"]
        if name == "main":
            options += ["--features", features]
        masks[name] = label(mal, boxes, images, work / f"{name}.json", *options)
    folder = work / "mirrored"
    flipped = work / "mirrored-boxes.json"
    if not flipped.exists():
        flipped.write_text(json.dumps(mirrored(data, images, folder)))
    masks["mirrored"] = {
        key: rle and coco_mask.encode(np.asfortranarray(coco_mask.decode(rle)[:, ::-1]))
        for key, rle in label(mal, flipped, folder, work / "mirrored.json", *model, "--no-cleanup").items()
    }
    lines = [json.loads(line) for line in features.read_text().splitlines()]
    return {line["id"]: line["features"] for line in lines}, masks


def agreement(masks, key):
    """Mean IoU of the main mask with the others; None where one is missing."""
    main = masks["main"].get(key)
    others = [found.get(key) for name, found in masks.items() if name != "main"]
    if main is None or any(other is None for other in others):
        return None
    return float(coco_mask.iou([main], others, [0] * len(others)).mean())
