#!/usr/bin/env python3
"""Time and peak memory of `mal convert` for every format on a large file, and the round trip of each
format on a small one.

    formats.py MAL round-trip MASKS.json [--work DIR]
    formats.py MAL speed [--annotations N] [--work DIR]

round-trip converts MASKS.json to each format and gives instances, parts, holes and the IoU that mal prints. speed makes a COCO file with
polygons (coco_scene.py; 7.3 annotations an image), converts it to each format, and gives seconds,
annotations a second, the peak resident memory of the process and the size of the output. Standard
library only.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import time

import coco_scene

FORMATS = ["coco", "coco-rle", "coco-polygons", "lvis", "ytvis", "detections", "yolo-seg", "labelme",
           "voc-png", "mots-png", "mots-txt", "png", "semantic", "yolo", "voc", "kitti", "csv"]
FILES = {"csv": ".csv", **{f: ".json" for f in FORMATS[:6]}}


def remove(path):
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.exists(path):
        os.remove(path)


def run(command):
    """Standard output and error, seconds, and peak memory in MB of one process."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    if status != 0:
        sys.exit(f"{' '.join(command)} failed:\n{text}")
    return text, seconds, usage.ru_maxrss / 1024


def size(path):
    if os.path.isfile(path):
        return os.path.getsize(path), 1
    total = count = 0
    for folder, _, names in os.walk(path):
        for name in names:
            total += os.path.getsize(os.path.join(folder, name))
            count += 1
    return total, count


def speed(o):
    scene = f"{o.work}/scene-{o.annotations}.json"
    if not os.path.exists(scene):
        coco_scene.write(scene, images=max(1, round(o.annotations / 7.27)), annotations=o.annotations)
    print(f"{o.annotations} annotations, {os.path.getsize(scene) / 1e6:.0f} MB of COCO polygons")
    print("| format | s | annotations/s | peak MB | output MB | files |\n|---|---|---|---|---|---|")
    _, seconds, memory = run([o.mal, "validate", scene, "--limit", "0"])
    print(f"| (validate) | {seconds:.1f} | {o.annotations / seconds:.0f} | {memory:.0f} | | |", flush=True)
    cases = [(f, scene, ()) for f in FORMATS]
    rle = f"{o.work}/coco.json"
    cases += [("coco-polygons", rle, ()), ("coco-polygons", rle, ("--subpixel", "--tolerance", "0.5"))]
    for to, source, options in cases:
        out = f"{o.work}/{to}{FILES.get(to, '')}"
        remove(out)
        _, seconds, memory = run([o.mal, "convert", source, out, "--to", to, "-q", *options])
        total, count = size(out)
        name = " ".join([to, *(["from RLE"] if source == rle else []), *options])
        print(f"| {name} | {seconds:.1f} | {o.annotations / seconds:.0f} | {memory:.0f} | "
              f"{total / 1e6:.0f} | {count} |", flush=True)
        if out != rle:
            remove(out)


def round_trip(o):
    print("| format | instances | parts | holes | IoU mean | IoU worst | not held |\n"
          "|---|---|---|---|---|---|---|")
    cases = [(f, ()) for f in FORMATS]
    cases += [("coco-polygons", ("--tolerance", "1")), ("coco-polygons", ("--subpixel",)),
              ("coco-polygons", ("--subpixel", "--tolerance", "0.5")),
              ("coco-polygons", ("--subpixel", "--tolerance", "1"))]
    for to, options in cases:
        out = f"{o.work}/{to}{FILES.get(to, '')}"
        remove(out)
        text, _, _ = run([o.mal, "convert", o.masks, out, "--to", to, *options])
        written = re.search(r": (\d+) of (\d+) annotations", text)
        shape = re.search(r"polygons: (\d+) parts, (\d+) holes; IoU with the masks (\S+) mean, (\S+) worst", text)
        lost = "; ".join(re.findall(r"^warning: (.*)$", text, re.M))
        columns = list(shape.groups()) if shape else ["", "", "", ""]
        print(f"| {' '.join([to, *options])} | {written[1]} of {written[2]} | "
              f"{' | '.join(columns)} | {lost} |", flush=True)


if __name__ == "__main__":
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("mal")
    a.add_argument("what", choices=["round-trip", "speed"])
    a.add_argument("masks", nargs="?")
    a.add_argument("--annotations", type=int, default=100_000)
    a.add_argument("--work", default="/tmp/mal-formats")
    o = a.parse_args()
    os.makedirs(o.work, exist_ok=True)
    speed(o) if o.what == "speed" else round_trip(o)
