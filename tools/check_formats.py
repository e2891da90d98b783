#!/usr/bin/env python3
"""Reads what `mal convert` writes with the formats' own tools and compares it with the masks.

    check_formats.py MAL MASKS.json IMAGES [--work DIR] [--only FORMAT …]

MASKS.json is a COCO file with masks. Prints a line a format: instances read, parts and holes of the
polygons, mean and worst IoU with the masks by pycocotools, and which reader was used; exits with 1
where a format that should be lossless is not. Needs pycocotools, numpy, Pillow and opencv; ultralytics,
supervision, labelme, lvis and trackeval are used where they are installed.
"""
import argparse
import collections
import csv
import glob
import json
import os
import shutil
import subprocess
import sys

import cv2
import numpy as np
from PIL import Image
from pycocotools import mask as rle
from pycocotools.coco import COCO


def decode(segmentation, height, width):
    """A binary mask of a COCO segmentation in any form."""
    if isinstance(segmentation, list):
        segmentation = rle.merge(rle.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation["counts"], list):
        segmentation = rle.frPyObjects(segmentation, height, width)
    return rle.decode(segmentation)


class Truth:
    """The masks by image name, and drawn over each other as label images draw them."""

    def __init__(self, path):
        self.data = json.load(open(path))
        self.images = {i["id"]: i for i in self.data["images"]}
        self.names = {c["id"]: c["name"] for c in self.data["categories"]}
        self.by_image = collections.defaultdict(list)
        for a in self.data["annotations"]:
            if a.get("segmentation"):
                i = self.images[a["image_id"]]
                self.by_image[a["image_id"]].append((a, decode(a["segmentation"], i["height"], i["width"])))

    def stem(self, image_id):
        return os.path.splitext(self.images[image_id]["file_name"])[0]

    def drawn(self, image_id, names=None):
        """What is left of each mask under the smaller ones; of categories of some names only."""
        items = [(a, m) for a, m in self.by_image[image_id]
                 if names is None or a.get("iscrowd") or self.names[a["category_id"]] in names]
        order = sorted(range(len(items)), key=lambda k: (-int(items[k][1].sum()), k))
        i = self.images[image_id]
        canvas = np.zeros((i["height"], i["width"]), np.int32)
        for k in order:
            canvas[items[k][1] > 0] = k + 1
        return [(items[k][0], (canvas == k + 1).astype(np.uint8)) for k in range(len(items))]


def iou(a, b):
    union = int(np.logical_or(a, b).sum())
    return 1.0 if union == 0 else float(np.logical_and(a, b).sum()) / union


class Score:
    def __init__(self):
        self.values, self.missing = [], 0

    def match(self, wanted, found):
        """Masks of one image, pairs of category name and mask: each wanted one with its best."""
        found = list(found)
        for name, mask in wanted:
            best, place = -1.0, None
            for k, (other, candidate) in enumerate(found):
                if other == name and candidate.shape == mask.shape:
                    value = iou(mask, candidate)
                    if value > best:
                        best, place = value, k
            if place is None:
                self.missing += 1
            else:
                found.pop(place)
                self.values.append(best)
        self.missing += len(found)


def convert(mal, masks, out, to, *options):
    shutil.rmtree(out, ignore_errors=True)
    if os.path.isfile(out):
        os.remove(out)
    return subprocess.run([mal, "convert", masks, out, "--to", to, "-q", *options], check=True,
                          capture_output=True, text=True).stdout


def coco(truth, path, score):
    api = COCO(path)
    for image_id in truth.images:
        found = [(truth.names[a["category_id"]], api.annToMask(a))
                 for a in api.loadAnns(api.getAnnIds(imgIds=image_id)) if a.get("segmentation")]
        score.match([(truth.names[a["category_id"]], m) for a, m in truth.by_image[image_id]], found)
    return "pycocotools.COCO"


