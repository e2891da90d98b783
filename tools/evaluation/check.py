#!/usr/bin/env python3
"""Compares `mal evaluate --predictions` with pycocotools on random sets of objects and detections.

    pip install pycocotools
    python tools/evaluation/check.py .build/release/mal [--sets 200] [--seed 1]
    python tools/evaluation/check.py --write Tests/Fixtures/evaluation     # the sets of the tests

All twelve numbers of bbox and segm must be equal to 1e-9, and those of boundary (the lesser of mask
IoU and boundary IoU, with boundaries made here pixel by pixel) too.
"""
import argparse
import contextlib
import io
import json
import math
import os
import random
import subprocess
import sys
import tempfile

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

NAMES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "ARmax1", "ARmax10", "ARmax100", "ARs", "ARm", "ARl"]


def blob(chance, box):
    """A polygon around a box's middle."""
    x, y, w, h = box
    count = chance.randint(3, 14)
    points = []
    for corner in range(count):
        turn, reach = 2 * math.pi * corner / count, chance.uniform(0.25, 0.55)
        points += [
            round(x + w * (0.5 + reach * math.cos(turn)), 2), round(y + h * (0.5 + reach * math.sin(turn)), 2)]
    return points


def carried(points, start, end):
    """A polygon moved and scaled as one box to another."""
    return [
        round(end[i % 2] + (v - start[i % 2]) * end[2 + i % 2] / start[2 + i % 2], 2) for i, v in enumerate(points)]


def rle(polygons, height, width):
    found = coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))
    found["counts"] = found["counts"].decode()
    return found


def uncompressed(mask):
    pixels = coco_mask.decode(mask).flatten(order="F")
    counts, value, length = [], 0, 0
    for pixel in pixels:
        if pixel != value:
            counts.append(length)
            value, length = pixel, 0
        length += 1
    return {"size": mask["size"], "counts": counts + [length]}


def random_box(chance, width, height):
    if chance.random() < 0.1 and min(width, height) > 100:
        side = chance.choice([32, 96])  # Areas on the border of two ranges.
        return [chance.randint(0, width - side), chance.randint(0, height - side), side, side]
    w, h = (max(3, 4 * (side * 0.8 / 4) ** chance.random()) for side in (width, height))
    return [round(v, 2) for v in (chance.uniform(0, width - w), chance.uniform(0, height - h), w, h)]


def moved(chance, box, amount):
    x, y, w, h = box
    shift = lambda side: side * amount * chance.uniform(-1, 1)
    return [round(v, 2) for v in (x + shift(w), y + shift(h), max(1, w + shift(w)), max(1, h + shift(h)))]


def scene(seed, most=None):
    """Truth and detections, with everything that COCO's rules are about.

    - most: the most detections of an image; None draws up to 160, more than count.
    """
    chance = random.Random(seed)
    ids = chance.sample(range(1, 500), chance.randint(1, 8))
    images = []
    for number in ids:
        width, height = chance.choice([(60, 40), (120, 90), (200, 160), (320, 240)])
        images.append({"id": number, "file_name": f"{number}.png", "width": width, "height": height})
    categories = [
        {"id": number, "name": f"thing {number}"} for number in chance.sample(range(1, 90), chance.randint(1, 5))]
    objects, detections = [], []
    masks_only = chance.random() < 0.15
    levels = chance.choice([4, 50, 10**6])  # Few levels: many equal scores.
    lacks_masks = 0 if masks_only else chance.choice([0, 0, 0.3])
    for image in images:
        width, height = image["width"], image["height"]
        truths = []
        for _ in range(chance.randint(0, 7)):
            box = random_box(chance, width, height)
            polygons = [blob(chance, box)] + ([blob(chance, moved(chance, box, 0.5))] if chance.random() < 0.2 else [])
            mask = rle(polygons, height, width)
            crowd = int(chance.random() < 0.15)
            form = chance.randint(0, 2)
            area = int(coco_mask.area(mask)) if chance.random() < 0.7 else round(box[2] * box[3], 2)
            truth = {
                "id": len(objects) * 3 + 1, "image_id": image["id"],
                "category_id": chance.choice(categories)["id"], "bbox": box, "area": area, "iscrowd": crowd,
                "segmentation": [polygons, mask, uncompressed(mask)][form]}
            truths.append((truth, polygons))
            objects.append(truth)
        for _ in range(chance.randint(0, most or chance.choice([3, 12, 160]))):
            if truths and chance.random() < 0.7:
                other, outlines = chance.choice(truths)
                box = moved(chance, other["bbox"], chance.choice([0.02, 0.1, 0.4]))
                category = other["category_id"] if chance.random() < 0.9 else chance.choice(categories)["id"]
                outlines = [carried(points, other["bbox"], box) for points in outlines]
            else:
                box, category = random_box(chance, width, height), chance.choice(categories)["id"]
                outlines = [blob(chance, box)]
            if chance.random() < 0.02:
                category = 777
            found = {"image_id": image["id"], "category_id": category, "score": chance.randint(1, levels) / levels}
            if not masks_only:
                found["bbox"] = box
            if chance.random() >= lacks_masks:
                found["segmentation"] = rle(outlines, height, width)
            detections.append(found)
    chance.shuffle(detections)
    return {"images": images, "annotations": objects, "categories": categories}, detections


