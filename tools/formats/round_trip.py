#!/usr/bin/env python3
"""Writes a COCO file in every format, reads it back with mal, and compares what came back with what went in.

    round_trip.py MAL MASKS.json IMAGES [--work DIR] [--only FORMAT …]

Prints a row a format: annotations that came back, how many of them have the numbers of annotation, image and category
that they went with, parts and holes of their masks (8 and 4 neighbours, by SciPy),
mean and worst IoU of each mask with the one it came from (decoded by pycocotools, paired within image and category by
IoU; in `semantic` with the union of a category's masks), masks before or after without a counterpart, and mal's
warnings. Formats of boxes: the largest error of a box, in pixels.
Needs pycocotools, numpy and scipy.
"""
import argparse
import collections
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
from pycocotools import mask as rle
from scipy import ndimage

MASKS = ["coco", "coco-rle", "coco-polygons", "lvis", "ytvis", "detections", "yolo-seg", "labelme", "voc-png",
         "mots-png", "mots-txt", "png", "semantic", "coco-panoptic", "label-studio", "datumaro", "supervisely", "cvat",
         "voc-colors"]
BOXES = ["yolo", "voc", "kitti", "csv"]
FILES = {"csv": ".csv", "cvat": ".xml", "label-studio": ".json", **{f: ".json" for f in MASKS[:6]}}
OPTIONS = [("coco-polygons", ("--tolerance", "1")), ("coco-polygons", ("--subpixel",)),
           ("coco-polygons", ("--subpixel", "--tolerance", "0.5"))]


def load(path):
    """(image, category) → annotations, each with its mask if it has one."""
    data = json.load(open(path))
    images = {i["id"]: i for i in data["images"]}
    names = {c["id"]: c["name"] for c in data["categories"]}
    groups = collections.defaultdict(list)
    for a in data["annotations"]:
        image, segmentation = images[a["image_id"]], a.get("segmentation")
        name = image.get("file_name") or image["coco_url"].split("/")[-1]
        mask = None
        if segmentation:
            if isinstance(segmentation, list):
                segmentation = rle.merge(rle.frPyObjects(segmentation, image["height"], image["width"]))
            elif isinstance(segmentation["counts"], list):
                segmentation = rle.frPyObjects(segmentation, image["height"], image["width"])
            mask = segmentation
        groups[os.path.basename(name), names.get(a["category_id"])].append((a["bbox"], mask))
    return groups


def ids(path):
    return {(a["id"], a["image_id"], a["category_id"]) for a in json.load(open(path))["annotations"]}


def shape(mask):
    """Parts (pixels that touch at a corner are one) and holes."""
    pixels = np.pad(rle.decode(mask), 1)
    return ndimage.label(pixels, np.ones((3, 3)))[1], ndimage.label(pixels == 0)[1] - 1


def pair(before, after, score):
    """Pairs with the highest scores first; the rest of both has no counterpart."""
    pairs, left, right = [], set(range(len(before))), set(range(len(after)))
    table = sorted(((score[i, j], i, j) for i in left for j in right), reverse=True)
    for value, i, j in table:
        if i in left and j in right:
            pairs.append((i, j, value))
            left.discard(i)
            right.discard(j)
    return pairs, len(left) + len(right)


def compare_masks(before, after):
    values, alone = [], 0
    for key in before.keys() | after.keys():
        a = [m for _, m in before.get(key, []) if m]
        b = [m for _, m in after.get(key, []) if m]
        score = rle.iou(a, b, [0] * len(b)) if a and b else None
        found, rest = pair(a, b, score)
        values += [v for _, _, v in found]
        alone += rest
    return values, alone


def compare_boxes(before, after):
    worst, alone = 0.0, 0
    for key in before.keys() | after.keys():
        a = np.array([b for b, _ in before.get(key, [])], float).reshape(-1, 4)
        b = np.array([b for b, _ in after.get(key, [])], float).reshape(-1, 4)
        gap = -np.abs(a[:, None] - b[None]).max(-1) if len(a) and len(b) else None
        found, rest = pair(a, b, gap)
        worst = max([worst, *(-v for _, _, v in found)])
        alone += rest
    return worst, alone


def expected(before, to):
    """What a format can hold at best: a mask a category in label maps, names without spaces in KITTI."""
    if to == "kitti":
        return {(image, name.replace(" ", "_")): items for (image, name), items in before.items()}
    if to == "semantic":
        return {key: [(items[0][0], rle.merge([m for _, m in items]))] for key, items in before.items()}
    return before


def totals(groups):
    masks = [m for items in groups.values() for _, m in items if m]
    shapes = [shape(m) for m in masks]
    return sum(map(len, groups.values())), sum(p for p, _ in shapes), sum(h for _, h in shapes)


def convert(mal, *arguments):
    run = subprocess.run([mal, "convert", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if run.returncode != 0:
        sys.exit(f"mal convert {' '.join(arguments)} failed:\n{run.stdout}")
    return "; ".join(re.findall(r"^(?:warning|note): (.*)$", run.stdout, re.M))


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("mal")
    a.add_argument("masks")
    a.add_argument("images")
    a.add_argument("--work", default="/tmp/mal-round-trip")
    a.add_argument("--only", nargs="*")
    o = a.parse_args()
    os.makedirs(o.work, exist_ok=True)
    before = load(o.masks)
    count, parts, holes = totals(before)
    print("| format | annotations | parts | holes | IoU mean | IoU worst | alone | ids kept | warned |\n"
          "|---|---|---|---|---|---|---|---|---|")
    print(f"| (input) | {count} | {parts} | {holes} | | | | | |", flush=True)
    for to, options in [(f, ()) for f in MASKS + BOXES] + OPTIONS:
        if o.only and to not in o.only:
            continue
        out, back = f"{o.work}/{to}{FILES.get(to, '')}", f"{o.work}/back.json"
        for path in (out, back):
            shutil.rmtree(path) if os.path.isdir(path) else os.path.exists(path) and os.remove(path)
        warned = convert(o.mal, o.masks, out, "--to", to, *options)
        source = ["--images-from", o.masks] if to == "detections" else []
        convert(o.mal, out, back, "--to", "coco", "--images", o.images, *source)
        after = load(back)
        count, parts, holes = totals(after)
        wanted = expected(before, to)
        if to in BOXES:
            worst, alone = compare_boxes(wanted, after)
            row = f"{count} | | | boxes | {worst:.2g} px off | {alone}"
        else:
            values, alone = compare_masks(wanted, after)
            row = f"{count} | {parts} | {holes} | {sum(values) / len(values):.6f} | {min(values):.6f} | {alone}"
        print(f"| {' '.join([to, *options])} | {row} | {len(ids(o.masks) & ids(back))} | {warned} |", flush=True)


if __name__ == "__main__":
    main()