def lvis(truth, path, score):
    from lvis import LVIS
    api = LVIS(path)
    for image_id in truth.images:
        found = [(truth.names[a["category_id"]], api.ann_to_mask(a))
                 for a in api.load_anns(api.get_ann_ids(img_ids=[image_id])) if a["segmentation"]]
        score.match([(truth.names[a["category_id"]], m) for a, m in truth.by_image[image_id]], found)
    return "lvis.LVIS"


def ytvis(truth, path, score):
    data = json.load(open(path))
    ids = {i["file_name"]: k for k, i in truth.images.items()}
    videos = {v["id"]: v for v in data["videos"]}
    found = collections.defaultdict(list)
    for a in data["annotations"]:
        video = videos[a["video_id"]]
        assert len(a["segmentations"]) == len(a["bboxes"]) == len(a["areas"]) == video["length"]
        for name, s in zip(video["file_names"], a["segmentations"]):
            if s:
                found[ids[name]].append((truth.names[a["category_id"]], rle.decode(s)))
    for image_id in truth.images:
        score.match([(truth.names[a["category_id"]], m) for a, m in truth.by_image[image_id]],
                    found[image_id])
    return "pycocotools.mask"


def detections(truth, path, score):
    gt = COCO()
    gt.dataset = truth.data
    gt.createIndex()
    api = gt.loadRes([d for d in json.load(open(path)) if "segmentation" in d])
    for image_id in truth.images:
        found = [(truth.names[a["category_id"]], api.annToMask(a))
                 for a in api.loadAnns(api.getAnnIds(imgIds=image_id))]
        score.match([(truth.names[a["category_id"]], m) for a, m in truth.by_image[image_id]], found)
    return "pycocotools loadRes"


def yolo_seg(truth, path, score, images):
    """Ultralytics' own label check, and its polygons by pycocotools."""
    try:
        from ultralytics.data.utils import verify_image_label
        reader = "ultralytics verify_image_label"
    except ImportError:
        verify_image_label, reader = None, "text"
    import yaml
    names = yaml.safe_load(open(path + "/data.yaml"))["names"]
    for image_id, i in truth.images.items():
        label = f"{path}/labels/{truth.stem(image_id)}.txt"
        if verify_image_label:
            result = verify_image_label((os.path.join(images, i["file_name"]), label, "", False,
                                         len(names), 0, 0, False))
            assert result[0] is not None, result[-1]
            classes, polygons = [int(r[0]) for r in result[1]], result[3]
        else:
            rows = [line.split() for line in open(label)]
            classes = [int(r[0]) for r in rows]
            polygons = [np.array(r[1:], float).reshape(-1, 2) for r in rows]
        found = []
        for k, polygon in zip(classes, polygons):
            corners = (np.asarray(polygon, float) * [i["width"], i["height"]]).ravel().tolist()
            found.append((names[k], decode([corners], i["height"], i["width"])))
        score.match([(truth.names[a["category_id"]], m) for a, m in truth.by_image[image_id]], found)
    return reader


def yolo_supervision(truth, path, score, images):
    import supervision as sv
    data = sv.DetectionDataset.from_yolo(images, path + "/labels", path + "/data.yaml", force_masks=True)
    ids = {i["file_name"]: k for k, i in truth.images.items()}
    for name, _, detections in data:
        image_id = ids[os.path.basename(name)]
        found = [(data.classes[c], m.astype(np.uint8))
                 for c, m in zip(detections.class_id, detections.mask if detections.mask is not None else [])]
        score.match([(truth.names[a["category_id"]], m) for a, m in truth.by_image[image_id]], found)
    return "supervision from_yolo (cv2.fillPoly, which also draws the outline)"


def labelme(truth, path, score):
    reader = "json"
    try:
        from labelme._label_file import LabelFile
    except ImportError:
        try:
            from labelme.label_file import LabelFile
        except ImportError:
            LabelFile = None
    for image_id, i in truth.images.items():
        name = f"{path}/{truth.stem(image_id)}.json"
        shapes = json.load(open(name))["shapes"]
        groups = collections.OrderedDict()
        for k, s in enumerate(shapes):
            if s["shape_type"] == "polygon":
                key = (s["label"], s["group_id"] if s["group_id"] is not None else f"one {k}")
                groups.setdefault(key, []).append(np.array(s["points"], float).ravel().tolist())
        found = [(label, decode(p, i["height"], i["width"])) for (label, _), p in groups.items()]
        score.match([(truth.names[a["category_id"]], m) for a, m in truth.by_image[image_id]], found)
    return reader