def boundary(mask, ratio=0.02):
    """Boundary IoU's region, by its definition: what a square of 3 x 3 takes away in d steps."""
    pixels = coco_mask.decode(mask)
    height, width = pixels.shape
    kept = pixels.astype(bool)
    for _ in range(max(1, int(round(ratio * math.sqrt(height**2 + width**2))))):
        padded = np.pad(kept, 1)
        kept = np.logical_and.reduce([
            padded[y:y + height, x:x + width] for y in range(3) for x in range(3)])
    return coco_mask.encode(np.asfortranarray(pixels * ~kept))


class BoundaryEval(COCOeval):
    def computeIoU(self, image, category):
        overlaps = super().computeIoU(image, category)
        truths, found = self._gts[image, category], self._dts[image, category]
        if len(truths) == 0 or len(found) == 0:
            return overlaps
        order = np.argsort([-d["score"] for d in found], kind="mergesort")[:self.params.maxDets[-1]]
        crowd = [int(t["iscrowd"]) for t in truths]
        edges = coco_mask.iou(
            [boundary(found[i]["segmentation"]) for i in order], [boundary(t["segmentation"]) for t in truths], crowd)
        return np.minimum(overlaps, edges)


def numbers(truth, detections, kind):
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = json.loads(json.dumps(truth))
        gt.createIndex()
        dt = gt.loadRes(json.loads(json.dumps(detections)))
        evaluation = (BoundaryEval if kind == "boundary" else COCOeval)(gt, dt, "bbox" if kind == "bbox" else "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(v) for v in evaluation.stats]


def check(mal, sets, seed):
    worst, done, detection_count = 0.0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("truth.json", "detections.json")]
        while done < sets:
            truth, detections = scene(seed)
            seed += 1
            if not detections or not truth["annotations"]:
                continue
            for path, content in zip(paths, (truth, detections)):
                with open(path, "w") as file:
                    json.dump(content, file)
            output = subprocess.run(
                [mal, "evaluate", "--predictions", paths[1], "--truth", paths[0], "--json", "-", "--quiet"],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            if output.returncode != 0:
                sys.exit(f"seed {seed - 1}: {output.stderr}")
            found = json.loads(output.stdout)["kpi"]
            for kind in ("bbox", "segm", "boundary"):
                for name, value in zip(NAMES, numbers(truth, detections, kind)):
                    ours = found[f"{name}_{kind}"]
                    difference = abs((-1 if ours is None else ours) - value)
                    worst = max(worst, difference)
                    if difference > 1e-9:
                        sys.exit(f"seed {seed - 1}: {name}_{kind} is {ours}, pycocotools has {value}")
            done += 1
            detection_count += len(detections)
    print(f"{done} sets, {detection_count} detections, 36 numbers each: largest difference {worst:.1e}")


def write(folder):
    for place, seed in enumerate([3, 11, 29, 47, 58, 71]):
        while True:
            truth, detections = scene(seed, most=12)
            if detections and truth["annotations"]:
                break
            seed += 1000
        with open(os.path.join(folder, f"case_{place}.json"), "w") as file:
            json.dump({
                "truth": truth, "detections": detections,
                "stats": {kind: numbers(truth, detections, kind) for kind in ("bbox", "segm", "boundary")}},
                file, separators=(",", ":"))


if __name__ == "__main__":
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("mal", nargs="?")
    a.add_argument("--sets", type=int, default=200)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--write")
    o = a.parse_args()
    write(o.write) if o.write else check(o.mal, o.sets, o.seed)
