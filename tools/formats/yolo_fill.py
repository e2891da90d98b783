#!/usr/bin/env python3
"""Fills the polygons of a yolo-seg data set as ultralytics does and compares them with the masks.

    yolo_fill.py instances.json DATASET

`instances.json` is COCO, DATASET what `mal convert instances.json DATASET --to yolo-seg` wrote. Needs numpy,
opencv-python-headless and pycocotools."""
import collections
import json
import pathlib
import sys

import cv2
import numpy as np
from pycocotools import mask as coco_mask


def decode(segmentation, height, width):
    if isinstance(segmentation, list):
        segmentation = coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation["counts"], list):
        segmentation = coco_mask.frPyObjects(segmentation, height, width)
    return coco_mask.decode(segmentation)


truth, folder = json.load(open(sys.argv[1])), pathlib.Path(sys.argv[2])
by_image = collections.defaultdict(list)
for annotation in truth["annotations"]:
    if annotation.get("segmentation"):
        by_image[annotation["image_id"]].append(annotation)
values, missing = [], 0
for image in truth["images"]:
    height, width = image["height"], image["width"]
    path = folder / "labels" / (image["file_name"].rsplit(".", 1)[0] + ".txt")
    lines = path.read_text().split("\n")[:-1]
    wanted = [decode(a["segmentation"], height, width) for a in by_image[image["id"]]]
    wanted = [mask for mask in wanted if mask.any()]
    if len(lines) != len(wanted):
        missing += abs(len(lines) - len(wanted))
        continue
    for line, mask in zip(lines, wanted):
        shares = np.array(line.split()[1:], dtype=np.float32).reshape(-1, 2)
        # ultralytics.data.utils.polygon2mask: corners as int32, then fillPoly.
        corners = (shares * np.array([width, height], dtype=np.float32)).astype(np.int32)
        drawn = np.zeros((height, width), np.uint8)
        cv2.fillPoly(drawn, [corners], 1)
        union = np.logical_or(drawn, mask).sum()
        values.append(np.logical_and(drawn, mask).sum() / union)
values = np.array(values)
print(f"{len(values)} masks, mean IoU {values.mean():.6f}, worst {values.min():.4f}, "
      f"{(values >= 0.99).sum()} at 0.99 or more, {(values == 1).sum()} exact; {missing} without a partner")