def labelme_opens(path, images):
    """LabelMe itself opens the files when they lie beside their images."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("LOGURU_LEVEL", "WARNING")
    try:
        from labelme.label_file import LabelFile
    except ImportError:
        from labelme._label_file import LabelFile
    count = 0
    for name in sorted(glob.glob(path + "/*.json")):
        image = json.load(open(name))["imagePath"]
        link = os.path.join(path, image)
        if not os.path.exists(link):
            os.symlink(os.path.abspath(os.path.join(images, image)), link)
        file = LabelFile(name)
        count += len(file.shapes)
    return count


def legend(path):
    return {int(r["value"]): r["name"] for r in csv.DictReader(open(path + "/categories.csv"))}


def voc_png(truth, path, score):
    names = legend(path)
    for image_id in truth.images:
        objects = np.array(Image.open(f"{path}/SegmentationObject/{truth.stem(image_id)}.png"))
        classes = np.array(Image.open(f"{path}/SegmentationClass/{truth.stem(image_id)}.png"))
        found = []
        for value in np.unique(objects):
            if value in (0, 255):
                continue
            mask = objects == value
            kinds = np.unique(classes[mask])
            assert len(kinds) == 1
            found.append((names[int(kinds[0])], mask.astype(np.uint8)))
        wanted = [(truth.names[a["category_id"]], m) for a, m in truth.drawn(image_id) if m.any()]
        score.match(wanted, found)
    return "Pillow, palette indices"


def mots_rows(path):
    rows = list(csv.DictReader(open(path + "/images.csv")))
    return {r["image"]: (r["sequence"], int(r["frame"])) for r in rows}


def mots(truth, score, names, instances):
    """`instances` gives pairs of id and mask of an image."""
    for image_id, i in truth.images.items():
        found = []
        for number, mask in instances(i):
            if number != 10000:
                found.append((names[number // 1000], mask))
        wanted = [(truth.names[a["category_id"]], m) for a, m in truth.drawn(image_id, set(names.values()))
                  if m.any() and not a.get("iscrowd")]
        score.match(wanted, found)


def mots_png(truth, path, score):
    frames = mots_rows(path)

    def instances(image):
        sequence, frame = frames[image["file_name"]]
        values = np.array(Image.open(f"{path}/instances/{sequence}/{frame:06d}.png"))
        return [(int(v), (values == v).astype(np.uint8)) for v in np.unique(values) if v]

    mots(truth, score, legend(path), instances)
    return "Pillow, 16 bits"


def mots_txt(truth, path, score):
    frames = mots_rows(path)
    lines = collections.defaultdict(list)
    for name in glob.glob(path + "/instances_txt/*.txt"):
        sequence = os.path.splitext(os.path.basename(name))[0]
        for line in open(name):
            frame, number, kind, height, width, counts = line.strip().split(" ")
            assert int(number) // 1000 == int(kind)
            lines[sequence, int(frame)].append(
                (int(number), {"size": [int(height), int(width)], "counts": counts.encode()}))
    for items in lines.values():
        # What TrackEval's KittiMOTS refuses: two objects in one pixel.
        if len(items) > 1:
            assert int(rle.area(rle.merge([s for _, s in items], intersect=True))) == 0 or len(items) != 2
            assert sum(int(rle.area(s)) for _, s in items) == int(rle.area(rle.merge([s for _, s in items])))

    def instances(image):
        return [(n, rle.decode(s)) for n, s in lines[frames[image["file_name"]]]]

    mots(truth, score, legend(path), instances)
    return "pycocotools.mask, no overlaps (TrackEval's rule)"


def png(truth, path, score):
    data = json.load(open(path + "/annotations.json"))
    found = collections.defaultdict(list)
    for a in data["annotations"]:
        if "mask_file" in a:
            mask = np.array(Image.open(os.path.join(path, a["mask_file"]))).astype(np.uint8)
            found[a["image_id"]].append((truth.names[a["category_id"]], (mask > 0).astype(np.uint8)))
    for image_id in truth.images:
        score.match([(truth.names[a["category_id"]], m) for a, m in truth.by_image[image_id]],
                    found[image_id])
    return "Pillow, 1 bit"


def semantic(truth, path, score):
    names = legend(path)
    for image_id in truth.images:
        values = np.array(Image.open(f"{path}/{truth.stem(image_id)}.png"))
        wanted = {}
        for a, m in truth.drawn(image_id):
            if m.any():
                name = truth.names[a["category_id"]]
                wanted[name] = np.maximum(wanted.get(name, 0), m)
        found = [(names[int(v)], (values == v).astype(np.uint8)) for v in np.unique(values) if v]
        score.match(list(wanted.items()), found)
    return "Pillow, palette indices"


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("mal")
    a.add_argument("masks")
    a.add_argument("images")
    a.add_argument("--work", default="/tmp/mal-formats")
    a.add_argument("--only", nargs="*")
    o = a.parse_args()
    truth = Truth(o.masks)
    os.makedirs(o.work, exist_ok=True)
    cv2.setNumThreads(1)
    # Format, options, reader, and the lowest IoU that is no fault.
    cases = [
        ("coco", (), coco, 1), ("coco-rle", (), coco, 1), ("coco-polygons", (), coco, 1),
        ("coco-polygons", ("--tolerance", "1"), coco, 0),
        ("coco-polygons", ("--subpixel",), coco, 0),
        ("coco-polygons", ("--subpixel", "--tolerance", "0.5"), coco, 0),
        ("lvis", (), lvis, 1), ("ytvis", (), ytvis, 1), ("detections", (), detections, 1),
        ("yolo-seg", (), lambda t, p, s: yolo_seg(t, p, s, o.images), 0),
        ("yolo-seg", (), lambda t, p, s: yolo_supervision(t, p, s, o.images), 0),
        ("labelme", (), labelme, 1), ("voc-png", (), voc_png, 1), ("mots-png", (), mots_png, 1),
        ("mots-txt", (), mots_txt, 1), ("png", (), png, 1), ("semantic", (), semantic, 1),
    ]
    failed = False
    wanted = sum(len(v) for v in truth.by_image.values())
    print(f"{len(truth.images)} images, {wanted} masks")
    for to, options, reader, least in cases:
        if o.only and to not in o.only:
            continue
        suffix = {"coco": ".json", "coco-rle": ".json", "coco-polygons": ".json", "lvis": ".json",
                  "ytvis": ".json", "detections": ".json"}.get(to, "")
        out = f"{o.work}/{to}{suffix}"
        convert(o.mal, o.masks, out, to, *options)
        score = Score()
        devnull, sys.stdout = sys.stdout, open(os.devnull, "w")
        try:
            name = reader(truth, out, score)
        finally:
            sys.stdout = devnull
        worst = min(score.values, default=1.0)
        mean = sum(score.values) / max(1, len(score.values))
        bad = worst < least or score.missing > 0
        failed |= bad and least > 0
        print(f"{to:14} {' '.join(options):28} {len(score.values):6} read, {score.missing} without "
              f"counterpart, IoU {mean:.6f} mean {worst:.6f} worst  [{name}]"
              f"{'  NOT AS EXPECTED' if bad and least > 0 else ''}", flush=True)
        if to == "labelme":
            try:
                print(f"{'':14} LabelMe's own LabelFile opens them: "
                      f"{labelme_opens(out, o.images)} shapes", flush=True)
            except Exception as error:  # a missing reader is no fault of ours
                print(f"{'':14} LabelMe's own LabelFile was not used: {error}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
