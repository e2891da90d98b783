"""The work beside the network: ms of CPU time of one core for an item, mal beside Pillow, numpy
and pycocotools, with a check that both make the same bytes.

CPU time rather than time on the wall, because the machine may be shared; both programs run in
turns. The photograph is Demo's (JPEG, 640x427), the boxes are drawn with a fixed seed.
"""
import json
import math
import os
import random
import statistics
import subprocess
import tempfile

import coco_scene
import goals

HERE = os.path.dirname(os.path.abspath(__file__))
PHOTOGRAPH = os.path.join(HERE, "..", "Demo", "images", "rocket.jpg")
SIZE, ITEMS, TURNS = (640, 427), 120, 3
NAMES = {
    "test": "test item, crop 512", "training": "training item, crop 512",
    "post": "masks to RLE, a box"}


def items():
    """Boxes above 2048 square pixels and draws as SPEC 3.4 has them."""
    chance, (width, height), found = random.Random(20), SIZE, []
    while len(found) < ITEMS:
        w = 24 * (0.9 * width / 24) ** chance.random()
        h = 24 * (0.9 * height / 24) ** chance.random()
        if w * h <= 2048:
            continue
        sides = [1.2 * chance.random() for _ in range(4)]
        gates = [chance.random(), chance.random()]
        jitter = [
            [0, chance.uniform(0.6, 1.4)], [1, chance.uniform(0.6, 1.4)],
            [2, chance.uniform(0.8, 1.2)], [3, chance.uniform(-0.1, 0.1)]]
        chance.shuffle(jitter)
        found.append({
            "box": [
                round(chance.uniform(0, width - w), 2), round(chance.uniform(0, height - h), 2),
                round(w, 2), round(h, 2)],
            "margins": [
                sides[0] * gates[0], sides[1] * gates[1], sides[2] * (1 - gates[0]),
                sides[3] * (1 - gates[1])],
            "mirror": chance.random() < 0.5, "jitter": jitter if chance.random() < 0.5 else [],
            "grey": chance.random() < 0.2,
            "blur": chance.uniform(0.1, 2) if chance.random() < 0.5 else None})
    return found


