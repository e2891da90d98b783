#!/usr/bin/env python3
"""Average precision of 5,000 images with 100 detections each: mal beside pycocotools, in turns, each
in a fresh process from the files to the numbers.

    Benchmarks/evaluation.py --mal .build/release/mal [--python PYTHON] [--images 5000] [--turns 2]

mal measures bbox, segm and boundary, pycocotools bbox and segm, which are compared. The same files
for the same seed; objects and categories are as many as in COCO's val2017.
"""
import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time

import goals

CATEGORIES = 80
NAMES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "ARmax1", "ARmax10", "ARmax100", "ARs", "ARm", "ARl"]

BASELINE = """
import contextlib, io, json, sys
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
stats = {}
with contextlib.redirect_stdout(io.StringIO()):
    gt = COCO(sys.argv[1])
    dt = gt.loadRes(sys.argv[2])
    for kind in ("bbox", "segm"):
        evaluation = COCOeval(gt, dt, kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        stats[kind] = [float(v) for v in evaluation.stats]
print(json.dumps(stats))
"""


def columns(chance, box, height):
    """Run lengths of an egg in a box: a run of ones in each column, as a network's mask has."""
    x, y, w, h = box
    runs, end, area = [], 0, 0
    lean = chance.uniform(-0.3, 0.3)
    for column in range(int(x), int(x + w) + 1):
        across = 2 * (column + 0.5 - x) / w - 1
        if abs(across) >= 1:
            continue
        reach = 0.5 * h * math.sqrt(1 - across * across)
        middle = y + h * (0.5 + 0.2 * lean * across)
        top, bottom = max(0, round(middle - reach)), min(height, round(middle + reach))
        if top < bottom:
            runs += [column * height + top - end, bottom - top]
            end, area = column * height + bottom, area + bottom - top
    return runs, end, area


def compressed(runs, end, total):
    """pycocotools' text of run lengths."""
    counts, text = runs + [total - end], []
    for index, count in enumerate(counts):
        rest = count - counts[index - 2] if index > 2 else count
        while True:
            bits, rest = rest & 0x1F, rest >> 5
            last = rest == (-1 if bits & 0x10 else 0)
            text.append(chr(48 + bits + (0 if last else 0x20)))
            if last:
                break
    return "".join(text)


def write(folder, image_count, detection_count, seed=5):
    chance = random.Random(seed)
    width, height = 640, 480
    truth, found = os.path.join(folder, "truth.json"), os.path.join(folder, "detections.json")

    def shape(box):
        runs, end, area = columns(chance, box, height)
        return compressed(runs, end, width * height), area

    def draw():
        w, h = (10 * (side * 0.7 / 10) ** chance.random() for side in (width, height))
        return [chance.uniform(0, width - w), chance.uniform(0, height - h), w, h]

    images, objects = [], []
    with open(found, "w") as file:
        for number in range(1, image_count + 1):
            images.append({"id": number, "file_name": f"{number}.jpg", "width": width, "height": height})
            own = []
            for _ in range(min(60, int(chance.expovariate(1 / 7.4)))):
                box, category = draw(), chance.randint(1, CATEGORIES)
                text, area = shape(box)
                own.append((box, category))
                objects.append({
                    "id": len(objects) + 1, "image_id": number, "category_id": category, "area": area,
                    "bbox": [round(v, 2) for v in box], "iscrowd": int(chance.random() < 0.01),
                    "segmentation": {"size": [height, width], "counts": text}})
            for place in range(detection_count):
                if own and chance.random() < 0.3:
                    (x, y, w, h), category = chance.choice(own)
                    amount = chance.choice([0.03, 0.1, 0.3])
                    w2, h2 = w * math.exp(amount * chance.gauss(0, 1)), h * math.exp(amount * chance.gauss(0, 1))
                    box = [
                        min(max(0, x + amount * w * chance.gauss(0, 0.5)), width - 4),
                        min(max(0, y + amount * h * chance.gauss(0, 0.5)), height - 4), w2, h2]
                    box[2], box[3] = min(box[2], width - box[0]), min(box[3], height - box[1])
                    score = chance.betavariate(4, 2)
                else:
                    box, category, score = draw(), chance.randint(1, CATEGORIES), chance.betavariate(1, 6)
                text, _ = shape(box)
                file.write("[" if number == 1 and place == 0 else ",\n")
                file.write(json.dumps({
                    "image_id": number, "category_id": category, "bbox": [round(v, 2) for v in box],
                    "score": round(score, 5), "segmentation": {"size": [height, width], "counts": text}}))
        file.write("]\n")
    with open(truth, "w") as file:
        json.dump({
            "images": images, "annotations": objects,
            "categories": [{"id": k, "name": f"thing {k}"} for k in range(1, CATEGORIES + 1)]}, file)
    return truth, found, len(objects)


