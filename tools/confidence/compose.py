"""Photographs with objects pasted in, whose visible masks are known exactly.

Objects that a model is sure of are cut out, turned, squeezed and pasted over photographs and over each other,
as a rule the smaller in front. No mask that a human drew enters. Needs numpy, Pillow and pycocotools.
"""

import json
import random

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

# What is cut out: of the labelled boxes those whose mask is surer than this share of all, and sound besides.
SURE = 0.4
LIMITS = {"worst_gap": 0.06, "islands": 0.03, "holes": 0.05, "mask_covered": 0.15, "ambiguity": 0.25}


def subset(boxes, count, seed=3):
    """`count` boxes above 3,000 px² at most, four of a photograph at most; a sixth from those with a single box."""
    data = json.loads(boxes.read_text())
    generator = random.Random(seed)
    groups = {}
    for box in data["annotations"]:
        if box["bbox"][2] * box["bbox"][3] > 3000 and not box.get("iscrowd"):
            groups.setdefault(box["image_id"], []).append(box)
    single = [group[0] for group in groups.values() if len(group) == 1]
    several = [box for group in groups.values() if len(group) > 1 for box in generator.sample(group, min(4, len(group)))]
    chosen = generator.sample(several, min(count * 5 // 6, len(several)))
    chosen += generator.sample(single, min(count - len(chosen), len(single)))
    used = {box["image_id"] for box in chosen}
    return {**data, "annotations": chosen, "images": [i for i in data["images"] if i["id"] in used]}


def sure(labelled, features):
    """The annotations of a labelled file whose masks may be cut out."""
    found = {line["id"]: line["features"] for line in map(json.loads, features.read_text().splitlines())}
    masks = [a for a in json.loads(labelled.read_text())["annotations"] if a.get("segmentation") and a["id"] in found]
    bound = np.quantile([found[a["id"]]["certainty"] for a in masks], SURE)
    return [a for a in masks if found[a["id"]]["certainty"] > bound
            and all(found[a["id"]][name] < limit for name, limit in LIMITS.items())]


class Composer:
    def __init__(self, train, objects, seed=1):
        data = json.loads((train / "boxes.json").read_text())
        self.folder, self.objects = train / "images", objects
        self.names = {i["id"]: i["file_name"] for i in data["images"]}
        self.boxes = {}
        for box in data["annotations"]:
            self.boxes.setdefault(box["image_id"], []).append(box["bbox"])
        self.random = np.random.default_rng(seed)

    def photograph(self, image):
        with Image.open(self.folder / self.names[image]) as picture:
            return np.asarray(picture.convert("RGB"))

    def cut(self, limit):
        """An object with its mask as alpha, scaled and turned; a third of all become thin."""
        random = self.random
        annotation = self.objects[random.integers(len(self.objects))]
        mask = coco_mask.decode(annotation["segmentation"])
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        part = np.s_[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
        picture = Image.fromarray(np.dstack([self.photograph(annotation["image_id"])[part], mask[part] * 255]), "RGBA")
        if random.random() < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        side = np.exp(random.uniform(np.log(28), np.log(limit)))
        across = along = min(side / np.sqrt(picture.width * picture.height), 1.6)
        angle = random.normal(0, 8)
        if random.random() < 0.35:
            squeeze = random.uniform(0.12, 0.5)
            across, along = across * squeeze, along / np.sqrt(squeeze)
            if random.random() < 0.5:
                across, along = along, across
            angle = random.uniform(0, 360)
        size = max(3, int(picture.width * across)), max(3, int(picture.height * along))
        return picture.resize(size, Image.Resampling.LANCZOS).rotate(angle, Image.Resampling.BICUBIC, expand=True)

    def place(self, boxes, width, height):
        """The middle of a new object: three times in four inside a box that is there."""
        if boxes and self.random.random() < 0.75:
            x, y, w, h = boxes[self.random.integers(len(boxes))]
            return self.random.uniform(x, x + w), self.random.uniform(y, y + h)
        return self.random.uniform(0, width), self.random.uniform(0, height)

    def picture(self):
        """A photograph with two to six objects on it, and what is seen of each."""
        random = self.random
        image = list(self.names)[random.integers(len(self.names))]
        canvas = self.photograph(image).astype(np.float32)
        height, width = canvas.shape[:2]
        parts = []
        for _ in range(random.integers(2, 7)):
            parts.append(self.cut(min(height, width) * 0.7))
            if random.random() < 0.15:
                parts.append(parts[-1])
        parts.sort(key=lambda part: -part.width * part.height * np.exp(random.normal(0, 0.8)))
        boxes, seen = list(self.boxes.get(image, [])), []
        for part in parts:
            x, y = self.place(boxes, width, height)
            x, y = int(x - part.width / 2), int(y - part.height / 2)
            left, top, right, bottom = max(0, x), max(0, y), min(width, x + part.width), min(height, y + part.height)
            if right - left < 3 or bottom - top < 3:
                continue
            pixels = np.asarray(part)[top - y:bottom - y, left - x:right - x].astype(np.float32)
            alpha = pixels[..., 3:] / 255
            light = np.exp(random.normal(0, 0.12))
            under = canvas[top:bottom, left:right]
            canvas[top:bottom, left:right] = under * (1 - alpha) + np.clip(pixels[..., :3] * light, 0, 255) * alpha
            mask = np.zeros((height, width), bool)
            mask[top:bottom, left:right] = alpha[..., 0] > 0.5
            for other, _ in seen:
                other &= ~mask
            seen.append((mask, mask.sum()))
            boxes.append((left, top, right - left, bottom - top))
        return canvas.clip(0, 255).astype(np.uint8), [mask for mask, area in seen if mask.sum() >= max(80, 0.15 * area)]

    def box(self, mask):
        """Its corners, more often than not a little off, as boxes are; None where it is too small."""
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        corners = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], float)
        size = corners[2:] - corners[:2]
        if size.min() < 6 or size.prod() < 300:
            return None
        if self.random.random() < 0.6:
            corners += self.random.normal(0, 0.015, 4) * np.tile(size, 2)
        height, width = mask.shape
        left, top, right, bottom = corners.clip(0, [width, height, width, height])
        return [round(float(v), 2) for v in (left, top, right - left, bottom - top)]


def compose(train, objects, count, folder):
    """Writes `count` pictures into `folder`/images, and their boxes and masks into `folder`/boxes.json."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    composer = Composer(train, objects)
    images, annotations = [], []
    for number in range(1, count + 1):
        canvas, masks = composer.picture()
        name = f"{number:05}.png"
        for mask in masks:
            box = composer.box(mask)
            if box is None:
                continue
            run_lengths = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
            annotations.append({
                "id": len(annotations) + 1, "image_id": number, "category_id": 1, "bbox": box, "iscrowd": 0,
                "area": float(mask.sum()),
                "segmentation": {"size": run_lengths["size"], "counts": run_lengths["counts"].decode()}})
        Image.fromarray(canvas).save(folder / "images" / name, compress_level=1)
        images.append({"id": number, "file_name": name, "width": canvas.shape[1], "height": canvas.shape[0]})
    (folder / "boxes.json").write_text(json.dumps({
        "images": images, "annotations": annotations, "categories": [{"id": 1, "name": "object"}]}))
