#!/usr/bin/env python3
"""Writes an annotation file as large as COCO's train2017 instances: 118,287 images and 860,001
annotations with polygons, about 450 MB. The same bytes for the same seed.

    coco_scene.py OUT.json [--images N] [--annotations N] [--seed N]

Standard library only. Outlines come from a pool of 4,000, so that the file is written in seconds.
"""
import argparse
import json
import math
import random

IMAGES, ANNOTATIONS, CATEGORIES, POOL = 118_287, 860_001, 80, 4_000


def outline(chance, width, height):
    """One object's polygons, box and area as JSON text: 6 to 150 corners, as people draw them."""
    w = 8 * (width * 0.7 / 8) ** chance.random()
    h = 8 * (height * 0.7 / 8) ** chance.random()
    x, y = chance.uniform(0, width - w), chance.uniform(0, height - h)
    polygons, left, top, right, bottom, area = [], width, height, 0, 0, 0
    for _ in range(2 if chance.random() < 0.1 else 1):
        count = min(150, max(6, int(chance.lognormvariate(2.9, 0.6))))
        points = []
        for corner in range(count):
            turn, reach = 2 * math.pi * corner / count, chance.uniform(0.35, 0.5)
            points.append((
                round(x + w * (0.5 + reach * math.cos(turn)), 2),
                round(y + h * (0.5 + reach * math.sin(turn)), 2)))
        left = min(left, *(p[0] for p in points))
        right = max(right, *(p[0] for p in points))
        top = min(top, *(p[1] for p in points))
        bottom = max(bottom, *(p[1] for p in points))
        area += abs(sum(
            a[0] * b[1] - b[0] * a[1] for a, b in zip(points, points[1:] + points[:1]))) / 2
        polygons.append([v for point in points for v in point])
    box = [round(left, 2), round(top, 2), round(right - left, 2), round(bottom - top, 2)]
    return json.dumps(polygons), json.dumps(box), round(area, 4)


def write(path, images=IMAGES, annotations=ANNOTATIONS, seed=2017):
    chance = random.Random(seed)
    sizes = [(640, 480), (640, 427), (480, 640), (500, 375)]
    pools = [[outline(chance, *size) for _ in range(POOL // len(sizes))] for size in sizes]
    with open(path, "w") as file:
        file.write('{"info": {"description": "synthetic"}, "licenses": [], "images": [')
        for index in range(images):
            width, height = sizes[index % len(sizes)]
            number = index * 5 + 9
            file.write(
                f'{", " if index else ""}{{"license": {index % 8 + 1}, "file_name": '
                f'"{number:012d}.jpg", "coco_url": "http://example.org/{number:012d}.jpg", '
                f'"height": {height}, "width": {width}, "date_captured": "2013-11-14 16:28:13", '
                f'"flickr_url": "http://example.org/{number:x}_z.jpg", "id": {number}}}')
        file.write('], "annotations": [')
        for index in range(annotations):
            image = int(chance.random() * images)
            segmentation, box, area = chance.choice(pools[image % len(sizes)])
            file.write(
                f'{", " if index else ""}{{"segmentation": {segmentation}, "area": {area}, '
                f'"iscrowd": 0, "image_id": {image * 5 + 9}, "bbox": {box}, '
                f'"category_id": {index * 7 % CATEGORIES + 1}, "id": {index * 2 + 1}}}')
        names = [
            {"supercategory": "thing", "id": k, "name": f"thing {k}"}
            for k in range(1, CATEGORIES + 1)]
        file.write('], "categories": ' + json.dumps(names) + "}\n")


if __name__ == "__main__":
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("out")
    a.add_argument("--images", type=int, default=IMAGES)
    a.add_argument("--annotations", type=int, default=ANNOTATIONS)
    a.add_argument("--seed", type=int, default=2017)
    o = a.parse_args()
    write(o.out, o.images, o.annotations, o.seed)