def timed(command):
    """Seconds on the wall, of CPU, and peak MiB of one process, with what it printed."""
    with tempfile.TemporaryFile("w+") as output:
        start = time.monotonic()
        child = subprocess.Popen(command, stdout=output)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            sys.exit(f"exit code {child.returncode}: {command[0]}")
        output.seek(0)
        return {
            "seconds": round(seconds, 2), "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
            "peak_mib": round(usage.ru_maxrss / 1024)}, output.read()


def run(o, images=5000, detections=100, turns=2):
    """The table, printed as it comes; None where there is no pycocotools."""
    if subprocess.run([o.python, "-c", "import pycocotools"], stderr=subprocess.DEVNULL).returncode != 0:
        print(f"{o.python} has no pycocotools to compare with")
        return None
    with tempfile.TemporaryDirectory() as folder:
        truth, found, objects = write(folder, images, detections)
        row = {
            "what": "evaluation", "images": images, "objects": objects, "detections": images * detections,
            "file_mib": round(os.path.getsize(found) / 2**20), "mal": [], "pycocotools": []}
        print(
            f"{images} images, {objects} objects, {row['detections']} detections, {row['file_mib']} MiB\n"
            f"{'':14}{'seconds':>9}{'CPU':>8}{'peak MiB':>10}", flush=True)
        for _ in range(turns):
            for name, command in (
                    ("mal", [o.mal, "evaluate", "--predictions", found, "--truth", truth, "--json", "-", "--quiet"]),
                    ("pycocotools", [o.python, "-c", BASELINE, truth, found])):
                measured, output = timed(command)
                row[name].append(measured)
                print(
                    f"{name:14}{measured['seconds']:9.2f}{measured['cpu_seconds']:8.2f}{measured['peak_mib']:10d}",
                    flush=True)
                if name == "mal":
                    ours = json.loads(output)["kpi"]
                    continue
                row["difference"] = max(
                    abs((-1 if ours[f"{n}_{kind}"] is None else ours[f"{n}_{kind}"]) - value)
                    for kind, values in json.loads(output).items() for n, value in zip(NAMES, values))
        for key in ("seconds", "cpu_seconds"):
            row[key + "_ratio"] = round(
                min(r[key] for r in row["mal"]) / min(r[key] for r in row["pycocotools"]), 3)
        print(
            f"ratio: {row['seconds_ratio']} on the wall, {row['cpu_seconds_ratio']} of CPU time; largest difference of "
            f"a number {row['difference']:.1e}; "
            + goals.verdict("average precision, time", row["seconds_ratio"], goals.PRECISION_RATIO))
        return row


def part(o):
    """A part of report.py's table: one turn, because pycocotools takes minutes."""
    return run(o, images=500 if o.quick else 5000, turns=1)


if __name__ == "__main__":
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--mal", default=".build/release/mal")
    a.add_argument("--python", default=sys.executable, help="a Python with pycocotools")
    a.add_argument("--images", type=int, default=5000)
    a.add_argument("--detections", type=int, default=100)
    a.add_argument("--turns", type=int, default=2)
    a.add_argument("--json", help="file for the numbers")
    o = a.parse_args()
    row = run(o, o.images, o.detections, o.turns)
    if o.json:
        with open(o.json, "w") as file:
            json.dump(row, file, indent=1)
