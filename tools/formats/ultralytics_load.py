#!/usr/bin/env python3
"""Loads a yolo-seg data set with ultralytics' own loader and compares classes and masks with those of a COCO file.

    mal convert instances.json DATASET --to yolo-seg --images IMAGES --copy-images
    ultralytics_load.py instances.json DATASET

Needs ultralytics (and its torch), pycocotools and numpy. The loader writes a .cache file into the data set."""
import collections
import json
import pathlib
import sys

import numpy as np
from pycocotools import mask as coco_mask
from ultralytics.data.dataset import YOLODataset
from ultralytics.data.utils import check_det_dataset, polygon2mask


def decoded(value, height, width):
    if isinstance(value, list):
        value = coco_mask.merge(coco_mask.frPyObjects(value, height, width))
    elif isinstance(value["counts"], list):
        value = coco_mask.frPyObjects(value, height, width)
    return coco_mask.decode(value)


truth, folder = json.load(open(sys.argv[1])), pathlib.Path(sys.argv[2]).resolve()
categories = {category["id"]: category["name"] for category in truth["categories"]}
annotations = collections.defaultdict(list)
for annotation in truth["annotations"]:
    if annotation.get("segmentation"):
        annotations[annotation["image_id"]].append(annotation)
data = check_det_dataset(str(folder / "data.yaml"), autodownload=False)
found = {
    pathlib.Path(label["im_file"]).name: label
    for label in YOLODataset(img_path=data["train"], data=data, task="segment", augment=False).labels}
values, other_classes, missing = [], 0, 0
for image in truth["images"]:
    shape = image["height"], image["width"]
    wanted = [
        (categories[a["category_id"]], decoded(a["segmentation"], *shape)) for a in annotations[image["id"]]]
    wanted = [(name, mask) for name, mask in wanted if mask.any()]
    label = found.get(pathlib.Path(image["file_name"]).name)
    segments = label["segments"] if label else []
    if len(segments) != len(wanted):
        missing += abs(len(segments) - len(wanted))
        continue
    for number, segment, (name, mask) in zip(label["cls"][:, 0], segments, wanted):
        other_classes += data["names"][int(number)] != name
        drawn = polygon2mask(shape, [(segment * shape[::-1]).reshape(-1)])
        values.append(np.logical_and(drawn, mask).sum() / np.logical_or(drawn, mask).sum())
values = np.array(values)
print(f"{len(values)} masks of {len(found)} images, {other_classes} of another class, {missing} without a partner: "
      f"mean IoU {values.mean():.6f}, worst {values.min():.4f}, {(values >= 0.99).sum()} at 0.99 or more, {(values == 1).sum()} exact")