def call(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def can_import(python, *modules):
    return subprocess.run(
        [python, "-c", "import " + ", ".join(modules)], stderr=subprocess.DEVNULL).returncode == 0


def summary(values):
    return {
        "mean_ms": statistics.mean(values), "median_ms": statistics.median(values),
        "fastest_ms": min(values), "slowest_ms": max(values)}


def measure_items(o, folder):
    path = os.path.join(folder, "items.json")
    with open(path, "w") as file:
        json.dump({
            "image": os.path.abspath(PHOTOGRAPH), "width": SIZE[0], "height": SIZE[1],
            "items": items()}, file)
    ours = {name: [] for name in NAMES}
    theirs = {name: {"plain": [], "whole": []} for name in NAMES}
    sums, compared = {}, can_import(o.python, "numpy", "PIL")
    for _ in range(1 if o.quick else TURNS):
        found = call([o.bench, "data", f"--items={path}"])
        for name in NAMES:
            ours[name] += found[name][:ITEMS]
            sums[name] = int(found[name][-1])
        if compared:
            other = call([o.python, os.path.join(HERE, "data_baseline.py"), f"--items={path}"])
            for name in NAMES:
                if name not in other:
                    continue
                theirs[name]["plain"] += other[name]["plain"]
                theirs[name]["whole"] += other[name]["whole"]
                if other[name]["checksum"] != sums[name]:
                    print(f"{name}: mal and the baseline made different bytes (with Pillow 13: see README.md)")
                    sums[name] = None
    rows = []
    print(f"{'':26}{'mal':>8}{'median':>8}{'Pillow':>9}{'ratio':>7}{'+ input':>9}{'bytes':>8}")
    for name, title in NAMES.items():
        row = {"what": name, "crop": 512, "mal": summary(ours[name])}
        line = f"{title:26}{row['mal']['mean_ms']:8.2f}{row['mal']['median_ms']:8.2f}"
        if theirs[name]["plain"]:
            row["baseline"] = summary(theirs[name]["plain"])
            row["baseline_with_input"] = summary(theirs[name]["whole"])
            row["ratio"] = row["mal"]["mean_ms"] / row["baseline"]["mean_ms"]
            row["same_bytes"] = sums[name] is not None
            line += (
                f"{row['baseline']['mean_ms']:9.2f}{row['ratio']:7.2f}"
                f"{row['baseline_with_input']['mean_ms']:9.2f}"
                f"{'same' if row['same_bytes'] else 'DIFFER':>8}")
        print(
            line + "  " + goals.verdict(f"{title}, ms", row["mal"]["mean_ms"], goals.ITEM_MS[name]),
            flush=True)
        rows.append(row)
    return rows + [measure_threads(o, path)]


def measure_threads(o, path):
    """Items a second of one and of two threads, and what an item costs each."""
    row = {"what": "threads"}
    for threads in (1, 2, 1, 2):
        found = call([o.bench, "data", f"--items={path}", f"--threads={threads}", "--rounds=3"])
        for name in ("test", "training"):
            times, seconds = found[name][:-2], found[name][-2]
            row.setdefault(f"{name}_{threads}", []).append({
                "items_per_second": len(times) / seconds, "cpu_ms": statistics.mean(times)})
    for name in ("test", "training"):
        one, two = (
            max(run["items_per_second"] for run in row[f"{name}_{n}"]) for n in (1, 2))
        cost = [min(run["cpu_ms"] for run in row[f"{name}_{n}"]) for n in (1, 2)]
        cores = math.ceil(cost[1])
        print(
            f"{name + ' items':26}1 thread {one:.0f}/s, 2 threads {two:.0f}/s; CPU ms an item "
            f"{cost[0]:.2f} and {cost[1]:.2f}: 1000 a second keep {cores} cores busy")
        row[name + "_cores_for_1000_a_second"] = cost[1]
    return row


def measure_coco(o, folder):
    path = os.path.join(folder, "instances.json")
    # Quick: a twentieth, which says nothing of the goals.
    part = 20 if o.quick else 1
    images, annotations = coco_scene.IMAGES // part, coco_scene.ANNOTATIONS // part
    coco_scene.write(path, images, annotations)
    row = {
        "what": "coco", "images": images, "annotations": annotations,
        "file_mib": os.path.getsize(path) / 2**20}
    compared = can_import(o.python, "pycocotools.coco")
    for _ in range(1 if o.quick else 2):
        row.setdefault("mal", []).append(call([o.bench, "data", f"--coco={path}"]))
        if compared:
            row.setdefault("pycocotools", []).append(call(
                [o.python, os.path.join(HERE, "data_baseline.py"), f"--coco={path}"]))
    print(
        f"\nReading a COCO file of {row['images']} images, {row['annotations']} annotations, "
        f"{row['file_mib']:.0f} MiB")
    print(f"{'':16}{'seconds':>9}{'CPU':>7}{'peak MiB':>10}")
    for name in ("mal", "pycocotools"):
        if name in row:
            best = min(row[name], key=lambda run: run["cpu_seconds"])
            print(
                f"{name:16}{best['seconds']:9.2f}{best['cpu_seconds']:7.2f}"
                f"{best['peak_mib']:10.0f}", flush=True)
    if compared:
        row["ratio"] = (
            min(run["cpu_seconds"] for run in row["mal"])
            / min(run["cpu_seconds"] for run in row["pycocotools"]))
        print(f"ratio: {row['ratio']:.3f} of CPU time")
    if not o.quick:
        seconds = min(run["seconds"] for run in row["mal"])
        peak = min(run["peak_mib"] for run in row["mal"])
        print(
            "seconds: " + goals.verdict("COCO file, seconds", seconds, goals.COCO_SECONDS)
            + "; MiB: " + goals.verdict("COCO file, MiB", peak, goals.COCO_MIB))
    return row


def run(o):
    """All rows, printed as they come."""
    print(
        "Work beside the network, ms of CPU time on one core; \"+ input\": with the float image "
        "that the\nnetwork takes, which mal makes on the device\n")
    with tempfile.TemporaryDirectory() as folder:
        return measure_items(o, folder) + [measure_coco(o, folder)]
