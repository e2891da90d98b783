#!/usr/bin/env python3
"""Compares the boxes that mal reads with those of each tool's own reader, on a random data set in every format.

    check.py --bench .build/release/bench [--images 200] [--per-image 5] [--seed 1]
    check.py --bench .build/release/bench --images 10000 --per-image 10 --speed     # seconds and memory, no comparison

Readers, each used if it is there: pycocotools, lvis, supervision (VOC, YOLO), torchvision (KITTI), labelme, csv.
"""

import argparse
import csv
import json
import pathlib
import subprocess
import sys
import tempfile

from datasets import NAMES, DataSet


def ordered(rows):
    """Sorted; what shares of sides lose by rounding must not change the order."""
    return sorted(rows, key=lambda row: (*row[:2], *(round(float(v), 2) for v in row[2:])))


def records(path):
    """(file name, category name, x, y, width, height) of a COCO file, sorted."""
    file = json.load(open(path))
    images = {x["id"]: x.get("file_name") or "/".join(x["coco_url"].split("/")[-2:]) for x in file["images"]}
    names = {x["id"]: x["name"] for x in file["categories"]}
    return ordered((images[a["image_id"]], names[a["category_id"]], *map(float, a["bbox"])) for a in file["annotations"])


def coco(root, data):
    from pycocotools.coco import COCO
    file = COCO(root / "coco.json")
    return [(file.imgs[a["image_id"]]["file_name"], file.cats[a["category_id"]]["name"], *a["bbox"]) for a in file.anns.values()]


def detections(root, data):
    from pycocotools.coco import COCO
    file = COCO(root / "coco.json").loadRes(str(root / "detections.json"))
    return [(file.imgs[a["image_id"]]["file_name"], file.cats[a["category_id"]]["name"], *a["bbox"]) for a in file.anns.values()]


def lvis(root, data):
    from lvis import LVIS
    file = LVIS(str(root / "lvis.json"))
    return [
        ("/".join(file.imgs[a["image_id"]]["coco_url"].split("/")[-2:]), file.cats[a["category_id"]]["name"], *a["bbox"])
        for a in file.anns.values()]


def of_supervision(dataset):
    for path, _, found in dataset:
        for (x0, y0, x1, y1), c in zip(found.xyxy, found.class_id):
            yield (pathlib.Path(path).name, dataset.classes[c], x0, y0, x1 - x0, y1 - y0)


def voc(root, data):
    import supervision
    return of_supervision(supervision.DetectionDataset.from_pascal_voc(
        images_directory_path=str(root / "yolo/images/train"), annotations_directory_path=str(root / "voc/Annotations")))


def yolo(root, data):
    import supervision
    return of_supervision(supervision.DetectionDataset.from_yolo(
        images_directory_path=str(root / "yolo/images/train"), annotations_directory_path=str(root / "yolo/labels/train"),
        data_yaml_path=str(root / "yolo/data.yaml")))


def kitti(root, data):
    import torchvision
    raw = root / "torchvision/Kitti/raw/training"
    raw.mkdir(parents=True)
    (raw / "label_2").symlink_to(root / "kitti/training/label_2")
    (raw / "image_2").symlink_to(root / "yolo/images/train")
    dataset = torchvision.datasets.Kitti(str(root / "torchvision"), train=True, download=False)
    for i in range(len(dataset)):
        for x in dataset[i][1]:
            x0, y0, x1, y1 = x["bbox"]
            yield (pathlib.Path(dataset.images[i]).name, x["type"], x0, y0, x1 - x0, y1 - y0)


def labelme(root, data):
    from labelme._label_file import LabelFile
    for path in sorted((root / "labelme").iterdir()):
        (root / "labelme" / (path.stem + ".png")).symlink_to(root / "yolo/images/train" / (path.stem + ".png"))
        file = LabelFile(str(path))
        for shape in file.shapes:
            (x0, y0), (x1, y1) = shape["points"]
            yield (file.imagePath, shape["label"], x0, y0, x1 - x0, y1 - y0)


def table(root, data):
    for row in csv.DictReader(open(root / "boxes.csv", newline="")):
        yield (row["image"], row["label"], *(float(row[k]) for k in "xywh"))


ORACLES = {
    "coco": coco, "detections": detections, "lvis": lvis, "voc": voc, "yolo": yolo, "kitti": kitti, "labelme": labelme, "csv": table,
}


def compare(format, root, out, data):
    """A line, and whether all is well."""
    ours = records(out)
    truth = ordered(
        (f"train2017/{n}" if format == "lvis" else n, c.replace(" ", "_") if format == "kitti" else c, *map(float, box))
        for n, c, *box in data.rows())
    if format == "objects365":
        truth = ordered((f"images/v1/patch{int(n[:-4]) % 50}/{n}", *rest) for n, *rest in truth)
    try:
        theirs = ordered((n, c, *map(float, box)) for n, c, *box in ORACLES[format](root, data)) if format in ORACLES else None
    except (ImportError, RuntimeError) as error:  # the latter: torchvision beside a torch of another build
        theirs = None
        print(f"{format}: no reader here ({error})")
    parts, good = [], True
    for name, other in [("what was written", truth), ("the tool's reader", theirs)]:
        if other is None:
            continue
        same = len(ours) == len(other) and all(a[:2] == b[:2] for a, b in zip(ours, other))
        worst = max((abs(p - q) for a, b in zip(ours, other) for p, q in zip(a[2:], b[2:])), default=0) if same else None
        good = good and same and worst < 1e-3
        parts.append(f"{name}: {len(other)} boxes, largest difference {worst:.2g} px" if same else f"{name}: other records")
    return f"{format}: {len(ours)} boxes; " + "; ".join(parts), good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bench", required=True)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--per-image", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", action="store_true")
    options = parser.parse_args()
    data = DataSet(options.images, options.per_image, options.seed)
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        inputs = data.write(root)
        for format, (path, arguments) in inputs.items():
            out = root / "out.json"
            command = [options.bench, "annotations", str(path), *arguments]
            # A video file is written as a video file: what was read of it is not seen there.
            if not options.speed and format != "ytvis":
                command += ["--out", str(out)]
            result = subprocess.run(command, capture_output=True, text=True)
            if result.returncode:
                print(f"{format}: failed\n{result.stderr}")
                failed = True
            elif options.speed or format == "ytvis":
                print(result.stdout.strip())
            else:
                line, good = compare(format, root, out, data)
                print(line if good else "DIFFERENT " + line)
                failed = failed or not good
    sys.exit(failed)


main()
