#!/usr/bin/env python3
"""Time and peak memory of mal for every format on a large file.

    formats.py MAL [--annotations N] [--only FORMAT …] [--work DIR]

Makes a COCO file with polygons (coco_scene.py; 7.3 annotations an image), has `mal convert` write it in each format and
`mal validate` read that and decode every mask. Prints seconds on the wall and of the processor, the peak resident memory
of each process, the size of the output and how many annotations were read. Standard library only. What each format keeps: tools/formats/round_trip.py.
"""
import argparse
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import time
import zlib

import coco_scene

FORMATS = ["coco", "coco-rle", "coco-polygons", "lvis", "ytvis", "detections", "yolo-seg", "labelme",
           "voc-png", "mots-png", "mots-txt", "png", "semantic", "yolo", "voc", "kitti", "csv",
           "cvat", "label-studio", "coco-panoptic", "voc-colors", "datumaro", "supervisely"]
FILES = {"csv": ".csv", "cvat": ".xml", "label-studio": ".json", **{f: ".json" for f in FORMATS[:6]}}
# mal does not write these: the script does.
READ_ONLY = ["open-images", "via", "createml"]


def remove(path):
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.exists(path):
        os.remove(path)


def run(command):
    """Standard output and error, seconds on the wall and of the processor, and peak memory in MB of one process."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    if status != 0:
        sys.exit(f"{' '.join(command)} failed:\n{text}")
    return text, (seconds, usage.ru_utime + usage.ru_stime), usage.ru_maxrss / 1024


def shown(seconds):
    return "{:.1f} ({:.1f})".format(*seconds)


def size(path):
    if os.path.isfile(path):
        return os.path.getsize(path), 1
    total = count = 0
    for folder, _, names in os.walk(path):
        for name in names:
            total += os.path.getsize(os.path.join(folder, name))
            count += 1
    return total, count


def write_headers(scene, folder):
    """The start of a PNG file for each image, which is all that YOLO's reader looks at."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    os.makedirs(folder)
    for image in json.load(open(scene))["images"]:
        header = struct.pack(">IIBBBBB", image["width"], image["height"], 8, 2, 0, 0, 0)
        with open(f"{folder}/{image['file_name']}", "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b""))


def write_read_only(to, scene, path):
    document = json.load(open(scene))
    names = {c["id"]: c["name"] for c in document["categories"]}
    images = {i["id"]: (i, []) for i in document["images"]}
    for annotation in document["annotations"]:
        images[annotation["image_id"]][1].append(annotation)
    with open(path, "w") as file:
        if to == "open-images":
            file.write("ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax\n")
            for image, annotations in images.values():
                w, h = image["width"], image["height"]
                for a in annotations:
                    x, y, dx, dy = a["bbox"]
                    file.write(f"{image['file_name'][:-4]},xclick,{names[a['category_id']]},1,{x / w:.6f},"
                               f"{(x + dx) / w:.6f},{y / h:.6f},{(y + dy) / h:.6f}\n")
        elif to == "via":
            json.dump({image["file_name"]: {"filename": image["file_name"], "size": -1, "regions": [
                {"shape_attributes": {"name": "polygon", "all_points_x": a["segmentation"][0][::2],
                                      "all_points_y": a["segmentation"][0][1::2]},
                 "region_attributes": {"label": names[a["category_id"]]}}
                for a in annotations if isinstance(a["segmentation"], list)], "file_attributes": {}}
                for image, annotations in images.values()}, file)
        else:
            json.dump([{"image": image["file_name"], "annotations": [
                {"label": names[a["category_id"]], "coordinates": {
                    "x": a["bbox"][0] + a["bbox"][2] / 2, "y": a["bbox"][1] + a["bbox"][3] / 2,
                    "width": a["bbox"][2], "height": a["bbox"][3]}} for a in annotations]}
                for image, annotations in images.values()], file)


def reading(to, scene, images):
    """What a format needs to be read besides its own files."""
    if to in ("yolo", "yolo-seg", "open-images", "via", "createml"):
        return ["--images", images]
    return ["--images-from", scene] if to == "detections" else []


def speed(o):
    scene, images = f"{o.work}/scene-{o.annotations}.json", f"{o.work}/images-{o.annotations}"
    if not os.path.exists(scene):
        coco_scene.write(scene, images=max(1, round(o.annotations / 7.27)), annotations=o.annotations)
    if not os.path.exists(images):
        write_headers(scene, images)
    print(f"{o.annotations} annotations, {os.path.getsize(scene) / 1e6:.0f} MB of COCO polygons")
    print("| format | written, s (CPU) | peak MB | output MB | files | read, s (CPU) | peak MB | annotations |\n"
          "|---|---|---|---|---|---|---|---|")
    rle = f"{o.work}/coco.json"
    cases = [(f, scene, ()) for f in FORMATS]
    cases += [("coco-polygons", rle, ()), ("coco-polygons", rle, ("--subpixel", "--tolerance", "0.5"))]
    for to, source, options in cases:
        if o.only and to not in o.only or not os.path.exists(source):
            continue
        out = f"{o.work}/{to}{FILES.get(to, '')}"
        remove(out)
        _, seconds, memory = run([o.mal, "convert", source, out, "--to", to, "-q", *options])
        total, count = size(out)
        text, read, read_memory = run(
            [o.mal, "validate", out, "--limit", "0", "--format", to, *reading(to, scene, images)])
        name = " ".join([to, *(["from RLE"] if source == rle else []), *options])
        found = re.search(r"(\d+) annotations", text)[1]
        print(f"| {name} | {shown(seconds)} | {memory:.0f} | {total / 1e6:.0f} | {count} | {shown(read)} | "
              f"{read_memory:.0f} | {found} |", flush=True)
        if out != rle:
            remove(out)
    for to in READ_ONLY:
        if o.only and to not in o.only:
            continue
        out = f"{o.work}/{to}" + (".csv" if to == "open-images" else ".json")
        write_read_only(to, scene, out)
        text, read, read_memory = run(
            [o.mal, "validate", out, "--limit", "0", "--format", to, *reading(to, scene, images)])
        found = re.search(r"(\d+) annotations", text)[1]
        print(f"| {to} | – | – | {os.path.getsize(out) / 1e6:.0f} | 1 | {shown(read)} | {read_memory:.0f} | {found} |",
              flush=True)
        remove(out)


if __name__ == "__main__":
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("mal")
    a.add_argument("--annotations", type=int, default=100_000)
    a.add_argument("--only", nargs="*")
    a.add_argument("--work", default="/tmp/mal-formats")
    o = a.parse_args()
    os.makedirs(o.work, exist_ok=True)
    speed(o)
